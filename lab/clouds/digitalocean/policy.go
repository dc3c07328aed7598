package digitalocean

import (
	"net/netip"
	"slices"
	"strconv"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

// policies are what the vendor enforces: a droplet with firewalls has what any
// of them lets pass, in and out; a droplet without one is open.
func policies(_ *cloud.Cloud, s *cloud.State) map[string]vm.Policy {
	out := map[string]vm.Policy{}
	for _, n := range s.All(typeVpc) {
		var p vm.Policy
		for _, o := range s.All(typeDroplet) {
			if provider.Str(o.Props, "vpcUuid") != n.ID {
				continue
			}
			own, private := address(o, "ipv4Address"), address(o, "ipv4AddressPrivate")
			p.Addresses = append(p.Addresses, vm.PublicAddress{Public: own, Private: private, OnNIC: true})
			for _, a := range s.All(typeAssignment) {
				if dropletOf(a.Props, "dropletId") == o.ID {
					p.Addresses = append(p.Addresses, vm.PublicAddress{
						Public: address(a, "ipAddress"), Private: private, Anchor: anchor(s, o).Addr(),
					})
				}
			}
			p.Machines = append(p.Machines, machinePolicy(s, o, own, private))
		}
		out[n.ID] = p
	}
	return out
}

func machinePolicy(s *cloud.State, o *cloud.Object, own, private netip.Addr) vm.MachinePolicy {
	m := vm.MachinePolicy{Addresses: []netip.Addr{own, private}}
	guarded := false
	for _, f := range s.All(typeFirewall) {
		if guards(f, o) {
			guarded = true
			m.Ingress = append(m.Ingress, rules(s, f, inbound)...)
			m.Egress = append(m.Egress, rules(s, f, outbound)...)
		}
	}
	if !guarded {
		m.Ingress, m.Egress = []vm.Rule{cloud.Everything}, []vm.Rule{cloud.Everything}
	}
	return m
}

// guards says whether a firewall applies to a droplet.
func guards(f, o *cloud.Object) bool {
	tags := provider.Strs(o.Props, "tags")
	return slices.ContainsFunc(provider.Strs(f.Props, "tags"), func(t string) bool { return slices.Contains(tags, t) }) ||
		slices.ContainsFunc(provider.Ints(f.Props, "dropletIds"), func(n int) bool { return strconv.Itoa(n) == o.ID })
}

// rules are a firewall's rules of one direction.
func rules(s *cloud.State, f *cloud.Object, d direction) []vm.Rule {
	var out []vm.Rule
	for _, r := range provider.Objs(f.Props, d.rules) {
		rule := vm.Rule{Protocol: provider.Str(r, "protocol"), Peers: cloud.IPv4(provider.Strs(r, d.addresses))}
		rule.FromPort, rule.ToPort, _ = ports(provider.Str(r, "portRange")) // Check has found it valid
		for _, t := range provider.Strs(r, d.tags) {
			for _, o := range tagged(s, t) {
				rule.Peers = append(rule.Peers, addresses(s, o)...)
			}
		}
		for _, n := range provider.Ints(r, d.droplets) {
			if o := s.Get(typeDroplet, strconv.Itoa(n)); o != nil {
				rule.Peers = append(rule.Peers, addresses(s, o)...)
			}
		}
		if len(rule.Peers) > 0 { // a tag may be on nothing yet
			out = append(out, rule)
		}
	}
	return out
}

// addresses are all that a droplet may be seen under.
func addresses(s *cloud.State, o *cloud.Object) []netip.Prefix {
	out := cloud.Single(address(o, "ipv4Address"), address(o, "ipv4AddressPrivate"))
	for _, a := range s.All(typeAssignment) {
		if dropletOf(a.Props, "dropletId") == o.ID {
			out = append(out, cloud.Single(address(a, "ipAddress"))...)
		}
	}
	return out
}
