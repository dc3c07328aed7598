package aws

import (
	"fmt"

	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

// protocols maps the service's names and numbers of protocols to the routers'.
var protocols = map[string]string{
	"-1": "all", "tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp", "icmp": "icmp", "1": "icmp",
}

func checkRule(_ *provider.Call, in props) failures {
	_, f := checkCIDR(in, "cidrIpv4")
	f = append(append(f, checkDescription(in)...), checkTags(in)...)
	if !provider.Known(in, "ipProtocol") {
		return f
	}
	text := provider.Str(in, "ipProtocol")
	protocol, ok := protocols[text]
	if !ok {
		return append(f, provider.Failure("ipProtocol", "InvalidParameterValue: invalid value '%s' for IP protocol: the lab has tcp, udp, icmp and -1", text))
	}
	for _, k := range []string{"fromPort", "toPort"} {
		switch {
		case protocol == "all" && provider.Set(in, k):
			f = append(f, provider.Failure(k, "must not be set if ipProtocol is \"-1\", which means all ports"))
		case protocol != "all" && !provider.Set(in, k):
			f = append(f, provider.Failure(k, "MissingParameter: the request must contain the parameter %s unless ipProtocol is \"-1\"", k))
		}
	}
	if protocol == "all" || !provider.Known(in, "fromPort") || !provider.Known(in, "toPort") {
		return f
	}
	from, to := provider.Int(in, "fromPort", 0), provider.Int(in, "toPort", 0)
	switch {
	case protocol == "icmp" && (from < -1 || from > 255 || to < -1 || to > 255):
		f = append(f, provider.Failure("fromPort", "InvalidParameterValue: ICMP type and code (%d, %d) must be -1 to 255", from, to))
	case protocol != "icmp" && to == 0:
		f = append(f, provider.Failure("toPort", "the lab has no port 0: name the ports, or set ipProtocol to \"-1\" for everything"))
	case protocol != "icmp" && (from < 0 || to > 65535 || from > to):
		f = append(f, provider.Failure("fromPort", "InvalidParameterValue: invalid TCP/UDP port range (%d:%d)", from, to))
	}
	return f
}

// sameRule says whether two rules let the same pass, which the service refuses.
func sameRule(a, b props) bool {
	return provider.Str(a, "securityGroupId") == provider.Str(b, "securityGroupId") && describe(a) == describe(b)
}

// describe is the service's way to write a rule down.
func describe(p props) string {
	peer := provider.Str(p, "cidrIpv4") + provider.Str(p, "referencedSecurityGroupId")
	protocol := protocols[provider.Str(p, "ipProtocol")]
	if protocol == "all" {
		return fmt.Sprintf("peer: %s, ALL, ALLOW", peer)
	}
	return fmt.Sprintf("peer: %s, %s, from port: %d, to port: %d, ALLOW", peer, protocol, provider.Int(p, "fromPort", 0), provider.Int(p, "toPort", 0))
}

// routerRule is a rule without its peers, as the router enforces it. The
// routers don't tell ICMP's types apart.
func routerRule(p props) vm.Rule {
	r := vm.Rule{Protocol: protocols[provider.Str(p, "ipProtocol")]}
	if r.Protocol == "tcp" || r.Protocol == "udp" {
		r.FromPort, r.ToPort = provider.Int(p, "fromPort", 0), provider.Int(p, "toPort", 0)
	}
	return r
}
