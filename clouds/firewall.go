package clouds

import (
	"net/netip"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Protocol is what all clouds' firewalls can express: DigitalOcean's know no
// others.
type Protocol string

// The protocols.
const (
	TCP  Protocol = "tcp"
	UDP  Protocol = "udp"
	ICMP Protocol = "icmp"
)

// Source says who may connect.
type Source int

// The sources.
const (
	// FromAdmins is ClusterArgs.AdminCIDRs.
	FromAdmins Source = iota
	// FromNodes is the cluster's own machines, by their private addresses.
	FromNodes
	// FromPeers is every machine of another cluster, by the addresses from which
	// they are seen.
	FromPeers
)

// Rule opens ports of every node of a cluster. What no rule opens is closed;
// nodes themselves may connect to anywhere.
type Rule struct {
	// Name is part of resource names: at most 16 characters.
	Name     string
	Protocol Protocol
	// FromPort to ToPort are open, both included; zero with ICMP.
	FromPort, ToPort int
	From             Source
	// Purpose says what the port serves.
	Purpose string
}

// Ports is the range as clouds write it: "22" or "6783-6784".
func (r Rule) Ports() string {
	if r.FromPort == r.ToPort {
		return strconv.Itoa(r.FromPort)
	}
	return strconv.Itoa(r.FromPort) + "-" + strconv.Itoa(r.ToPort)
}

// Ports that Kubernetes listens on, see
// https://kubernetes.io/docs/reference/networking/ports-and-protocols/.
const (
	sshPort     = 22
	kubeletPort = 10250
	// APIPort is that of each cluster's Kubernetes API.
	APIPort = 6443
)

// FederationPort is that of the federation's API, on every node of its host.
const FederationPort = 30443

// Ports that Weave Net listens on for its peers: control and encrypted packets on
// the first, packets of the fast datapath on the second. See
// https://rajch.github.io/weave/faq.
const (
	meshPort     = 6783
	meshDataPort = 6784
)

// ClusterRules are the least that a cluster works with, and the federation's host.
// etcd, scheduler and controller manager are not among them: with one control plane
// they are only spoken to from the machine itself.
func ClusterRules(hosts bool) []Rule {
	rules := []Rule{
		{"ssh", TCP, sshPort, sshPort, FromAdmins, "SSH: set up and repair machines"},
		{"api", TCP, APIPort, APIPort, FromAdmins, "Kubernetes API: kubectl and Pulumi"},
		{"api-nodes", TCP, APIPort, APIPort, FromNodes, "Kubernetes API: kubelets and pods"},
		{"kubelet", TCP, kubeletPort, kubeletPort, FromNodes, "kubelet: logs, exec and metrics by way of the API"},
		{"icmp-nodes", ICMP, 0, 0, FromNodes, "ICMP: path MTU discovery and ping"},
		{"mesh-tcp-nodes", TCP, meshPort, meshPort, FromNodes, "mesh: control"},
		{"mesh-udp-nodes", UDP, meshPort, meshDataPort, FromNodes, "mesh: packets"},
	}
	if hosts {
		rules = append(rules, Rule{"federation", TCP, FederationPort, FederationPort, FromAdmins, "federation API: kubectl and Pulumi"})
	}
	return rules
}

// PeerRules are the least that joins a cluster to another one, its peer. One of the
// two may host the federation, which uses its members' APIs, and which members may
// use.
func PeerRules(hosts, peerHosts bool) []Rule {
	rules := []Rule{
		{"mesh-tcp", TCP, meshPort, meshPort, FromPeers, "mesh with other clusters: control"},
		{"mesh-udp", UDP, meshPort, meshDataPort, FromPeers, "mesh with other clusters: packets"},
	}
	if hosts {
		rules = append(rules, Rule{"federation-peer", TCP, FederationPort, FederationPort, FromPeers, "federation API: members"})
	}
	if peerHosts {
		rules = append(rules, Rule{"api-federation", TCP, APIPort, APIPort, FromPeers, "Kubernetes API: the federation"})
	}
	return rules
}

// anywhere is every IPv4 address.
const anywhere = "0.0.0.0/0"

// prefixes renders ranges for a resource.
func prefixes(ranges []netip.Prefix) pulumi.StringArray {
	var out pulumi.StringArray
	for _, p := range ranges {
		out = append(out, pulumi.String(p.String()))
	}
	return out
}
