package aws

import (
	"net/netip"
	"slices"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

// policies are what the service enforces: what no rule of a machine's groups
// lets pass is closed, and the internet is there only for machines with a
// public address in a subnet whose route table leads to a gateway.
func policies(_ *cloud.Cloud, s *cloud.State) map[string]vm.Policy {
	out := map[string]vm.Policy{}
	for _, n := range s.All(typeSubnet) {
		var p vm.Policy
		online := routed(s, n.ID)
		for _, o := range s.All(typeInstance) {
			if provider.Str(o.Props, "subnetId") != n.ID {
				continue
			}
			private := privateAddress(o)
			m := vm.MachinePolicy{Addresses: []netip.Addr{private}}
			m.Ingress, m.Egress = rulesOf(s, o, typeIngressRule), rulesOf(s, o, typeEgressRule)
			if public, err := netip.ParseAddr(publicAddress(s, o)); err == nil && online {
				p.Addresses = append(p.Addresses, vm.PublicAddress{Public: public, Private: private})
			} else {
				m.Ingress, m.Egress = cloud.Within(m.Ingress, prefix(n.Props)), cloud.Within(m.Egress, prefix(n.Props))
			}
			p.Machines = append(p.Machines, m)
		}
		out[n.ID] = p
	}
	return out
}

// rulesOf are the rules of one direction of all groups that an instance is in.
func rulesOf(s *cloud.State, o *cloud.Object, typ string) []vm.Rule {
	var out []vm.Rule
	groups := groupsOf(s, o)
	for _, r := range s.All(typ) {
		if !slices.Contains(groups, provider.Str(r.Props, "securityGroupId")) {
			continue
		}
		rule := routerRule(r.Props)
		rule.Peers = cloud.IPv4([]string{provider.Str(r.Props, "cidrIpv4")})
		if id := provider.Str(r.Props, "referencedSecurityGroupId"); id != "" {
			rule.Peers = members(s, id)
		}
		if len(rule.Peers) > 0 { // a group may have no members yet
			out = append(out, rule)
		}
	}
	if home := s.Get(typeVpc, vpcOf(s, o)); home != nil && slices.Contains(groups, provider.Str(home.Props, "defaultSecurityGroupId")) {
		// A VPC's default group lets its members talk to each other and to all.
		if typ == typeEgressRule {
			return append(out, cloud.Everything)
		}
		return append(out, vm.Rule{Protocol: "all", Peers: members(s, groups[0])})
	}
	return out
}

// members are the private addresses of a group's instances, in their order:
// that of the instances' random IDs would make equal policies differ.
func members(s *cloud.State, group string) []netip.Prefix {
	var out []netip.Prefix
	for _, o := range s.All(typeInstance) {
		if slices.Contains(groupsOf(s, o), group) {
			out = append(out, cloud.Single(privateAddress(o))...)
		}
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return out
}
