package aws

import (
	"fmt"
	"net/netip"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

// machine is the VM of an instance. It knows its private address alone.
func machine(s *cloud.State, o *cloud.Object) (vm.Machine, error) {
	data, err := userData(o.Props)
	if err != nil {
		return vm.Machine{}, fmt.Errorf("userDataBase64: %w", err)
	}
	var keys []string
	if key := s.Get(typeKeyPair, provider.Str(o.Props, "keyName")); key != nil {
		keys = append(keys, cloud.Key(provider.Str(key.Props, "publicKey")))
	}
	return vm.Machine{
		ID: o.ID, Name: s.MachineName(o, provider.StrMap(o.Props, "tags")["Name"]), Cloud: "aws",
		NetworkID: provider.Str(o.Props, "subnetId"), PrivateIP: privateAddress(o),
		UserData: data, MetaData: cloud.MetaData(o.ID, provider.Str(o.Props, "privateDns"), keys),
		VendorData: cloud.CloudConfig(map[string]any{"disable_root": true, "ssh_pwauth": false, "users": []any{"default"}}),
	}, nil
}

func privateAddress(o *cloud.Object) netip.Addr {
	a, _ := netip.ParseAddr(provider.Str(o.Props, "privateIp"))
	return a
}

// viewInstance adds what follows from associations, groups and the VPC.
func viewInstance(s *cloud.State, o *cloud.Object) props {
	out := map[string]any{"publicIp": "", "publicDns": "", "associatePublicIpAddress": false}
	if a := publicAddress(s, o); a != "" {
		out["publicIp"], out["associatePublicIpAddress"] = a, true
		home := s.Get(typeVpc, vpcOf(s, o))
		if subnet := s.Get(typeSubnet, provider.Str(o.Props, "subnetId")); subnet != nil && home != nil && provider.Bool(home.Props, "enableDnsHostnames", false) {
			zone := provider.Str(subnet.Props, "availabilityZone")
			out["publicDns"] = publicDNS(a, zone[:len(zone)-1])
		}
	}
	if !provider.Set(o.Props, "vpcSecurityGroupIds") {
		out["vpcSecurityGroupIds"] = provider.Any(groupsOf(s, o))
	}
	return provider.From(out)
}

// publicAddress is that of the associated Eip, or else that of the launch.
func publicAddress(s *cloud.State, o *cloud.Object) string {
	if a := s.Find(typeEipAssoc, "instanceId", o.ID); a != nil {
		return provider.Str(a.Props, "publicIp")
	}
	return provider.Str(o.Props, "publicIp")
}

// groupsOf are an instance's security groups: the VPC's default one if it has
// none of its own.
func groupsOf(s *cloud.State, o *cloud.Object) []string {
	if ids := provider.Strs(o.Props, "vpcSecurityGroupIds"); len(ids) > 0 {
		return ids
	}
	if home := s.Get(typeVpc, vpcOf(s, o)); home != nil {
		return []string{provider.Str(home.Props, "defaultSecurityGroupId")}
	}
	return nil
}
