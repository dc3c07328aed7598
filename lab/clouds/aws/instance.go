package aws

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

// maxUserData is the service's limit in bytes, before base64.
const maxUserData = 16384

var (
	instanceType = regexp.MustCompile(`^([a-z]+[0-9]+[a-z0-9-]*)\.(nano|micro|small|medium|large|[0-9]*xlarge|metal(-[0-9]+xl)?)$`)
	graviton     = regexp.MustCompile(`^[a-z]+[0-9]+g`)
	imageID      = regexp.MustCompile(`^ami-([0-9a-f]{8}|[0-9a-f]{17})$`)
)

func instance() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: ec2.InstanceArgs{}, Outputs: ec2.Instance{},
			Required: []string{"ami", "instanceType", "subnetId"}, // no launch templates, no default VPC
			Supported: []string{
				"associatePublicIpAddress", "keyName", "privateIp", "tags", "userData", "userDataBase64",
				"userDataReplaceOnChange", "vpcSecurityGroupIds",
				// These make no difference to a container.
				"availabilityZone", "creditSpecification", "metadataOptions", "monitoring", "rootBlockDevice", "sourceDestCheck", "volumeTags",
			},
			AtMostOne: [][]string{{"userData", "userDataBase64"}},
			ForceNew: []string{
				"ami", "associatePublicIpAddress", "availabilityZone", "keyName", "privateIp", "subnetId",
				"rootBlockDevice.deviceName", "rootBlockDevice.encrypted", "rootBlockDevice.kmsKeyId",
			},
			Replaces: func(before, after props) []string {
				if provider.Bool(after, "userDataReplaceOnChange", false) {
					return []string{"userData", "userDataBase64"}
				}
				return nil
			},
			Computed: []string{
				"associatePublicIpAddress", "availabilityZone", "capacityReservationSpecification", "cpuCoreCount", "cpuOptions",
				"cpuThreadsPerCore", "disableApiStop", "disableApiTermination", "ebsBlockDevices", "ebsOptimized", "enablePrimaryIpv6",
				"enclaveOptions", "ephemeralBlockDevices", "hostId", "hostResourceGroupArn", "iamInstanceProfile",
				"instanceInitiatedShutdownBehavior", "instanceMarketOptions", "ipv6AddressCount", "ipv6Addresses", "maintenanceOptions",
				"metadataOptions", "monitoring", "networkInterfaces", "placementGroup", "placementPartitionNumber", "privateDnsNameOptions",
				"privateIp", "rootBlockDevice", "secondaryPrivateIps", "securityGroups", "tenancy", "vpcSecurityGroupIds",
			},
			Defaults: map[string]any{"sourceDestCheck": true, "userDataReplaceOnChange": false},
			Sets:     []string{"vpcSecurityGroupIds"},
		},
		Check: checkInstance,
		Refs: func(p props) []cloud.Ref {
			refs := []cloud.Ref{
				{Property: "subnetId", Type: typeSubnet, ID: provider.Str(p, "subnetId")},
				{Property: "keyName", Type: typeKeyPair, ID: provider.Str(p, "keyName"), Weak: true},
			}
			for _, id := range provider.Strs(p, "vpcSecurityGroupIds") {
				refs = append(refs, cloud.Ref{Property: "vpcSecurityGroupIds", Type: typeGroup, ID: id})
			}
			return refs
		},
		Place:   placeInstance,
		Change:  changeInstance,
		View:    viewInstance,
		Machine: machine,
		Running: func(running bool) props {
			state := "stopped"
			if running {
				state = "running"
			}
			return provider.From(map[string]any{"instanceState": state})
		},
		// The service stops and starts an instance to change these.
		Stops: func(before, after props) bool {
			return slices.ContainsFunc([]string{"instanceType", "userData", "userDataBase64"}, func(k string) bool {
				return provider.Str(before, k) != provider.Str(after, k)
			})
		},
		Leave: func(tx *cloud.Tx, o *cloud.Object) error {
			for _, a := range tx.All(typeEipAssoc) {
				if provider.Str(a.Props, "instanceId") == o.ID {
					delete(tx.Objects, a.ID)
				}
			}
			return nil
		},
	}
}

