// Package mockclusters makes the clusters that unit tests of mesh, federation and
// workloads build on, with mockcloud in place of the clouds.
package mockclusters

import (
	"maps"
	"net/netip"
	"slices"

	"hybrid/clouds"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Host is the name of the cluster that hosts the federation.
const Host = "america"

// Three are three clusters with a worker each.
var Three = map[string]int{"london": 1, "frankfurt": 1, Host: 1}

// PodCIDR holds the addresses of all clusters' pods.
var PodCIDR = netip.MustParsePrefix("10.32.0.0/12")

// New makes clusters with so many workers each, in the order of their names, on
// DigitalOcean, AWS, GCE, and so on.
func New(ctx *pulumi.Context, workers map[string]int) (Clusters, error) {
	var made Clusters
	for i, name := range slices.Sorted(maps.Keys(workers)) {
		args := &clouds.ClusterArgs{
			Settings: clouds.Settings{
				Cloud: clouds.Clouds[i%3], Region: "lon1", Workers: workers[name], FederationHost: name == Host,
				NetworkCIDR: netip.MustParsePrefix("10.10.0.0/24"), ServiceCIDR: netip.MustParsePrefix("10.96.0.0/16"),
			},
			Shared: clouds.DefaultShared(),
		}
		args.AdminCIDRs = []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32")}
		c, err := clouds.NewCluster(ctx, name, args)
		if err != nil {
			return nil, err
		}
		made = append(made, c)
	}
	return made, nil
}

// Connected are such clusters, and the rules that let their nodes reach each other.
func Connected(ctx *pulumi.Context, workers map[string]int) (Clusters, []pulumi.Resource, error) {
	made, err := New(ctx, workers)
	if err != nil {
		return nil, nil, err
	}
	rules, err := clouds.Connect(made)
	return made, rules, err
}

// Clusters are in the order of their names.
type Clusters []*clouds.Cluster

// Named is the one of that name, or nil.
func (all Clusters) Named(name string) *clouds.Cluster {
	for _, c := range all {
		if c.Name == name {
			return c
		}
	}
	return nil
}
