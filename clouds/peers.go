package clouds

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// otherCluster is one cluster whose nodes are let in, with what they may connect to.
type otherCluster struct {
	*Cluster
	rules []Rule
}

// Connect opens the firewall of every cluster to the nodes of all others, for the
// mesh and the federation and nothing else. One more cluster, or node, adds rules or addresses to
// the others' and replaces nothing. It returns what must exist before nodes of
// different clusters can meet.
func Connect(clusters []*Cluster) ([]pulumi.Resource, error) {
	var all []pulumi.Resource
	for i, c := range clusters {
		var others []otherCluster
		for _, peer := range slices.Delete(slices.Clone(clusters), i, i+1) {
			others = append(others, otherCluster{peer, PeerRules(c.hosts, peer.hosts)})
		}
		if len(others) == 0 {
			continue
		}
		made, err := c.cloud.allowClusters(others)
		if err != nil {
			return nil, fmt.Errorf("cluster %q: letting its peers in: %w", c.Name, err)
		}
		all = append(all, made...)
	}
	return all, nil
}

// singles are ranges of one address each: where the connections of the cluster's
// nodes come from.
func singles(c *Cluster) pulumi.StringArray {
	var out pulumi.StringArray
	for _, n := range c.Nodes {
		out = append(out, pulumi.Sprintf("%s/32", n.EgressAddress))
	}
	return out
}