func checkInstance(c *provider.Call, in props) failures {
	f := checkTags(in)
	r, ami, size := provider.Str(c.Config, "region"), provider.Str(in, "ami"), provider.Str(in, "instanceType")
	sized := instanceType.FindStringSubmatch(size)
	if provider.Known(in, "instanceType") && sized == nil {
		f = append(f, provider.Failure("instanceType", "InvalidParameterValue: invalid value '%s' for InstanceType", size))
	}
	if provider.Known(in, "ami") {
		i, found := findImage(r, ami)
		switch {
		case !imageID.MatchString(ami):
			f = append(f, provider.Failure("ami", "InvalidAMIID.Malformed: invalid id: \"%s\"", ami))
		case !found:
			f = append(f, provider.Failure("ami", "InvalidAMIID.NotFound: the image id '[%s]' does not exist in %s (IDs differ from region to region: look it up with getAmi)", ami, r))
		case sized != nil && graviton.MatchString(sized[1]) != (i.architecture == "arm64"):
			f = append(f, provider.Failure("ami", "InvalidParameterValue: the architecture '%s' of the specified AMI does not match that of instance type %s", i.architecture, size))
		}
	}
	data, err := userData(in)
	switch {
	case err != nil && provider.Known(in, "userDataBase64"):
		f = append(f, provider.Failure("userDataBase64", "expected userDataBase64 to be base64-encoded: %v", err))
	case len(data) > maxUserData:
		f = append(f, provider.Failure("userData", "InvalidParameterValue: user data is limited to %d bytes, found %d", maxUserData, len(data)))
	}
	if zone := provider.Str(in, "availabilityZone"); provider.Known(in, "availabilityZone") && !validZone(r, zone) {
		f = append(f, provider.Failure("availabilityZone", "InvalidParameterValue: invalid availability zone: [%s]", zone))
	}
	return f
}

// userData is what the program gave, as the machine gets it.
func userData(p props) (string, error) {
	if encoded := provider.Str(p, "userDataBase64"); encoded != "" {
		raw, err := base64.StdEncoding.DecodeString(encoded)
		return string(raw), err
	}
	return provider.Str(p, "userData"), nil
}

func placeInstance(tx *cloud.Tx, in props) (string, props, error) {
	id, home := cloud.NewID("i"), tx.Get(typeSubnet, provider.Str(in, "subnetId"))
	if err := checkGroups(tx, home, in); err != nil {
		return "", nil, err
	}
	zone := provider.Str(home.Props, "availabilityZone")
	if wanted := provider.Str(in, "availabilityZone"); wanted != "" && wanted != zone {
		return "", nil, fmt.Errorf("InvalidParameterValue: the subnet %s is in the availability zone %s, not %s", home.ID, zone, wanted)
	}
	const reserved = 4 // the network, the router, DNS, and one for later (see "Subnet CIDR blocks" in the VPC user guide)
	private, err := tx.LeasePrivate(home.ID, prefix(home.Props), reserved, provider.Str(in, "privateIp"), id)
	if err != nil {
		return "", nil, fmt.Errorf("InvalidParameterValue: %w", err)
	}
	all, err := common(tx, in, "instance", id)
	delete(all, "ownerId")
	r := provider.Str(tx.Config, "region")
	all = provider.Merge(all, provider.From(map[string]any{
		"availabilityZone": zone, "privateIp": private.String(), "primaryNetworkInterfaceId": cloud.NewID("eni"),
		"privateDns": privateDNS(private.String(), r), "tenancy": "default", "ipv6Addresses": []any{}, "securityGroups": []any{},
		"secondaryPrivateIps": []any{}, "publicIp": "", "outpostArn": "", "passwordData": "",
	}))
	if provider.Bool(in, "associatePublicIpAddress", provider.Bool(home.Props, "mapPublicIpOnLaunch", false)) {
		public, lerr := tx.LeasePublic(publicPool, id)
		if lerr != nil {
			return "", nil, fmt.Errorf("InsufficientFreeAddressesInSubnet: %w", lerr)
		}
		all["publicIp"] = provider.From(map[string]any{"": public.String()})[""]
	}
	return id, all, err
}

func privateDNS(address, region string) string {
	return fmt.Sprintf("ip-%s.%s.compute.internal", strings.ReplaceAll(address, ".", "-"), region)
}

func changeInstance(tx *cloud.Tx, o *cloud.Object, all props) (props, error) {
	if err := checkGroups(tx, tx.Get(typeSubnet, provider.Str(all, "subnetId")), all); err != nil {
		return nil, err
	}
	return retag(tx, o, all)
}

// checkGroups wants security groups of the subnet's VPC.
func checkGroups(tx *cloud.Tx, home *cloud.Object, p props) error {
	for _, id := range provider.Strs(p, "vpcSecurityGroupIds") {
		g := tx.Get(typeGroup, id)
		if provider.Str(g.Props, "vpcId") != provider.Str(home.Props, "vpcId") {
			return fmt.Errorf("InvalidParameter: security group %s and subnet %s belong to different networks", id, home.ID)
		}
	}
	return nil
}
