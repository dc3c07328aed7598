package main

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"hybrid/clouds"
	"hybrid/federation"
	"hybrid/internal/identity"
	"hybrid/workloads"
	"hybrid/workloads/topology"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// outputs are the stack's: they tell what has been made.
func (s *system) outputs() pulumi.Map {
	about, keys := pulumi.Map{}, pulumi.StringMap{}
	for i, c := range s.clusters {
		about[c.Name] = pulumi.Map{
			"cloud":          pulumi.String(c.Cloud),
			"region":         pulumi.String(c.Region),
			"federationHost": pulumi.Bool(s.settings.Clusters[i].FederationHost),
			"sshUser":        pulumi.String(c.SSHUser),
			"nodes":          c.Addresses(),
			"fixed":          c.Fixed(),
			"life":           c.Lived(),
		}
		keys[c.Name] = c.SSHPrivateKey
	}
	all := pulumi.Map{
		adminsOutput:     pulumi.ToStringArray(texts(s.settings.AdminCIDRs)),
		"clusters":       about,
		"kubeconfig":     s.kubeconfig(),
		"sshPrivateKeys": pulumi.ToSecret(keys.ToStringMapOutput()),
		"mesh": pulumi.Map{
			"range": pulumi.String(s.settings.PodCIDR.String()),
			"host":  pulumi.String(s.settings.host()),
		},
		"next": pulumi.String(next(s.settings)),
	}
	ends := pulumi.StringArray{s.federation.CertificatesEnd}
	if s.database != nil {
		ends = append(ends, s.database.CertificatesEnd)
	}
	all["certificatesEnd"] = identity.First(ends)
	if s.zone != nil {
		all["zone"] = pulumi.Map{"domain": pulumi.String(s.zone.Domain), "nameServers": s.zone.NameServers}
	}
	if s.store != nil {
		// What is to be known of it when the stack is gone.
		all["backup"] = pulumi.Map{"bucket": s.store.Bucket, "endpoint": pulumi.String(s.store.Endpoint)}
	}
	if s.monitoring != nil {
		// For pods of the host cluster.
		all["metrics"] = pulumi.String(s.monitoring.Address)
	}
	if s.database != nil {
		all["postgres"] = postgresOutputs(s.settings.Postgres, s.database)
	}
	return all
}

func texts(ranges []netip.Prefix) (all []string) {
	for _, r := range ranges {
		all = append(all, r.String())
	}
	return all
}

// kubeconfig has the contexts of all APIs. In the order of the settings: the current
// context is the first cluster's. Secret.
func (s *system) kubeconfig() pulumi.StringOutput {
	var all pulumi.StringArray
	for _, c := range s.clusters {
		all = append(all, c.Kubeconfig)
	}
	all = append(all, s.federation.Kubeconfig)
	return pulumi.ToSecret(all.ToStringArrayOutput().ApplyT(clouds.MergeKubeconfigs)).(pulumi.StringOutput)
}

// postgresOutputs say how to get into the database.
func postgresOutputs(settings workloads.Settings, db *workloads.Postgres) pulumi.Map {
	commands := []string{fmt.Sprintf("kubectl --context %s exec -it psql-master-0 -- psql -U postgres", settings.Master)}
	for _, name := range slices.Sorted(maps.Keys(settings.Placement)) {
		if settings.Placement[name] > 0 {
			commands = append(commands, fmt.Sprintf("kubectl --context %s exec -it rs/psql-replica -- psql -U postgres", name))
		}
	}
	return pulumi.Map{
		"commands": pulumi.ToStringArray(commands),
		// For pods, in every cluster, with ca in a file.
		"write":      pulumi.String(fmt.Sprintf("host=%s.%s user=postgres dbname=postgres sslmode=verify-full sslrootcert=ca.crt", topology.Master, topology.Namespace)),
		"read":       pulumi.String(fmt.Sprintf("host=%s.%s user=postgres dbname=postgres sslmode=verify-full sslrootcert=ca.crt", topology.Replica, topology.Namespace)),
		"ca":         db.Authority,
		"password":   db.Password,
		"durability": pulumi.String(settings.Durability),
	}
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
		fmt.Fprintf(&b, "kubectl --context %s exec -it %s-0 -- psql -U postgres\n", settings.Postgres.Master, topology.Master)
	}
	// An existing zone has been delegated by those who made it.
	if z := settings.Zone; z.Enabled && z.Existing == "" {
		b.WriteString("pulumi stack output zone")
		fmt.Fprintf(&b, "   # delegate %s to these name servers: with your registrar, or by NS records in the domain above it\n", z.Domain)
	}
	return b.String()
}
