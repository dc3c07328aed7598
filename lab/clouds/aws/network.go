package aws

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

func vpc() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: ec2.VpcArgs{}, Outputs: ec2.Vpc{},
			// The service has address management and IPv6 instead of cidrBlock; the lab has neither.
			Required:  []string{"cidrBlock"},
			Supported: []string{"enableDnsHostnames", "enableDnsSupport", "instanceTenancy", "tags"},
			ForceNew:  []string{"cidrBlock"},
			Defaults:  map[string]any{"enableDnsHostnames": false, "enableDnsSupport": true, "instanceTenancy": "default"},
		},
		Waits: true,
		Check: func(_ *provider.Call, in props) failures {
			cidr, f := checkCIDR(in, "cidrBlock")
			if f == nil && cidr.IsValid() && (cidr.Bits() < 16 || cidr.Bits() > 28) {
				f = append(f, provider.Failure("cidrBlock", "InvalidVpc.Range: the CIDR '%s' is invalid: the block size must be between a /16 netmask and /28 netmask", cidr))
			}
			return append(append(f, oneOf(in, "instanceTenancy", "default", "dedicated")...), checkTags(in)...)
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			id := cloud.NewID("vpc")
			all, err := common(tx, in, "vpc", id)
			return id, provider.Merge(all, provider.From(map[string]any{
				"mainRouteTableId": cloud.NewID("rtb"), "defaultRouteTableId": cloud.NewID("rtb"),
				"defaultSecurityGroupId": cloud.NewID("sg"), "defaultNetworkAclId": cloud.NewID("acl"),
				"dhcpOptionsId": cloud.NewID("dopt"), "enableNetworkAddressUsageMetrics": false,
				"assignGeneratedIpv6CidrBlock": false, "ipv6AssociationId": "", "ipv6CidrBlock": "",
			})), err
		},
		Change: retag,
	}
}

func subnet() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: ec2.SubnetArgs{}, Outputs: ec2.Subnet{},
			Required:  []string{"cidrBlock"},
			Supported: []string{"availabilityZone", "mapPublicIpOnLaunch", "tags"},
			ForceNew:  []string{"vpcId", "cidrBlock", "availabilityZone"},
			Computed:  []string{"availabilityZone", "availabilityZoneId"},
			Defaults:  map[string]any{"mapPublicIpOnLaunch": false},
		},
		Waits: true,
		Check: func(c *provider.Call, in props) failures {
			_, f := checkCIDR(in, "cidrBlock")
			r, zone := provider.Str(c.Config, "region"), provider.Str(in, "availabilityZone")
			if provider.Known(in, "availabilityZone") && !validZone(r, zone) {
				f = append(f, provider.Failure("availabilityZone", "InvalidParameterValue: value (%s) for parameter availabilityZone is invalid: the zones are %[2]sa, %[2]sb, %[2]sc", zone, r))
			}
			return append(f, checkTags(in)...)
		},
		Refs: func(p props) []cloud.Ref {
			return []cloud.Ref{{Property: "vpcId", Type: typeVpc, ID: provider.Str(p, "vpcId")}}
		},
		Place:  placeSubnet,
		Change: retag,
		Network: func(o *cloud.Object) vm.Network {
			return vm.Network{ID: o.ID, Cloud: "aws", Name: o.Name(), CIDR: prefix(o.Props)}
		},
	}
}

func validZone(region, zone string) bool {
	letter, ok := strings.CutPrefix(zone, region)
	return ok && len(letter) == 1 && letter >= "a" && letter <= "c"
}

// prefix is the CIDR of a VPC or subnet, which Check has found valid.
func prefix(p props) netip.Prefix {
	cidr, _ := netip.ParsePrefix(provider.Str(p, "cidrBlock"))
	return cidr
}

func placeSubnet(tx *cloud.Tx, in props) (string, props, error) {
	id, cidr := cloud.NewID("subnet"), prefix(in)
	home := tx.Get(typeVpc, provider.Str(in, "vpcId"))
	if whole := prefix(home.Props); !whole.Contains(cidr.Addr()) || cidr.Bits() < whole.Bits() || cidr.Bits() > 28 {
		return "", nil, fmt.Errorf("InvalidSubnet.Range: the CIDR '%s' is invalid: want a network of at most /28 within the VPC's %s", cidr, whole)
	}
	for _, other := range tx.All(typeSubnet) {
		if provider.Str(other.Props, "vpcId") != home.ID {
			continue
		}
		if prefix(other.Props).Overlaps(cidr) {
			return "", nil, fmt.Errorf("InvalidSubnet.Conflict: the CIDR '%s' conflicts with another subnet (%s)", cidr, other.ID)
		}
		// One router has one network behind it.
		return "", nil, fmt.Errorf("the lab simulates one subnet per VPC, and %s has %s: use that", home.ID, other.ID)
	}
	all, err := common(tx, in, "subnet", id)
	if err != nil {
		return "", nil, err
	}
	r := provider.Str(tx.Config, "region")
	return id, provider.Merge(provider.From(map[string]any{
		"availabilityZone": r + "a", "availabilityZoneId": strings.ReplaceAll(r, "-", "") + "-az1",
		"assignIpv6AddressOnCreation": false, "enableDns64": false, "ipv6Native": false,
		"privateDnsHostnameTypeOnLaunch": "ip-name",
	}), all), nil
}
