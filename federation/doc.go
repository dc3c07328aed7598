// Package federation makes all clusters one: an API of its own, Karmada, whose
// objects are placed in the member clusters.
//
// Its control plane runs in the host cluster, in namespace federation: etcd, an API
// server on a port of the host's nodes, and the programs that work on what it
// holds. All clusters are members, the host too. Each is pushed to at its public
// address, with a token of its own. A zone in the DNS names all of them.
package federation
