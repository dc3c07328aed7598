package gcp

import (
	"net/netip"
	"slices"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

// policies are what a network enforces: no ingress but what firewalls allow,
// all egress; the internet is there only for instances with an external
// address.
func policies(_ *cloud.Cloud, s *cloud.State) map[string]vm.Policy {
	out := map[string]vm.Policy{}
	for _, n := range s.All(typeSubnetwork) {
		var p vm.Policy
		for _, o := range s.All(typeInstance) {
			if subnetOf(o.Props) != n.ID {
				continue
			}
			m := vm.MachinePolicy{
				Addresses: []netip.Addr{networkIP(o)},
				Ingress:   ingress(s, strip(provider.Str(n.Props, "network")), o),
				Egress:    []vm.Rule{cloud.Everything},
			}
			if public := natIP(o); public.IsValid() {
				p.Addresses = append(p.Addresses, vm.PublicAddress{Public: public, Private: networkIP(o)})
			} else {
				m.Ingress, m.Egress = cloud.Within(m.Ingress, prefix(n)), cloud.Within(m.Egress, prefix(n))
			}
			p.Machines = append(p.Machines, m)
		}
		out[n.ID] = p
	}
	return out
}

// ingress are the rules of all firewalls of a network that apply to an instance:
// those without target tags apply to all.
func ingress(s *cloud.State, network string, o *cloud.Object) []vm.Rule {
	var out []vm.Rule
	for _, f := range s.All(typeFirewall) {
		if strip(provider.Str(f.Props, "network")) != network || provider.Bool(f.Props, "disabled", false) {
			continue
		}
		targets := provider.Strs(f.Props, "targetTags")
		if len(targets) > 0 && !slices.ContainsFunc(targets, func(t string) bool { return hasTag(o, t) }) {
			continue
		}
		sources := cloud.IPv4(provider.Strs(f.Props, "sourceRanges"))
		for _, t := range provider.Strs(f.Props, "sourceTags") {
			sources = append(sources, members(s, network, t)...)
		}
		if len(sources) > 0 { // a tag may be on nothing yet
			out = append(out, allowed(f, sources)...)
		}
	}
	return out
}

func hasTag(o *cloud.Object, tag string) bool {
	return slices.Contains(provider.Strs(o.Props, "tags"), tag)
}

// members are the internal addresses of a network's instances with a tag: the
// API matches source tags on those alone.
func members(s *cloud.State, network, tag string) []netip.Prefix {
	var out []netip.Prefix
	for _, o := range s.All(typeInstance) {
		if hasTag(o, tag) && strip(provider.Str(nic(o.Props), "network")) == network {
			out = append(out, cloud.Single(networkIP(o))...)
		}
	}
	return out
}
