package main

import (
	"fmt"
	"strings"

	"hybrid/clouds"
	"hybrid/federation"
	"hybrid/mesh"
	"hybrid/workloads"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// makeClusters makes all clusters. They know nothing of each other, so they come
// up side by side, and adding one leaves the others alone.
func makeClusters(ctx *pulumi.Context, settings *Settings) ([]*clouds.Cluster, error) {
	var clusters []*clouds.Cluster
	for _, c := range settings.Clusters {
		made, err := clouds.NewCluster(ctx, c.Name, settings.clusterArgs(c))
		if err != nil {
			return nil, err
		}
		clusters = append(clusters, made)
	}
	return clusters, nil
}

// makeZone gives the clusters names in the DNS, or returns nil if they shall have
// none.
func makeZone(ctx *pulumi.Context, settings *Settings, clusters []*clouds.Cluster) (*federation.Zone, error) {
	if !settings.Zone.Enabled {
		return nil, nil
	}
	return federation.NewZone(ctx, "zone", settings.zoneArgs(ctx, clusters))
}

// network is what joins the clusters.
type network struct {
	*mesh.Mesh
	// openings let the clusters' machines reach each other.
	openings []pulumi.Resource
}

// joinClusters makes one network of all clusters' pods.
func joinClusters(ctx *pulumi.Context, settings *Settings, clusters []*clouds.Cluster) (*network, error) {
	openings, err := clouds.Connect(clusters)
	if err != nil {
		return nil, err
	}
	m, err := mesh.New(ctx, "mesh", settings.meshArgs(ctx, clusters, openings))
	return &network{m, openings}, err
}

// outputs are the stack's. zone and database may be nil.
func outputs(settings *Settings, clusters []*clouds.Cluster, zone *federation.Zone, federated *federation.Federation, database *workloads.Postgres) pulumi.Map {
	about, keys := pulumi.Map{}, pulumi.StringMap{}
	var kubeconfigs pulumi.StringArray
	for i, c := range clusters {
		about[c.Name] = pulumi.Map{
			"cloud":          pulumi.String(c.Cloud),
			"region":         pulumi.String(c.Region),
			"federationHost": pulumi.Bool(settings.Clusters[i].FederationHost),
			"sshUser":        pulumi.String(c.SSHUser),
			"nodes":          c.Addresses(),
		}
		keys[c.Name] = c.SSHPrivateKey
		kubeconfigs = append(kubeconfigs, c.Kubeconfig)
	}
	kubeconfigs = append(kubeconfigs, federated.Kubeconfig)
	all := pulumi.Map{
		"clusters": about,
		// In the order of the settings: the current context is the first cluster's.
		"kubeconfig":     pulumi.ToSecret(kubeconfigs.ToStringArrayOutput().ApplyT(clouds.MergeKubeconfigs)),
		"sshPrivateKeys": pulumi.ToSecret(keys.ToStringMapOutput()),
		"mesh": pulumi.Map{
			"range": pulumi.String(settings.PodCIDR.String()),
			"host":  pulumi.String(settings.host()),
		},
		"next": pulumi.String(next(settings)),
	}
	if zone != nil {
		all["zone"] = pulumi.Map{"domain": pulumi.String(zone.Domain), "nameServers": zone.NameServers}
	}
	if database != nil {
		all["postgres"] = postgresOutputs(settings, database)
	}
	return all
}

// next is what to type after pulumi up.
func next(settings *Settings) string {
	var b strings.Builder
	b.WriteString("(umask 077; pulumi stack output kubeconfig --show-secrets > hybrid.kubeconfig)\n")
	b.WriteString("export KUBECONFIG=$PWD/hybrid.kubeconfig\n")
	for _, c := range settings.Clusters {
		fmt.Fprintf(&b, "kubectl --context %s get nodes\n", c.Name)
	}
	fmt.Fprintf(&b, "kubectl --context %s get clusters\n", federation.Context)
	if settings.Postgres.Enabled {
		fmt.Fprintf(&b, "kubectl --context %s exec -it %s-0 -- psql -U postgres\n", settings.Postgres.Master, workloads.Master)
	}
	// An existing zone has been delegated by those who made it.
	if z := settings.Zone; z.Enabled && z.Existing == "" {
		b.WriteString("pulumi stack output zone")
		fmt.Fprintf(&b, "   # delegate %s to these name servers: with your registrar, or by NS records in the domain above it\n", z.Domain)
	}
	return b.String()
}
