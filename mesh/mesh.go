package mesh

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"hybrid/clouds"
	"hybrid/internal/identity"
	"hybrid/internal/objects"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Args says what the mesh is to be. The settings have been validated before.
type Args struct {
	Settings

	// Mandatory.

	// Clusters are all that take part.
	Clusters []*clouds.Cluster
	// Host is the one of them that seeds the ring of addresses.
	Host *clouds.Cluster
	// Range holds the addresses of all pods.
	Range netip.Prefix

	// Optional.

	// PeerRules are the firewalls' rules for other clusters: they must exist before nodes of different clusters can meet.
	PeerRules []pulumi.Resource
	// Password encrypts what goes between peers; a random one if nil.
	Password pulumi.StringInput
}

// Mesh is one network of all clusters' pods.
type Mesh struct {
	pulumi.ResourceState

	// Password is what all peers share. Secret.
	Password pulumi.StringOutput
	// Up exists, per cluster's name, when that cluster's peers are connected to
	// all others and have addresses: what runs in pods depends on all of them.
	Up map[string]pulumi.Resource
	// Peers exist, per cluster's name, when the cluster's nodes are Ready by their peers:
	// enough for pods that need no other cluster.
	Peers map[string][]pulumi.Resource
}

// New makes the mesh.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Mesh, error) {
	m := &Mesh{Up: map[string]pulumi.Resource{}, Peers: map[string][]pulumi.Resource{}}
	if err := ctx.RegisterComponentResource("hybrid:mesh:Mesh", name, m, opts...); err != nil {
		return nil, fmt.Errorf("mesh %q: %w", name, err)
	}
	if !slices.Contains(args.Clusters, args.Host) {
		return nil, fmt.Errorf("mesh %q: %w", name, errors.New("expected the host to be one of its clusters, found another"))
	}
	if err := m.build(ctx, name, args); err != nil {
		return nil, fmt.Errorf("mesh %q: %w", name, err)
	}
	return m, ctx.RegisterResourceOutputs(m, pulumi.Map{"password": m.Password})
}

func (m *Mesh) build(ctx *pulumi.Context, name string, args *Args) error {
	var err error
	if m.Password, err = identity.Password(ctx, name+"-password", args.Password, pulumi.Parent(m)); err != nil {
		return err
	}
	host, err := m.inOne(ctx, args, args.Host, nil)
	if err != nil {
		return err
	}
	all := []*clusterMesh{host}
	for _, c := range args.Clusters {
		if c == args.Host {
			continue
		}
		joined, err := m.inOne(ctx, args, c, host)
		if err != nil {
			return err
		}
		all = append(all, joined)
	}
	// Last, for each looks for all others.
	var daemonSets []pulumi.Resource
	for _, x := range all {
		daemonSets = append(daemonSets, x.daemonSet)
	}
	for _, x := range all {
		if err := x.checks(daemonSets); err != nil {
			return fmt.Errorf("cluster %q: %w", x.cluster.Name, err)
		}
	}
	return nil
}

// clusterMesh is the mesh in one cluster.
type clusterMesh struct {
	ctx     *pulumi.Context
	mesh    *Mesh
	args    *Args
	cluster *clouds.Cluster

	secretVersion pulumi.StringOutput
	daemonSet     *v1.DaemonSet
}

// inOne makes the mesh in one cluster. host is nil for the host itself.
func (m *Mesh) inOne(ctx *pulumi.Context, args *Args, c *clouds.Cluster, host *clusterMesh) (*clusterMesh, error) {
	x := &clusterMesh{ctx: ctx, mesh: m, args: args, cluster: c}
	var admitted []pulumi.Resource
	if host != nil {
		admission, err := x.admission(host)
		if err != nil {
			return nil, fmt.Errorf("cluster %q: %w", c.Name, err)
		}
		peers, err := x.peers(admission)
		if err != nil {
			return nil, fmt.Errorf("cluster %q: %w", c.Name, err)
		}
		admitted = append(admitted, peers)
	}
	objects, err := x.objects()
	if err == nil {
		err = x.weave(append(objects, admitted...))
	}
	if err != nil {
		return nil, fmt.Errorf("cluster %q: %w", c.Name, err)
	}
	return x, nil
}

// host says whether this is the cluster that seeds the ring.
func (x *clusterMesh) host() bool { return x.cluster == x.args.Host }

// named names a resource of the cluster.
func (x *clusterMesh) named(suffix string) string { return x.cluster.Name + "-" + suffix }

// inCluster are the options of each object in the cluster.
func (x *clusterMesh) inCluster(more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return objects.Options(x.mesh, x.cluster.Provider, x.cluster.Identity, more...)
}
