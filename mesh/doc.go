// Package mesh joins all clusters to one encrypted network of pods, by Weave Net
// on every node.
//
// One cluster, the host, seeds the ring of addresses; the others join it over the
// host's public node addresses. After that all peers are equal: they know each
// other, hold shares of the ring, and need the host no more than any other.
package mesh
