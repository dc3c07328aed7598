package clouds

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Every cloud renders the same rules, each in its own words; translated back they
// must be the same.
func TestFirewalls(t *testing.T) {
	t.Parallel()
	want := []string{
		"icmp from nodes",
		"tcp 10250 from nodes",
		"tcp 22 from 198.51.100.7/32",
		"tcp 22 from 203.0.113.0/24",
		"tcp 6443 from 198.51.100.7/32",
		"tcp 6443 from 203.0.113.0/24",
		"tcp 6443 from nodes",
		"tcp 6783 from nodes",
		"udp 6783-6784 from nodes",
	}
	render := map[string]func(*testing.T, *mockcloud.Record) []string{DigitalOcean: dropletRules, AWS: groupRules, GCE: googleRules}
	eachCloud(t, func(t *testing.T, cloud string) {
		got := sorted(render[cloud](t, build(t, "london", args(cloud), false, nil)))
		if !slices.Equal(got, want) {
			t.Errorf("found:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		host := args(cloud)
		host.FederationHost = true
		got = sorted(render[cloud](t, build(t, "london", host, false, nil)))
		if want := sorted(append([]string{"tcp 30443 from 198.51.100.7/32", "tcp 30443 from 203.0.113.0/24"}, want...)); !slices.Equal(got, want) {
			t.Errorf("host: found:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func rule(protocol, ports string, from []string) (out []string) {
	for _, f := range from {
		out = append(out, strings.Join(strings.Fields(protocol+" "+ports+" from "+f), " "))
	}
	return out
}

// dropletRules are those of the cluster's own firewall; peers' are in another.
func dropletRules(t *testing.T, r *mockcloud.Record) []string {
	wall := r.Find(t, "london-firewall")
	if got := plainText(wall.Inputs["tags"]); !slices.Equal(got, []string{"london-node"}) {
		t.Errorf("the firewall is for tags %v", got)
	}
	var outbound []string
	for _, v := range wall.Inputs["outboundRules"].ArrayValue() {
		outbound = append(outbound, v.ObjectValue()["protocol"].StringValue())
	}
	if !slices.Equal(outbound, []string{"tcp", "udp", "icmp"}) {
		t.Errorf("outbound protocols %v: want tcp, udp, icmp", outbound)
	}
	return inboundRules(wall)
}

func inboundRules(wall pulumi.MockResourceArgs) (out []string) {
	for _, v := range wall.Inputs["inboundRules"].ArrayValue() {
		in := v.ObjectValue()
		from := plainText(in["sourceAddresses"])
		if slices.Equal(plainText(in["sourceTags"]), []string{"london-node"}) {
			from = append(from, "nodes")
		}
		ports := ""
		if in.HasValue("portRange") {
			ports = in["portRange"].StringValue()
		}
		out = append(out, rule(in["protocol"].StringValue(), ports, from)...)
	}
	return out
}

func groupRules(t *testing.T, r *mockcloud.Record) (out []string) {
	group := r.Find(t, "london-nodes")
	if group.Inputs.HasValue("ingress") || group.Inputs.HasValue("egress") {
		t.Error("rules in the group fight with rules of their own")
	}
	for name, a := range r.OfType("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule") {
		if text(a, "securityGroupId") != "london-nodes-id" {
			continue
		}
		if text(a, "description") == "" {
			t.Errorf("%s: want a description", name)
		}
		from := text(a, "cidrIpv4")
		if text(a, "referencedSecurityGroupId") == "london-nodes-id" {
			from = "nodes"
		}
		low, high := a.Inputs["fromPort"].NumberValue(), a.Inputs["toPort"].NumberValue()
		ports := fmt.Sprint(low)
		if low != high {
			ports = fmt.Sprintf("%v-%v", low, high)
		} else if low == -1 {
			ports = ""
		}
		out = append(out, rule(text(a, "ipProtocol"), ports, []string{from})...)
	}
	if egress := r.Find(t, "london-egress"); text(egress, "ipProtocol") != "-1" || text(egress, "cidrIpv4") != anywhere {
		t.Errorf("egress %v: want everything", egress.Inputs)
	}
	return out
}

func googleRules(t *testing.T, r *mockcloud.Record) (out []string) {
	for name, a := range r.OfType("gcp:compute/firewall:Firewall") {
		if !strings.HasPrefix(name, "london-") {
			continue
		}
		if got := plainText(a.Inputs["targetTags"]); !slices.Equal(got, []string{"london"}) {
			t.Errorf("%s is for tags %v", name, got)
		}
		from := plainText(a.Inputs["sourceRanges"])
		if slices.Equal(plainText(a.Inputs["sourceTags"]), []string{"london"}) {
			from = append(from, "nodes")
		}
		for _, v := range a.Inputs["allows"].ArrayValue() {
			allow := v.ObjectValue()
			out = append(out, rule(allow["protocol"].StringValue(), strings.Join(plainText(allow["ports"]), ","), from)...)
		}
	}
	return out
}
