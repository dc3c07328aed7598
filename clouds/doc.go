// Package clouds makes Kubernetes clusters on DigitalOcean, AWS and Google
// Compute Engine, all of them alike.
//
// A [Cluster] is built in the same steps everywhere: network, firewall, SSH
// key, static public addresses, virtual machines. The steps are the methods of
// the interface cloud; digitalocean.go, aws.go and gce.go implement it. What
// runs on the machines afterwards is in bootstrap.go and scripts/node, and knows
// nothing of clouds.
package clouds
