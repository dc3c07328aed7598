package clouds

import (
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/compute"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// google makes clusters of Compute Engine instances.
type google struct {
	*builder
	vpc       *compute.Network
	subnet    *compute.Subnetwork
	public    pulumi.StringInput
	addresses map[string]*compute.Address
	// first must exist before machines do: the firewall's rules.
	first []pulumi.Resource
}

func (g *google) defaults() {
	// Some regions have no zone a; each has a zone b.
	setDefault(&g.args.Zone, g.args.Region+"-b")
	setDefault(&g.args.ControlPlaneType, "e2-medium")
	setDefault(&g.args.WorkerType, "e2-medium")
	setDefault(&g.args.Image, "ubuntu-os-cloud/ubuntu-2404-lts-amd64")
}

func (g *google) login() (err error) {
	g.provider, err = GoogleProvider(g.ctx, g.named(GCE), gcp.ProviderArgs{
		Region: pulumi.String(g.args.Region),
		Zone:   pulumi.String(g.args.Zone),
	}, pulumi.Parent(g.parent))
	return err
}

// GoogleProvider makes an explicit provider for Google's cloud. Project and account
// are those of the stack's config, unless the arguments have others; what neither
// has, the provider looks for in its environment.
func GoogleProvider(ctx *pulumi.Context, name string, args gcp.ProviderArgs, opts ...pulumi.ResourceOption) (*gcp.Provider, error) {
	if args.Project == nil {
		args.Project = GoogleProject(ctx)
	}
	if args.Credentials == nil && args.AccessToken == nil {
		args.Credentials, args.AccessToken = secret(ctx, "gcp", "credentials"), secret(ctx, "gcp", "accessToken")
	}
	return gcp.NewProvider(ctx, name, &args, opts...)
}

// GoogleProject is the stack's project, nil if it is left to the environment. Each
// resource is given it: the provider's counts for new ones only, so that a change
// would leave things in both.
func GoogleProject(ctx *pulumi.Context) pulumi.StringPtrInput { return plain(ctx, "gcp", "project") }

func (g *google) project() pulumi.StringPtrInput { return GoogleProject(g.ctx) }

func (g *google) network() (err error) {
	g.vpc, err = compute.NewNetwork(g.ctx, g.named("network"), &compute.NetworkArgs{
		AutoCreateSubnetworks: pulumi.Bool(false), Project: g.project(),
	}, g.opts()...)
	if err != nil {
		return err
	}
	g.subnet, err = compute.NewSubnetwork(g.ctx, g.named("subnet"), &compute.SubnetworkArgs{
		Network: g.vpc.ID(), IpCidrRange: pulumi.String(g.args.NetworkCIDR.String()), Region: pulumi.String(g.args.Region),
		Project: g.project(),
	}, g.opts()...)
	return err
}

// firewall goes by network tag. Google lets everything out unless told not to.
func (g *google) firewall(rules []Rule) error {
	tags := pulumi.StringArray{pulumi.String(g.cluster)}
	for _, r := range rules {
		allow := compute.FirewallAllowArgs{Protocol: pulumi.String(string(r.Protocol))}
		if r.Protocol != ICMP { // which has no ports
			allow.Ports = pulumi.StringArray{pulumi.String(r.Ports())}
		}
		args := &compute.FirewallArgs{
			Network: g.vpc.ID(), Direction: pulumi.String("INGRESS"), TargetTags: tags,
			Allows: compute.FirewallAllowArray{allow}, Description: pulumi.String(r.Purpose), Project: g.project(),
		}
		if r.From == FromAdmins {
			args.SourceRanges = prefixes(g.args.AdminCIDRs)
		} else {
			args.SourceTags = tags
		}
		rule, err := compute.NewFirewall(g.ctx, g.named(r.Name), args, g.opts()...)
		if err != nil {
			return err
		}
		g.first = append(g.first, rule)
	}
	return nil
}

// allowClusters makes a firewall per cluster: one more leaves the others alone.
func (g *google) allowClusters(others []otherCluster) (made []pulumi.Resource, err error) {
	for _, p := range others {
		var allows compute.FirewallAllowArray
		for _, r := range p.rules {
			allows = append(allows, compute.FirewallAllowArgs{
				Protocol: pulumi.String(string(r.Protocol)), Ports: pulumi.StringArray{pulumi.String(r.Ports())},
			})
		}
		rule, err := compute.NewFirewall(g.ctx, g.named("peer-"+p.Name), &compute.FirewallArgs{
			Network: g.vpc.ID(), Direction: pulumi.String("INGRESS"), TargetTags: pulumi.StringArray{pulumi.String(g.cluster)},
			Allows: allows, SourceRanges: singles(p.Cluster), Description: pulumi.String("mesh and federation with " + p.Name),
			Project: g.project(),
		}, g.opts()...)
		if err != nil {
			return nil, err
		}
		made = append(made, rule)
	}
	return made, nil
}

// sshKey makes no resource: on this cloud keys are metadata of each machine.
func (g *google) sshKey(public pulumi.StringInput) error {
	g.public = public
	return nil
}

func (g *google) address(node string) error {
	ip, err := compute.NewAddress(g.ctx, node+"-address", &compute.AddressArgs{
		AddressType: pulumi.String("EXTERNAL"), Region: pulumi.String(g.args.Region), Project: g.project(),
	}, g.opts()...)
	g.addresses[node] = ip
	return err
}

func (g *google) machine(node, machineType string, opts ...pulumi.ResourceOption) (*Node, error) {
	const user = "ubuntu"
	ip := g.addresses[node].Address
	vm, err := compute.NewInstance(g.ctx, node, &compute.InstanceArgs{
		Name: pulumi.String(node), Zone: pulumi.String(g.args.Zone), MachineType: pulumi.String(machineType), Project: g.project(),
		Tags: pulumi.StringArray{pulumi.String(g.cluster)},
		BootDisk: compute.InstanceBootDiskArgs{InitializeParams: compute.InstanceBootDiskInitializeParamsArgs{
			Image: pulumi.String(g.args.Image), Size: pulumi.Int(diskGiB), Type: pulumi.String("pd-balanced"),
		}},
		NetworkInterfaces: compute.InstanceNetworkInterfaceArray{compute.InstanceNetworkInterfaceArgs{
			Subnetwork:    g.subnet.ID(),
			AccessConfigs: compute.InstanceNetworkInterfaceAccessConfigArray{compute.InstanceNetworkInterfaceAccessConfigArgs{NatIp: ip}},
		}},
		Metadata: pulumi.StringMap{
			"user-data": pulumi.String(userData),
			"ssh-keys":  pulumi.Sprintf("%s:%s", user, g.public),
			// With OS Login, which an organization may switch on for all its
			// projects, ssh-keys count for nothing.
			"enable-oslogin": pulumi.String("FALSE"),
			// Keys of the project's other users have no business here.
			"block-project-ssh-keys": pulumi.String("TRUE"),
		},
		AllowStoppingForUpdate: pulumi.Bool(true),
	}, g.opts(append(opts,
		pulumi.DependsOn(g.first),
		// It could be moved, but a control plane can't do without its address.
		pulumi.ReplaceOnChanges([]string{"networkInterfaces[0].subnetwork"}),
		// A new image or first boot is not worth a running node.
		pulumi.IgnoreChanges([]string{"bootDisk.initializeParams.image", `metadata["user-data"]`}),
		pulumi.DeleteBeforeReplace(true),
	)...)...)
	if err != nil {
		return nil, err
	}
	return &Node{
		Name:           node,
		PublicAddress:  ip,
		PrivateAddress: vm.NetworkInterfaces.Index(pulumi.Int(0)).NetworkIp().Elem(),
		EgressAddress:  ip,
		Machine:        vm.InstanceId, // its ID is made of its name, which a new machine takes over
		machine:        vm,
		attached:       vm, // boots with its address
		user:           user,
	}, nil
}
