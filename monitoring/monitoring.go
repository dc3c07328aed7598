package monitoring

import (
	"fmt"

	"hybrid/clouds"
	"hybrid/federation"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Args says what is to be watched. The settings have been validated before.
type Args struct {
	Settings

	// Mandatory.

	// Clusters are all of them, and Host is the one that the exporter runs in.
	Clusters []*clouds.Cluster
	Host     *clouds.Cluster
	// Federation is an API over all clusters.
	Federation *federation.Federation
	// Mesh exists, by cluster's name, when the cluster's pods can run.
	Mesh map[string]pulumi.Resource

	// Optional.

	// PeerRules are the firewalls' rules that let the host's machines reach the others' APIs.
	PeerRules []pulumi.Resource
	// Database says that there is PostgreSQL, which is asked in its pods.
	Database bool
	// Zone has the names in the DNS; nil without names.
	Zone *federation.Zone
}

// Monitoring is the exporter, with what it needs.
type Monitoring struct {
	pulumi.ResourceState

	// Address is where pods of the host cluster find the metrics: host and port.
	Address string
}

// New makes the exporter.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Monitoring, error) {
	m := &Monitoring{Address: fmt.Sprintf("%s.%s.svc:%d", exporterName, Namespace, Port)}
	if err := ctx.RegisterComponentResource("hybrid:monitoring:Monitoring", name, m, opts...); err != nil {
		return nil, fmt.Errorf("monitoring %q: %w", name, err)
	}
	if err := (&builder{Monitoring: m, ctx: ctx, name: name, args: args}).build(); err != nil {
		return nil, fmt.Errorf("monitoring %q: %w", name, err)
	}
	return m, ctx.RegisterResourceOutputs(m, pulumi.Map{"address": pulumi.String(m.Address)})
}

// builder is what the steps share.
type builder struct {
	*Monitoring
	ctx  *pulumi.Context
	name string
	args *Args
}

// build makes an account in each API, and the exporter that knows them.
func (b *builder) build() error {
	kubeconfig, err := b.accounts()
	if err != nil {
		return err
	}
	namespace, err := b.namespace()
	if err != nil {
		return err
	}
	files, err := b.files(b.outputs(kubeconfig), namespace)
	if err != nil {
		return err
	}
	service, err := b.service(namespace)
	if err != nil {
		return err
	}
	return b.exporter(files, service)
}

// named names a resource of the monitoring.
func (b *builder) named(suffix string) string { return b.name + "-" + suffix }

// outputs are those of the stack's that `hybrid --outputs` reads, as `pulumi stack output
// --json` prints them, with a kubeconfig of the exporter's accounts in place of the
// administrator's. Secret.
func (b *builder) outputs(kubeconfig pulumi.StringOutput) pulumi.StringOutput {
	about := pulumi.Map{}
	for _, c := range b.args.Clusters {
		var nodes pulumi.Array
		for _, n := range c.Nodes {
			nodes = append(nodes, pulumi.Map{"name": pulumi.String(n.Name)})
		}
		about[c.Name] = pulumi.Map{
			"cloud": pulumi.String(c.Cloud), "region": pulumi.String(c.Region), "federationHost": pulumi.Bool(c == b.args.Host), "nodes": nodes,
		}
	}
	all := pulumi.Map{"clusters": about, "kubeconfig": kubeconfig}
	if z := b.args.Zone; z != nil {
		all["zone"] = pulumi.Map{"domain": pulumi.String(z.Domain), "nameServers": z.NameServers}
	}
	return pulumi.ToSecret(pulumi.JSONMarshal(all)).(pulumi.StringOutput)
}
