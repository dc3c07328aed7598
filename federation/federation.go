package federation

import (
	"errors"
	"fmt"
	"slices"

	"hybrid/clouds"
	"hybrid/internal/objects"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	// Namespace is where the control plane runs, in the host cluster.
	Namespace = "federation"
	// Context is the federation's name in kubeconfigs.
	Context = "federation-cluster"
	// KarmadaVersion is that of all of Karmada's programs, and of the kinds in
	// package crds.
	KarmadaVersion = "v1.18.1"

	// EtcdImage is etcd, as Karmada 1.18.1 runs it.
	EtcdImage = "registry.k8s.io/etcd:3.6.6-0"
)

// Args says what the federation is to be. The settings have been validated before.
type Args struct {
	Settings

	// Mandatory.

	// Clusters are all members.
	Clusters []*clouds.Cluster
	// Host is the one of them that the control plane runs in.
	Host *clouds.Cluster
	// KubernetesVersion is that of API server and controllers: v1.35.4.
	KubernetesVersion string

	// Optional.

	// Peers exist when the host's pods reach each other. Members are reached by their
	// nodes' addresses.
	Peers []pulumi.Resource
	// PeerRules are the firewalls' rules for other clusters: they must exist before host and members can reach each other.
	PeerRules []pulumi.Resource
	// DNSNames are those of the API, for which its certificate is to be valid.
	DNSNames []string
	// Token is the administrator's; a random one if nil.
	Token pulumi.StringInput
	// ToolsImage has sh and curl, and is on every node anyway. Pods wait by it for
	// what they need; empty: they are restarted until that is there.
	ToolsImage string
	// Verify is called with the kubeconfig, before anything in the federation's API is
	// made or changed. Its error ends the update.
	Verify func(kubeconfig string) error
}

// Federation is an API over all clusters.
type Federation struct {
	pulumi.ResourceState

	// Kubeconfig gives full rights; its context is Context. Known when the API
	// answers. Secret.
	Kubeconfig pulumi.StringOutput
	// Provider makes objects in the federation's API, when Ready exists.
	Provider *kubernetes.Provider
	// Ready exists when the API answers, knows Karmada's kinds and checks them.
	Ready pulumi.Resource
	// Members exist, by cluster's name, when the cluster is a Ready member. What is
	// placed in a cluster depends on it: when it goes, the cluster leaves.
	Members map[string]pulumi.Resource
	// Identity is replaced when the federation is created again: objects in it are
	// DeletedWith it.
	Identity pulumi.CustomResource
	// CertificatesEnd is when the first of its certificates ends, RFC 3339.
	CertificatesEnd pulumi.StringOutput
}

// New makes the federation.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Federation, error) {
	f := &Federation{Members: map[string]pulumi.Resource{}}
	if err := ctx.RegisterComponentResource("hybrid:federation:Federation", name, f, opts...); err != nil {
		return nil, fmt.Errorf("federation %q: %w", name, err)
	}
	if !slices.Contains(args.Clusters, args.Host) {
		return nil, fmt.Errorf("federation %q: %w", name, errors.New("expected the host to be one of its clusters, found another"))
	}
	if err := (&builder{ctx: ctx, name: name, args: args, Federation: f}).build(); err != nil {
		return nil, fmt.Errorf("federation %q: %w", name, err)
	}
	return f, ctx.RegisterResourceOutputs(f, pulumi.Map{"kubeconfig": f.Kubeconfig})
}

// builder is what the steps share.
type builder struct {
	*Federation
	ctx  *pulumi.Context
	name string
	args *Args

	token pulumi.StringOutput
	pki   *pki
	// admin is the administrator's kubeconfig, whether the API answers or not.
	admin pulumi.StringOutput
	// inside is the kubeconfig of the programs in the host cluster.
	inside pulumi.StringOutput
}

// build makes the parts, each when those are there that it needs.
func (b *builder) build() (err error) {
	if err := b.identities(); err != nil {
		return err
	}
	namespace, err := b.namespace()
	if err != nil {
		return err
	}
	needs := with(b.args.Peers, namespace)
	etcd, err := b.etcd(needs)
	if err != nil {
		return err
	}
	api, err := b.apiServer(with(needs, etcd))
	if err != nil {
		return err
	}
	if err := b.connect(api); err != nil {
		return err
	}
	objects, err := b.objects()
	if err != nil {
		return err
	}
	var programs []running
	for _, make := range []func([]pulumi.Resource) (running, error){
		b.aggregated, b.kubeControllerManager, b.controllerManager, b.scheduler, b.webhook,
	} {
		p, err := make(with(needs, objects...))
		if err != nil {
			return err
		}
		programs = append(programs, p)
	}
	if err := b.ready(programs); err != nil {
		return err
	}
	for _, c := range b.args.Clusters {
		if err := b.member(c); err != nil {
			return fmt.Errorf("cluster %q: %w", c.Name, err)
		}
	}
	return nil
}

// named names a resource of the federation.
func (b *builder) named(suffix string) string { return b.name + "-" + suffix }

// inHost are the options of each object in the host cluster.
func (b *builder) inHost(more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return objects.Options(b.Federation, b.args.Host.Provider, b.args.Host.Identity, more...)
}

// inFederation are the options of each object in the federation's API.
func (b *builder) inFederation(more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return objects.Options(b.Federation, b.Provider, b.Identity, more...)
}
