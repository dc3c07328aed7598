package clouds

import (
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// canonical is the AWS account that publishes Ubuntu's images, see
// https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/.
const canonical = "099720109477"

// amazon makes clusters of EC2 instances.
type amazon struct {
	*builder
	vpc       *ec2.Vpc
	gateway   *ec2.InternetGateway
	subnet    *ec2.Subnet
	group     *ec2.SecurityGroup
	key       *ec2.KeyPair
	addresses map[string]*ec2.Eip
	// first must exist before machines do: routes, and rules of the group.
	first []pulumi.Resource
}

func (a *amazon) defaults() {
	setDefault(&a.args.Zone, a.args.Region+"a")
	setDefault(&a.args.ControlPlaneType, "t3.medium")
	setDefault(&a.args.WorkerType, "t3.medium")
}

func (a *amazon) login() (err error) {
	a.provider, err = AmazonProvider(a.ctx, a.named(AWS), a.args.Region, pulumi.Parent(a.parent))
	return err
}

// AmazonProvider makes an explicit provider for a region of AWS, by the account of the
// stack's config.
func AmazonProvider(ctx *pulumi.Context, name, region string, opts ...pulumi.ResourceOption) (*aws.Provider, error) {
	return aws.NewProvider(ctx, name, &aws.ProviderArgs{
		Region:    pulumi.String(region),
		AccessKey: secret(ctx, AWS, "accessKey"),
		SecretKey: secret(ctx, AWS, "secretKey"),
		Token:     secret(ctx, AWS, "token"),
		Profile:   plain(ctx, AWS, "profile"),
	}, opts...)
}

func (a *amazon) network() (err error) {
	cidr := pulumi.String(a.args.NetworkCIDR.String())
	a.vpc, err = ec2.NewVpc(a.ctx, a.named("network"), &ec2.VpcArgs{
		CidrBlock: cidr, EnableDnsSupport: pulumi.Bool(true), EnableDnsHostnames: pulumi.Bool(true),
		Tags: a.tags("network"),
	}, a.opts()...)
	if err != nil {
		return err
	}
	a.subnet, err = ec2.NewSubnet(a.ctx, a.named("subnet"), &ec2.SubnetArgs{
		VpcId: a.vpc.ID(), CidrBlock: cidr, AvailabilityZone: pulumi.String(a.args.Zone),
		Tags: a.tags("subnet"),
		// In another zone it has the same range, which EC2 refuses to give twice.
	}, a.opts(pulumi.DeleteBeforeReplace(true))...)
	if err != nil {
		return err
	}
	a.gateway, err = ec2.NewInternetGateway(a.ctx, a.named("gateway"), &ec2.InternetGatewayArgs{
		VpcId: a.vpc.ID(), Tags: a.tags("gateway"),
		// It could be taken to another VPC, but not while the machines of the first
		// are there, which go later.
	}, a.opts(pulumi.ReplaceOnChanges([]string{"vpcId"}))...)
	if err != nil {
		return err
	}
	table, err := ec2.NewRouteTable(a.ctx, a.named("routes"), &ec2.RouteTableArgs{
		VpcId: a.vpc.ID(),
		Routes: ec2.RouteTableRouteArray{ec2.RouteTableRouteArgs{
			CidrBlock: pulumi.String(anywhere), GatewayId: a.gateway.ID(),
		}},
		Tags: a.tags("routes"),
	}, a.opts()...)
	if err != nil {
		return err
	}
	association, err := ec2.NewRouteTableAssociation(a.ctx, a.named("routes"), &ec2.RouteTableAssociationArgs{
		RouteTableId: table.ID(), SubnetId: a.subnet.ID(),
	}, a.opts()...)
	a.first = append(a.first, association)
	return err
}

// firewall is a security group with rules of their own: each can be added,
// removed and found missing by itself.
func (a *amazon) firewall(rules []Rule) (err error) {
	a.group, err = ec2.NewSecurityGroup(a.ctx, a.named("nodes"), &ec2.SecurityGroupArgs{
		VpcId: a.vpc.ID(), Description: pulumi.String("nodes of " + a.cluster), Tags: a.tags("nodes"),
	}, a.opts()...)
	if err != nil {
		return err
	}
	for _, r := range rules {
		if err := a.allow(r); err != nil {
			return err
		}
	}
	out, err := vpc.NewSecurityGroupEgressRule(a.ctx, a.named("egress"), &vpc.SecurityGroupEgressRuleArgs{
		SecurityGroupId: a.group.ID(), IpProtocol: pulumi.String("-1"), CidrIpv4: pulumi.String(anywhere),
		Description: pulumi.String("everything: images, packages, other clusters"),
	}, a.opts()...)
	a.first = append(a.first, out)
	return err
}

// allow makes one ingress rule per source, since EC2 takes only one in each.
func (a *amazon) allow(r Rule) error {
	if r.From == FromNodes {
		in := a.ingress(r)
		in.ReferencedSecurityGroupId = a.group.ID()
		rule, err := vpc.NewSecurityGroupIngressRule(a.ctx, a.named(r.Name), in, a.opts()...)
		a.first = append(a.first, rule)
		return err
	}
	for _, cidr := range a.args.AdminCIDRs {
		in := a.ingress(r)
		in.CidrIpv4 = pulumi.String(cidr.String())
		// Named by range, not by number: removing one leaves the others alone.
		name := a.named(r.Name + "-" + strings.ReplaceAll(cidr.String(), "/", "-"))
		rule, err := vpc.NewSecurityGroupIngressRule(a.ctx, name, in, a.opts()...)
		if err != nil {
			return err
		}
		a.first = append(a.first, rule)
	}
	return nil
}

// allowClusters makes one ingress rule per rule and node, named after that.
func (a *amazon) allowClusters(others []otherCluster) (made []pulumi.Resource, err error) {
	for _, g := range others {
		for _, r := range g.rules {
			for i, address := range singles(g.Cluster) {
				in := a.ingress(r)
				in.CidrIpv4 = address
				rule, err := vpc.NewSecurityGroupIngressRule(a.ctx, a.named(r.Name+"-"+g.Nodes[i].Name), in, a.opts()...)
				if err != nil {
					return nil, err
				}
				made = append(made, rule)
			}
		}
	}
	return made, nil
}

// ingress is a rule of the group, without its source.
func (a *amazon) ingress(r Rule) *vpc.SecurityGroupIngressRuleArgs {
	from, to := r.FromPort, r.ToPort
	if r.Protocol == ICMP {
		from, to = -1, -1 // all types and codes
	}
	return &vpc.SecurityGroupIngressRuleArgs{
		SecurityGroupId: a.group.ID(), Description: pulumi.String(r.Purpose),
		IpProtocol: pulumi.String(string(r.Protocol)), FromPort: pulumi.Int(from), ToPort: pulumi.Int(to),
	}
}

func (a *amazon) sshKey(public pulumi.StringInput) (err error) {
	a.key, err = ec2.NewKeyPair(a.ctx, a.named("key"), &ec2.KeyPairArgs{PublicKey: public, Tags: a.tags("key")}, a.opts()...)
	return err
}

func (a *amazon) address(node string) error {
	eip, err := ec2.NewEip(a.ctx, node+"-address", &ec2.EipArgs{
		Domain: pulumi.String("vpc"), Tags: pulumi.StringMap{"Name": pulumi.String(node)},
		// AWS refuses an address in a VPC without a gateway.
	}, a.opts(pulumi.DependsOn([]pulumi.Resource{a.gateway}))...)
	a.addresses[node] = eip
	return err
}

func (a *amazon) machine(node, machineType string, opts ...pulumi.ResourceOption) (*Node, error) {
	ami, err := a.image()
	if err != nil {
		return nil, err
	}
	name := pulumi.StringMap{"Name": pulumi.String(node)}
	vm, err := ec2.NewInstance(a.ctx, node, &ec2.InstanceArgs{
		Ami: pulumi.String(ami), InstanceType: pulumi.String(machineType),
		SubnetId: a.subnet.ID(), VpcSecurityGroupIds: pulumi.StringArray{a.group.ID()},
		KeyName: a.key.KeyName, UserData: pulumi.String(userData), Tags: name,
		// Credentials of an instance must not be had by a single stray GET, nor
		// by pods: version 2 only, and no hop further than the machine.
		MetadataOptions: ec2.InstanceMetadataOptionsArgs{
			HttpEndpoint: pulumi.String("enabled"), HttpTokens: pulumi.String("required"), HttpPutResponseHopLimit: pulumi.Int(1),
		},
		RootBlockDevice: ec2.InstanceRootBlockDeviceArgs{
			VolumeType: pulumi.String("gp3"), VolumeSize: pulumi.Int(diskGiB), Encrypted: pulumi.Bool(true),
		},
	}, a.opts(append(opts,
		pulumi.DependsOn(a.first),
		// A new image or first boot is not worth a running node, and AWS stops
		// an instance to change its user-data.
		pulumi.IgnoreChanges([]string{"ami", "userData", "userDataBase64", "keyName"}),
		pulumi.DeleteBeforeReplace(true),
	)...)...)
	if err != nil {
		return nil, err
	}
	eip := a.addresses[node]
	attached, err := ec2.NewEipAssociation(a.ctx, node+"-attach", &ec2.EipAssociationArgs{
		AllocationId: eip.AllocationId, InstanceId: vm.ID(),
	}, a.opts(pulumi.DeleteBeforeReplace(true))...)
	return &Node{
		Name:           node,
		PublicAddress:  eip.PublicIp,
		PrivateAddress: vm.PrivateIp,
		EgressAddress:  eip.PublicIp,
		Machine:        vm.ID().ToStringOutput(),
		machine:        vm,
		attached:       attached,
		user:           "ubuntu",
	}, err
}

// image finds the newest Ubuntu 24.04 of the region, unless one was given.
func (a *amazon) image() (string, error) {
	if a.args.Image != "" {
		return a.args.Image, nil
	}
	ami, err := ec2.LookupAmi(a.ctx, &ec2.LookupAmiArgs{
		MostRecent: pulumi.BoolRef(true),
		Owners:     []string{canonical},
		Filters: []ec2.GetAmiFilter{
			{Name: "name", Values: []string{"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"}},
			{Name: "virtualization-type", Values: []string{"hvm"}},
		},
	}, pulumi.Parent(a.parent), pulumi.Provider(a.provider))
	if err != nil {
		return "", err
	}
	a.args.Image = ami.Id
	return ami.Id, nil
}

// tags gives a resource the name that the AWS console shows.
func (a *amazon) tags(suffix string) pulumi.StringMap {
	return pulumi.StringMap{"Name": pulumi.String(a.named(suffix))}
}
