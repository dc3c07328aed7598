package clouds

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Connect opens the firewall of every cluster to the nodes of all others, for the
// mesh and nothing else. One more cluster, or node, adds rules or addresses to
// the others' and replaces nothing. It returns what must exist before nodes of
// different clusters can meet.
func Connect(clusters []*Cluster) ([]pulumi.Resource, error) {
	var all []pulumi.Resource
	for i, c := range clusters {
		peers := slices.Delete(slices.Clone(clusters), i, i+1)
		if len(peers) == 0 {
			continue
		}
		made, err := c.cloud.admit(peers, PeerRules())
		if err != nil {
			return nil, fmt.Errorf("cluster %q: letting its peers in: %w", c.Name, err)
		}
		all = append(all, made...)
	}
	return all, nil
}

// singles are ranges of one address each: where the connections of the clusters'
// nodes come from.
func singles(clusters ...*Cluster) pulumi.StringArray {
	var out pulumi.StringArray
	for _, c := range clusters {
		for _, n := range c.Nodes {
			out = append(out, pulumi.Sprintf("%s/32", n.EgressAddress))
		}
	}
	return out
}
