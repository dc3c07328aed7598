package workloads

import (
	"errors"
	"fmt"
	"net/netip"

	"hybrid/clouds"
	"hybrid/internal/identity"
	"hybrid/internal/objects"
	"hybrid/workloads/topology"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// defaultStorageSize is that of PostgresArgs.
const defaultStorageSize = "10Gi"

// PostgresArgs says what PostgreSQL is to be. The settings have been validated
// before.
type PostgresArgs struct {
	// Settings are the stack's, with places for everything: see Place.
	Settings

	// Mandatory.

	// Clusters are all members of the federation.
	Clusters []*clouds.Cluster
	// Provider makes objects in the federation's API, and Identity is replaced when
	// the federation is made again.
	Provider *kubernetes.Provider
	Identity pulumi.CustomResource
	// Members exist, by cluster's name, when the cluster is a member.
	Members map[string]pulumi.Resource
	// PodCIDR holds the addresses of all clusters' pods: no others may connect.
	PodCIDR netip.Prefix
	// Host is the cluster that hosts the federation.
	Host string

	// Optional.

	// Mesh exists, by cluster's name, when pods reach others'.
	Mesh map[string]pulumi.Resource
	// Backup says where the database is backed up; nil: nowhere.
	Backup *Backup
	// PostgresPassword is the superuser's; a random one if nil.
	PostgresPassword pulumi.StringInput

	// Defaulted.

	// CertificateHours is how long certificates are valid, RenewHours how long
	// before their end an update replaces them.
	CertificateHours, RenewHours int
}

func (a *PostgresArgs) defaults() {
	if a.StorageSize == "" {
		a.StorageSize = defaultStorageSize
	}
	if a.CertificateHours == 0 {
		a.CertificateHours, a.RenewHours = identity.CertificateHours, identity.RenewHours
	}
}

// Postgres is a replicated database.
type Postgres struct {
	pulumi.ResourceState

	// Password is the superuser's. Secret.
	Password pulumi.StringOutput
	// Authority is the certificate, PEM, of who signs the servers'.
	Authority pulumi.StringOutput
	// CertificatesEnd is when the first of its certificates ends, RFC 3339.
	CertificatesEnd pulumi.StringOutput
	// Up exists when the leader accepts writes and all replicas follow it.
	Up pulumi.Resource
}

// builder is what the steps share.
type builder struct {
	*Postgres
	ctx      *pulumi.Context
	name     string
	args     *PostgresArgs
	topology *topology.Topology

	guard  pulumi.Resource   // exists when etcd's members are as they were
	shared []pulumi.Resource // what pods mount, and its policy
	made   []pulumi.Resource // all objects
}

// NewPostgres makes the database.
func NewPostgres(ctx *pulumi.Context, name string, args *PostgresArgs, opts ...pulumi.ResourceOption) (*Postgres, error) {
	p := &Postgres{}
	if err := ctx.RegisterComponentResource("hybrid:workloads:Postgres", name, p, opts...); err != nil {
		return nil, fmt.Errorf("PostgreSQL %q: %w", name, err)
	}
	own := *args
	own.defaults()
	b := &builder{Postgres: p, ctx: ctx, name: name, args: &own}
	if err := b.build(); err != nil {
		return nil, fmt.Errorf("PostgreSQL %q: %w", name, err)
	}
	return p, ctx.RegisterResourceOutputs(p, pulumi.Map{"authority": p.Authority})
}

func (b *builder) build() (err error) {
	if b.cluster(b.args.Master) == nil {
		return errors.New("expected the cluster of psql-master to be among its clusters, found others")
	}
	b.topology = &topology.Topology{
		Master: b.args.Master, Placement: b.args.Placement, Durability: b.args.Durability,
		Etcd: topology.EtcdClusters(b.args.Master, b.args.Host, b.args.Placement, b.names()),
	}
	if b.Password, err = identity.Password(b.ctx, b.named("password"), b.args.PostgresPassword, pulumi.Parent(b)); err != nil {
		return err
	}
	for _, step := range []func() error{b.keep, b.certificates, b.settings, b.etcd, b.members, b.proxies, b.up} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) named(suffix string) string { return b.name + "-" + suffix }

func (b *builder) cluster(name string) *clouds.Cluster {
	for _, c := range b.args.Clusters {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// names are those of all clusters, in the order of the settings.
func (b *builder) names() []string {
	var all []string
	for _, c := range b.args.Clusters {
		all = append(all, c.Name)
	}
	return all
}

// federated are the options of each object in the federation: it comes when the
// clusters are members, goes with the federation, and needs no deletion then.
func (b *builder) federated(more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	needs := []pulumi.Resource{b.guard}
	for _, c := range b.args.Clusters {
		if m := b.args.Members[c.Name]; m != nil {
			needs = append(needs, m)
		}
	}
	return objects.Options(b, b.args.Provider, b.args.Identity, append(more, pulumi.DependsOn(needs))...)
}
