// The Pulumi program: it makes Kubernetes clusters on several clouds, names them, joins them
// to one network and one federation, and puts a replicated PostgreSQL into that: see
// README.md. Pulumi runs it. The command hybrid, which looks at what it has made, is in
// cmd/hybrid.
package main

import (
	"errors"
	"fmt"
	"strings"

	"hybrid/backup"
	"hybrid/clouds"
	"hybrid/federation"
	"hybrid/internal/settings"
	"hybrid/mesh"
	"hybrid/monitoring"
	"hybrid/workloads"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		made, err := program(ctx)
		if err != nil {
			return err
		}
		for name, value := range made.outputs() {
			ctx.Export(name, value)
		}
		return nil
	})
}

// system is what the program makes.
type system struct {
	settings *Settings
	// former is the stack as it was.
	former *clouds.Former
	// verify are the clusters whose APIs are asked once more; see [system.reach].
	verify map[string]bool
	// rollout has nodes take turns, if the stack is there and they get other machine
	// types or another version of Kubernetes.
	rollout  *clouds.Rollout
	clusters []*clouds.Cluster
	// zone has the names in the DNS; nil without names.
	zone *federation.Zone
	// peerRules are the firewalls' rules that let the clusters' machines reach each other.
	peerRules []pulumi.Resource
	mesh      *mesh.Mesh
	// federation is an API over all clusters.
	federation *federation.Federation
	// store is the bucket for backups; nil without backups.
	store *backup.Store
	// database is PostgreSQL; nil if it is switched off.
	database *workloads.Postgres
	// monitoring serves metrics; nil if it is switched off.
	monitoring *monitoring.Monitoring
}

