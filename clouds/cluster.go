package clouds

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ClusterArgs says what a cluster is to be. The settings have been validated
// before: a cluster trusts them.
type ClusterArgs struct {
	// Settings are the cluster's own, Shared those of all clusters.
	Settings
	Shared `json:"-"` // both have a kubernetesVersion

	// Optional.

	// Snapshots says where snapshots of etcd go; nil: there are none.
	Snapshots *Snapshots
	// Former is the stack as it was; nil: there was none.
	Former *Former
	// DNSNames are those by which the Kubernetes API is reached. Its certificate
	// is valid for them, and is renewed when they change.
	DNSNames []string
	// Rollout has nodes take turns when their machines' types change, or their version
	// of Kubernetes. Without it machines change all at the same time.
	Rollout *Rollout
	// Verify is called with the kubeconfig, before anything in the cluster is made or
	// changed. Its error ends the update.
	Verify func(kubeconfig string) error
}

// Node is a machine of a cluster.
type Node struct {
	// Name is the machine's and the Kubernetes node's: <cluster>-<number>.
	Name string
	// PublicAddress is static: others reach the node here.
	PublicAddress pulumi.StringOutput
	// PrivateAddress is the node's address in its cluster's network. Where a cloud
	// leaves this one and the next unset, the machine is asked for them.
	PrivateAddress pulumi.StringOutput
	// EgressAddress is where the node's connections seem to come from.
	EgressAddress pulumi.StringOutput
	// Machine is the cloud's own ID of the machine: a new machine under the old
	// name has another one.
	Machine pulumi.StringOutput
	// Joined exists when the node is part of the cluster, Ready or not.
	Joined pulumi.Resource
	// Member exists while the node is part of the cluster, Ready or not: its
	// deletion takes a worker out.
	Member pulumi.CustomResource

	// machine is what the cloud calls a droplet or an instance.
	machine pulumi.Resource
	// attached must exist before PublicAddress leads to the machine.
	attached pulumi.Resource
	// user may log in by SSH: root, or one who may use sudo.
	user string
	// hostKey is the machine's public SSH host key; unset before the first
	// contact.
	hostKey pulumi.StringOutput
}

// Cluster is a Kubernetes cluster: one control plane and its workers.
type Cluster struct {
	pulumi.ResourceState

	Name, Cloud, Region string
	// Nodes are all machines, the control plane first.
	Nodes []*Node
	// Kubeconfig gives full rights; its context is the cluster's name. Secret.
	Kubeconfig pulumi.StringOutput
	// SSHUser and SSHPrivateKey (OpenSSH format, secret) open every node.
	SSHUser       string
	SSHPrivateKey pulumi.StringOutput
	// Provider makes Kubernetes objects in the cluster.
	Provider *kubernetes.Provider
	// Identity is replaced when the cluster is created again: what lives in the
	// cluster is DeletedWith it, since it needs no deletion of its own then.
	Identity pulumi.CustomResource
	// Life is another one when the cluster is created again, but not when its control plane
	// is brought back from a snapshot: what lives in the cluster is there again then.
	Life pulumi.StringOutput
	// Lost says that what can't be reached here is forgotten.
	Lost bool

	cloud cloud
	// fixed are the settings that can't change any more.
	fixed map[string]string
	// pem is SSHPrivateKey in PEM. Secret.
	pem pulumi.StringOutput
	// hosts says that the federation's API is here.
	hosts bool
	// life is what is known of Life.
	life pulumi.Map
}

// ControlPlane returns the node that runs the Kubernetes API.
func (c *Cluster) ControlPlane() *Node { return c.Nodes[0] }

// cloud makes what a cluster needs on one cloud. Its methods are called in this
// order: each may use what the ones before have made.
type cloud interface {
	// defaults fills in what the cluster's arguments leave open.
	defaults()
	// login makes the cloud's explicit provider.
	login() error
	network() error
	firewall(rules []Rule) error
	sshKey(public pulumi.StringInput) error
	// address allocates the static public address of a node to come.
	address(node string) error
	machine(node, machineType string, opts ...pulumi.ResourceOption) (*Node, error)
	// allowClusters lets the nodes of other clusters in, later: their addresses are
	// known when their machines are.
	allowClusters(others []otherCluster) ([]pulumi.Resource, error)
}

// NewCluster makes a cluster named name. The name is the prefix of all its
// resources, its Kubernetes name and its kubeconfig's context.
func NewCluster(ctx *pulumi.Context, name string, args *ClusterArgs, opts ...pulumi.ResourceOption) (*Cluster, error) {
	c := &Cluster{Name: name, Cloud: args.Cloud, Region: args.Region, hosts: args.FederationHost, Lost: args.Lost}
	if err := ctx.RegisterComponentResource("hybrid:clouds:Cluster", name, c, opts...); err != nil {
		return nil, fmt.Errorf("cluster %q: %w", name, err)
	}
	if err := c.build(ctx, *args); err != nil {
		return nil, fmt.Errorf("cluster %q: %w", name, err)
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{
		"nodes":      c.Addresses(),
		"kubeconfig": c.Kubeconfig,
	})
}

func (c *Cluster) build(ctx *pulumi.Context, args ClusterArgs) error {
	s := &builder{ctx: ctx, cluster: c.Name, args: &args, parent: c}
	cl, err := newCloud(s)
	if err != nil {
		return err
	}
	c.cloud = cl
	cl.defaults()
	c.fixed = s.fixed()
	if err := c.provision(s, cl); err != nil {
		return err
	}
	b := &bootstrap{builder: s, key: c.SSHPrivateKey, pem: c.pem}
	if err := b.begin(c.ControlPlane().Machine); err != nil {
		return err
	}
	adminConf, identity, err := b.kubernetes(c.Nodes)
	if err != nil {
		return err
	}
	c.Identity = identity
	c.Life = b.life
	c.life = pulumi.Map{
		"machine": b.born, "init": c.Life, "now": c.ControlPlane().Machine, "restore": pulumi.Int(args.Restore),
		"snapshots": pulumi.Bool(args.Snapshots != nil),
	}
	return c.connect(s, adminConf, b.born)
}

