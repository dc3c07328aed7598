package clouds

import (
	"strconv"

	"github.com/pulumi/pulumi-digitalocean/sdk/v4/go/digitalocean"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// digitalOcean makes clusters of droplets.
type digitalOcean struct {
	*builder
	vpc       *digitalocean.Vpc
	tag       *digitalocean.Tag
	wall      *digitalocean.Firewall
	key       *digitalocean.SshKey
	addresses map[string]*digitalocean.ReservedIp
}

func (d *digitalOcean) defaults() {
	setDefault(&d.args.ControlPlaneType, "s-2vcpu-4gb")
	setDefault(&d.args.WorkerType, "s-2vcpu-4gb")
	setDefault(&d.args.Image, "ubuntu-24-04-x64")
}

func (d *digitalOcean) login() (err error) {
	d.provider, err = DigitalOceanProvider(d.ctx, d.named(DigitalOcean), digitalocean.ProviderArgs{}, pulumi.Parent(d.parent))
	return err
}

// DigitalOceanProvider makes an explicit provider for DigitalOcean, by the token of the
// stack's config.
func DigitalOceanProvider(ctx *pulumi.Context, name string, args digitalocean.ProviderArgs, opts ...pulumi.ResourceOption) (*digitalocean.Provider, error) {
	args.Token = secret(ctx, DigitalOcean, "token")
	return digitalocean.NewProvider(ctx, name, &args, opts...)
}

func (d *digitalOcean) network() (err error) {
	d.vpc, err = digitalocean.NewVpc(d.ctx, d.named("network"), &digitalocean.VpcArgs{
		Region:  pulumi.String(d.args.Region),
		IpRange: pulumi.String(d.args.NetworkCIDR.String()),
	}, d.opts()...)
	return err
}

// firewall goes by tag: it is there before the droplets are, and a droplet is
// behind it from its first second.
func (d *digitalOcean) firewall(rules []Rule) (err error) {
	d.tag, err = digitalocean.NewTag(d.ctx, d.named("node"), &digitalocean.TagArgs{}, d.opts()...)
	if err != nil {
		return err
	}
	var inbound digitalocean.FirewallInboundRuleArray
	for _, r := range rules {
		in := digitalocean.FirewallInboundRuleArgs{Protocol: pulumi.String(string(r.Protocol))}
		if r.Protocol != ICMP { // which has no ports
			in.PortRange = pulumi.String(r.Ports())
		}
		if r.From == FromAdmins {
			in.SourceAddresses = prefixes(d.args.AdminCIDRs)
		} else {
			in.SourceTags = pulumi.StringArray{d.tag.Name}
		}
		inbound = append(inbound, in)
	}
	// Without outbound rules a DigitalOcean firewall lets nothing out.
	var outbound digitalocean.FirewallOutboundRuleArray
	for _, p := range []Protocol{TCP, UDP, ICMP} {
		out := digitalocean.FirewallOutboundRuleArgs{
			Protocol:             pulumi.String(string(p)),
			DestinationAddresses: pulumi.StringArray{pulumi.String(anywhere)},
		}
		if p != ICMP {
			out.PortRange = pulumi.String("1-65535")
		}
		outbound = append(outbound, out)
	}
	d.wall, err = digitalocean.NewFirewall(d.ctx, d.named("firewall"), &digitalocean.FirewallArgs{
		Tags:          pulumi.StringArray{d.tag.Name},
		InboundRules:  inbound,
		OutboundRules: outbound,
	}, d.opts()...)
	return err
}

// allowClusters makes a firewall beside the first, with the same tag: what either lets in is
// let in. The first can't name its peers, for it is there before all droplets.
func (d *digitalOcean) allowClusters(others []otherCluster) ([]pulumi.Resource, error) {
	// One rule for all clusters that it is for: a firewall may have 50 only.
	var rules []Rule
	sources := map[string]pulumi.StringArray{}
	for _, g := range others {
		for _, r := range g.rules {
			if sources[r.Name] == nil {
				rules = append(rules, r)
			}
			sources[r.Name] = append(sources[r.Name], singles(g.Cluster)...)
		}
	}
	var inbound digitalocean.FirewallInboundRuleArray
	for _, r := range rules {
		inbound = append(inbound, digitalocean.FirewallInboundRuleArgs{
			Protocol: pulumi.String(string(r.Protocol)), PortRange: pulumi.String(r.Ports()), SourceAddresses: sources[r.Name],
		})
	}
	wall, err := digitalocean.NewFirewall(d.ctx, d.named("peers"), &digitalocean.FirewallArgs{
		Tags: pulumi.StringArray{d.tag.Name}, InboundRules: inbound,
	}, d.opts()...)
	return []pulumi.Resource{wall}, err
}

func (d *digitalOcean) sshKey(public pulumi.StringInput) (err error) {
	d.key, err = digitalocean.NewSshKey(d.ctx, d.named("key"), &digitalocean.SshKeyArgs{PublicKey: public}, d.opts()...)
	return err
}

func (d *digitalOcean) address(node string) error {
	ip, err := digitalocean.NewReservedIp(d.ctx, node+"-address", &digitalocean.ReservedIpArgs{
		Region: pulumi.String(d.args.Region),
		// The assignment below sets dropletId behind this resource's back: a
		// refresh sees it, and the next update would take the address away.
	}, d.opts(pulumi.IgnoreChanges([]string{"dropletId"}))...)
	d.addresses[node] = ip
	return err
}

func (d *digitalOcean) machine(node, machineType string, opts ...pulumi.ResourceOption) (*Node, error) {
	vm, err := digitalocean.NewDroplet(d.ctx, node, &digitalocean.DropletArgs{
		Name:     pulumi.String(node),
		Region:   pulumi.String(d.args.Region),
		Size:     pulumi.String(machineType),
		Image:    pulumi.String(d.args.Image),
		VpcUuid:  d.vpc.ID(),
		SshKeys:  pulumi.StringArray{d.key.Fingerprint},
		Tags:     pulumi.StringArray{d.tag.Name},
		UserData: pulumi.String(userData),
		// It opens SSH to all who may use the vendor's console.
		DropletAgent: pulumi.Bool(false),
		// A disk that has grown with its droplet's size never shrinks again, so that
		// there would be no way back.
		ResizeDisk: pulumi.Bool(false),
	}, d.opts(append(opts,
		pulumi.DependsOn([]pulumi.Resource{d.wall}),
		// These matter at the first boot only; none is worth a running node.
		pulumi.IgnoreChanges([]string{"image", "userData", "sshKeys", "dropletAgent"}),
		pulumi.DeleteBeforeReplace(true),
	)...)...)
	if err != nil {
		return nil, err
	}
	ip := d.addresses[node].IpAddress
	attached, err := digitalocean.NewReservedIpAssignment(d.ctx, node+"-attach", &digitalocean.ReservedIpAssignmentArgs{
		IpAddress: ip,
		DropletId: vm.ID().ToStringOutput().ApplyT(strconv.Atoi).(pulumi.IntOutput),
		// Created before its predecessor is deleted, it would lose the address.
	}, d.opts(pulumi.DeleteBeforeReplace(true))...)
	// A reserved address is for inbound connections only. The others are the droplet's
	// own: it is asked for them itself.
	return &Node{
		Name:          node,
		PublicAddress: ip,
		Machine:       vm.ID().ToStringOutput(),
		machine:       vm,
		attached:      attached,
		user:          "root",
	}, err
}
