package workloads

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"hybrid/clouds"
	"hybrid/workloads/replication"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Names of objects, in the federation and in each cluster.
const (
	Master  = replication.MasterApp
	Replica = replication.ReplicaApp
	Witness = replication.WitnessApp
	// Namespace is where they are.
	Namespace = "default"
	// Port is PostgreSQL's own.
	Port = 5432
)

// Defaults of PostgresArgs.
const (
	defaultStorageSize = "10Gi"
	// A year, and a month before its end.
	defaultCertificateHours, defaultRenewHours = 365 * 24, 30 * 24
)

// PostgresArgs says what PostgreSQL is to be. The settings have been validated
// before.
type PostgresArgs struct {
	// Settings are the stack's, with places for everything: see Place.
	Settings

	// Mandatory.

	// Clusters are all members of the federation.
	Clusters []*clouds.Cluster
	// Provider makes objects in the federation's API, and Identity is replaced when
	// the federation is made anew.
	Provider *kubernetes.Provider
	Identity pulumi.CustomResource
	// Members exist, by cluster's name, when the cluster is a member.
	Members map[string]pulumi.Resource
	// PodCIDR holds the addresses of all clusters' pods: nobody else may connect.
	PodCIDR netip.Prefix

	// Optional.

	// Mesh exists, by cluster's name, when pods reach others'.
	Mesh map[string]pulumi.Resource
	// PostgresPassword is the superuser's, ReplicationPassword that of replicas;
	// random ones if nil.
	PostgresPassword, ReplicationPassword pulumi.StringInput

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
		a.CertificateHours, a.RenewHours = defaultCertificateHours, defaultRenewHours
	}
}

// Postgres is a replicated database.
type Postgres struct {
	pulumi.ResourceState

	// Password is the superuser's. Secret.
	Password pulumi.StringOutput
	// Authority is the certificate, PEM, of who signs the servers'.
	Authority pulumi.StringOutput
	// Up exists when the master accepts writes and all replicas follow it.
	Up pulumi.Resource
}

// builder is what the steps share.
type builder struct {
	*Postgres
	ctx  *pulumi.Context
	name string
	args *PostgresArgs

	replicationPassword pulumi.StringOutput
	shared              []pulumi.Resource // what pods mount, and its policy
	made                []pulumi.Resource // all objects
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
	if b.cluster(b.args.Master) == nil || b.cluster(b.args.Witness) == nil {
		return errors.New("expected the clusters of master and witness to be among its clusters, found others")
	}
	if b.Password, err = b.password("password", b.args.PostgresPassword); err != nil {
		return err
	}
	if b.replicationPassword, err = b.password("replication-password", b.args.ReplicationPassword); err != nil {
		return err
	}
	for _, step := range []func() error{b.certificates, b.objects, b.services, b.workloads, b.up} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// password takes the given password or makes one: letters and digits only, 190 bits
// of them.
func (b *builder) password(suffix string, given pulumi.StringInput) (pulumi.StringOutput, error) {
	if given != nil {
		return pulumi.ToSecret(given).(pulumi.StringOutput), nil
	}
	generated, err := random.NewRandomPassword(b.ctx, b.named(suffix), &random.RandomPasswordArgs{
		Length: pulumi.Int(32), Special: pulumi.Bool(false),
	}, pulumi.Parent(b))
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	return pulumi.ToSecret(generated.Result).(pulumi.StringOutput), nil
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

// placed are the clusters with replicas.
func placed(placement map[string]int) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(placement)), func(name string) bool { return placement[name] == 0 })
}

// replicas is how many there are in all.
func replicas(placement map[string]int) (n int) {
	for _, k := range placement {
		n += k
	}
	return n
}

// Abroad is how many replicas are not in the master's cluster.
func Abroad(master string, placement map[string]int) int {
	return replicas(placement) - placement[master]
}

// synchronous is PostgreSQL's synchronous_standby_names: any n of the replicas in
// other clusters than the master's, for those in its own are lost with it. Only
// where there are no others it is those. Replicas go by their cluster's name.
func synchronous(master string, placement map[string]int, n int) string {
	if n == 0 {
		return ""
	}
	names := placed(placement)
	if Abroad(master, placement) > 0 {
		names = slices.DeleteFunc(names, func(name string) bool { return name == master })
	}
	list := ""
	for i, name := range names {
		if i > 0 {
			list += ", "
		}
		list += `"` + name + `"`
	}
	return fmt.Sprintf("ANY %d (%s)", n, list)
}

// federated are the options of each object in the federation: it comes when the
// clusters are members, goes with the federation, and needs no deletion then.
func (b *builder) federated(more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	var members []pulumi.Resource
	for _, c := range b.args.Clusters {
		if m := b.args.Members[c.Name]; m != nil {
			members = append(members, m)
		}
	}
	return append([]pulumi.ResourceOption{
		pulumi.Parent(b), pulumi.Provider(b.args.Provider), pulumi.DeletedWith(b.args.Identity), pulumi.DependsOn(members),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "5m", Update: "5m", Delete: "5m"}),
	}, more...)
}