// provision makes network and machines, in the same order on every cloud.
func (c *Cluster) provision(s *builder, cl cloud) error {
	// Every cluster has a key of its own: DigitalOcean takes the same public key
	// only once per account, and a stolen one opens one cluster only.
	key, err := tls.NewPrivateKey(s.ctx, s.named("ssh"), &tls.PrivateKeyArgs{Algorithm: pulumi.String("ED25519")}, pulumi.Parent(c))
	if err != nil {
		return err
	}
	c.SSHPrivateKey = pulumi.ToSecret(key.PrivateKeyOpenssh).(pulumi.StringOutput)
	c.pem = pulumi.ToSecret(key.PrivateKeyPem).(pulumi.StringOutput)
	if err := cl.login(); err != nil {
		return err
	}
	if err := cl.network(); err != nil {
		return err
	}
	if err := cl.firewall(ClusterRules(c.hosts)); err != nil {
		return err
	}
	// The clouds give the key back without the newline at its end.
	public := key.PublicKeyOpenssh.ApplyT(strings.TrimSpace).(pulumi.StringOutput)
	if err := cl.sshKey(public); err != nil {
		return err
	}
	// All addresses first: certificates and firewalls elsewhere name them before
	// the machines exist.
	names := nodeNames(c.Name, s.args.Workers)
	for _, node := range names {
		if err := cl.address(node); err != nil {
			return err
		}
	}
	for i, node := range names {
		machineType := s.args.WorkerType
		if i == 0 {
			machineType = s.args.ControlPlaneType
		}
		turn, opts, err := s.args.Rollout.turn(c.Name, node, machineType)
		if err != nil {
			return err
		}
		if i == 0 {
			opts = append(opts, pulumi.ReplacementTrigger(pulumi.Int(s.args.Restore)))
		}
		n, err := cl.machine(node, machineType, opts...)
		if err != nil {
			return err
		}
		turn.of(n.machine)
		n.PublicAddress = known(node, "public", n.PublicAddress)
		if n.PrivateAddress != (pulumi.StringOutput{}) {
			n.PrivateAddress = known(node, "private", n.PrivateAddress)
			n.EgressAddress = known(node, "egress", n.EgressAddress)
		}
		c.Nodes = append(c.Nodes, n)
	}
	c.SSHUser = c.Nodes[0].user
	return nil
}

// connect makes the kubeconfig and the Kubernetes provider.
func (c *Cluster) connect(s *builder, adminConf, born pulumi.StringOutput) error {
	c.Kubeconfig = pulumi.ToSecret(pulumi.All(adminConf, c.ControlPlane().PublicAddress).ApplyT(
		func(v []any) (string, error) {
			text, err := AdminKubeconfig(c.Name, v[0].(string), v[1].(string))
			if err == nil && s.args.Verify != nil {
				err = s.args.Verify(text)
			}
			return text, err
		})).(pulumi.StringOutput)
	provider, err := kubernetes.NewProvider(s.ctx, s.named("kubernetes"), &kubernetes.ProviderArgs{
		Kubeconfig:            c.Kubeconfig,
		ClusterIdentifier:     c.identifier(born),
		EnableServerSideApply: pulumi.Bool(true),
		// Or a changed value would take the object away for a moment.
		EnableConfigMapMutable: pulumi.Bool(true),
		EnableSecretMutable:    pulumi.Bool(true),
		// Not reachable is not gone. Never unset, for then the environment would say.
		DeleteUnreachable: pulumi.Bool(c.Lost),
		// What is in a cluster that has ended goes before there is another one.
	}, pulumi.Parent(c), pulumi.DeleteBeforeReplace(true))
	c.Provider = provider
	return err
}

// identifier is what the Kubernetes provider knows the cluster by. Renewed certificates must
// not replace the provider, for that replaces every object in the cluster; a new control
// plane must, for its cluster is empty, unless it is brought back from a snapshot.
//
// It is known when Life is, and so counts as changed whenever that is another one. The
// engine closes a provider that it is going to replace, and can't delete by it any more: the
// federation's must not go without what its objects are deleted with, which is in the host.
func (c *Cluster) identifier(born pulumi.StringOutput) pulumi.StringOutput {
	return pulumi.All(born, c.Life).ApplyT(func(v []any) string {
		return fmt.Sprintf("%s/%s", c.Name, v[0])
	}).(pulumi.StringOutput)
}

// Fixed are the settings that can't change while the cluster is there, for a stack's
// outputs: ReadFormer finds them there again.
func (c *Cluster) Fixed() pulumi.StringMap { return pulumi.ToStringMap(c.fixed) }

// Lived is what is to be known of the cluster's life, for a stack's outputs: ReadFormer
// finds it there again.
func (c *Cluster) Lived() pulumi.Map { return c.life }

// Addresses describes the nodes for a stack's outputs.
func (c *Cluster) Addresses() pulumi.Array {
	var nodes pulumi.Array
	for _, n := range c.Nodes {
		nodes = append(nodes, pulumi.Map{
			"name":           pulumi.String(n.Name),
			"publicAddress":  n.PublicAddress,
			"privateAddress": n.PrivateAddress,
			"egressAddress":  n.EgressAddress,
		})
	}
	return nodes
}