// program makes the system, from settings that are found to be right.
func program(ctx *pulumi.Context) (*system, error) {
	loaded, err := loadSettings(ctx)
	if err := errors.Join(err, clouds.CheckAgent()); err != nil {
		return nil, err
	}
	for _, warning := range clouds.Quotas(loaded.Clusters, len(loaded.AdminCIDRs)) {
		if err := ctx.Log.Warn(warning, nil); err != nil {
			return nil, err
		}
	}
	everything, err := collect(ctx)
	if err != nil {
		return nil, err
	}
	s := &system{settings: loaded}
	for _, step := range []func(*pulumi.Context) error{
		s.compare, s.reach, s.leaveClusters, s.makeStore, s.makeClusters, s.makeZone, s.joinClusters, s.federate, s.makePostgres, s.makeMonitoring,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return s, s.guard(ctx, everything())
}

// leaveClusters lets go of the clusters that are lost.
func (s *system) leaveClusters(ctx *pulumi.Context) error {
	for _, name := range s.settings.left {
		if err := clouds.Leave(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// compare holds the settings against the stack as it was. The error lists every
// change that would end a cluster without being allowed to.
func (s *system) compare(ctx *pulumi.Context) (err error) {
	if s.former, err = clouds.ReadFormer(ctx); err != nil {
		return err
	}
	var p settings.Problems
	for _, c := range s.settings.Clusters {
		refused, err := s.former.Check(ctx, c, s.settings.Shared)
		if err != nil {
			return err
		}
		if s.former.Restoring(c) && !s.settings.Backup.Enabled {
			refused = append(refused, fmt.Sprintf("restore is %d, and there are no backups to restore from: hybrid:backup is not enabled", c.Restore))
		}
		for _, reason := range refused {
			p.Add(fmt.Sprintf("cluster %q", c.Name), "%s", reason)
		}
	}
	if err := p.Err(); err != nil {
		return err
	}
	s.rollout = clouds.NewRollout(ctx, s.former)
	return s.tellUpgrades(ctx)
}

// tellUpgrades says which nodes get another version of Kubernetes, and in which order.
func (s *system) tellUpgrades(ctx *pulumi.Context) error {
	var turns []string
	for _, i := range s.settings.turns() {
		for _, u := range s.former.Upgrades(s.settings.Clusters[i], s.settings.Shared) {
			turns = append(turns, u.String())
		}
	}
	if len(turns) == 0 {
		return nil
	}
	return ctx.Log.Info("Kubernetes is upgraded on one node after the other:\n  "+strings.Join(turns, "\n  "), nil)
}

// makeClusters makes all clusters. They know nothing of each other, so they come
// up side by side, and adding one leaves the others alone. Only where nodes take turns
// do they wait for each other.
func (s *system) makeClusters(ctx *pulumi.Context) error {
	s.clusters = make([]*clouds.Cluster, len(s.settings.Clusters))
	for _, i := range s.settings.turns() {
		c := s.settings.Clusters[i]
		made, err := clouds.NewCluster(ctx, c.Name, &clouds.ClusterArgs{
			Settings: c, Shared: s.settings.Shared, DNSNames: s.settings.dnsNames(c.Name), Rollout: s.rollout,
			Verify: s.verifier(ctx, c.Name), Former: s.former, Snapshots: s.snapshots(),
		})
		if err != nil {
			return err
		}
		s.clusters[i] = made
	}
	return nil
}

// makeZone gives the clusters names in the DNS, unless they shall have none.
func (s *system) makeZone(ctx *pulumi.Context) (err error) {
	if !s.settings.Zone.Enabled {
		return nil
	}
	s.zone, err = federation.NewZone(ctx, "zone", &federation.ZoneArgs{
		ZoneSettings: s.settings.Zone,
		Clusters:     s.clusters,
		Host:         s.host(),
	})
	return err
}

// joinClusters makes one network of all clusters' pods.
func (s *system) joinClusters(ctx *pulumi.Context) (err error) {
	if s.peerRules, err = clouds.Connect(s.clusters); err != nil {
		return err
	}
	s.mesh, err = mesh.New(ctx, "mesh", &mesh.Args{
		Settings:  s.settings.Mesh,
		Clusters:  s.clusters,
		Host:      s.host(),
		Range:     s.settings.PodCIDR,
		PeerRules: s.peerRules,
		Password:  s.settings.WeavePassword,
	})
	return err
}

// federate makes one API over all clusters.
func (s *system) federate(ctx *pulumi.Context) (err error) {
	s.federation, err = federation.New(ctx, "federation", &federation.Args{
		Settings:          s.settings.Federation,
		Clusters:          s.clusters,
		Host:              s.host(),
		Peers:             s.mesh.Peers[s.settings.host()],
		KubernetesVersion: s.settings.KubernetesVersion,
		PeerRules:         s.peerRules,
		DNSNames:          s.settings.dnsNames(federation.RecordName),
		Token:             s.settings.FederationToken,
		// Weave Net's has a shell and curl, and is on every node.
		ToolsImage: s.settings.Mesh.Image,
		Verify:     s.verifier(ctx, federation.Context),
	})
	return err
}

// makeStore makes the place where backups go, if there are any.
func (s *system) makeStore(ctx *pulumi.Context) (err error) {
	if !s.settings.Backup.Enabled {
		return nil
	}
	s.store, err = backup.NewStore(ctx, "backup", &backup.Args{
		Settings:  s.settings.Backup,
		In:        s.settings.bucketIn,
		Key:       s.settings.BackupKey,
		AccessKey: s.settings.BackupAccessKey,
		SecretKey: s.settings.BackupSecretKey,
		Readable:  s.settings.Postgres.RestoreFrom.Bucket,
	})
	return err
}

// snapshots says where those of the clusters' etcd go; nil without backups.
func (s *system) snapshots() *clouds.Snapshots {
	if s.store == nil {
		return nil
	}
	return s.store.Snapshots(s.settings.Backup)
}

// makePostgres puts PostgreSQL into the federation, unless it is switched off.
func (s *system) makePostgres(ctx *pulumi.Context) (err error) {
	if !s.settings.Postgres.Enabled {
		return nil
	}
	var store *workloads.Backup
	if s.store != nil {
		store = &workloads.Backup{Settings: s.settings.Backup, Store: s.store, RestoreKey: s.settings.RestoreKey}
	}
	s.database, err = workloads.NewPostgres(ctx, "psql", &workloads.PostgresArgs{
		Settings:         s.settings.Postgres,
		Clusters:         s.clusters,
		Host:             s.settings.host(),
		Provider:         s.federation.Provider,
		Identity:         s.federation.Identity,
		Members:          s.federation.Members,
		Mesh:             s.mesh.Up,
		PodCIDR:          s.settings.PodCIDR,
		Backup:           store,
		PostgresPassword: s.settings.PostgresPassword,
		CertificateHours: s.settings.Federation.CertificateHours,
		RenewHours:       s.settings.Federation.RenewHours,
	})
	return err
}

// makeMonitoring has all of it watched from within, if that is switched on.
func (s *system) makeMonitoring(ctx *pulumi.Context) (err error) {
	if !s.settings.Monitoring.Enabled {
		return nil
	}
	s.monitoring, err = monitoring.New(ctx, "monitoring", &monitoring.Args{
		Settings:   s.settings.Monitoring,
		Clusters:   s.clusters,
		Host:       s.host(),
		Federation: s.federation,
		Mesh:       s.mesh.Up,
		PeerRules:  s.peerRules,
		Database:   s.settings.Postgres.Enabled,
		Zone:       s.zone,
	})
	return err
}

// host is the cluster that hosts the federation, and seeds the mesh.
func (s *system) host() *clouds.Cluster {
	for _, c := range s.clusters {
		if c.Name == s.settings.host() {
			return c
		}
	}
	return nil
}
