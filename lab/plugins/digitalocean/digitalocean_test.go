package digitalocean

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hybrid/lab/plugins/cloud"
	"hybrid/lab/plugins/cloud/cloudtest"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

type m = map[string]any

func engine(t *testing.T) *cloudtest.Engine { return cloudtest.New(t, New, Package, nil) }

// network makes all that droplets need, and a tag.
func network(e *cloudtest.Engine) {
	e.Helper()
	e.Make(typeVpc, "vpc", m{"name": "london", "region": "lon1", "ipRange": "10.10.0.0/24"})
	e.Make(typeSSHKey, "key", m{"publicKey": cloudtest.SSHKey})
	e.Make(typeTag, "tag", m{"name": "london"})
}

func dropletArgs(e *cloudtest.Engine, name string, tags ...any) m {
	e.Helper()
	var print string
	if err := e.Cloud.View(func(s *cloud.State) error {
		print = provider.Str(s.Get(typeSSHKey, e.ID(typeSSHKey, "key")).Props, "fingerprint")
		return nil
	}); err != nil {
		e.Fatal(err)
	}
	return m{
		"name": name, "region": "lon1", "size": "s-2vcpu-4gb", "image": "ubuntu-24-04-x64", "vpcUuid": e.ID(typeVpc, "vpc"),
		"sshKeys": []any{print}, "tags": tags, "userData": "#cloud-config\n",
	}
}

// number is an ID as a number.
func number(id string) int {
	n, err := strconv.Atoi(id)
	if err != nil {
		panic(err)
	}
	return n
}

// assign gives a droplet a reserved address.
func assign(e *cloudtest.Engine, name string) string {
	e.Helper()
	address, _ := e.Make(typeReserved, name, m{"region": "lon1"})
	e.Make(typeAssignment, name, m{"ipAddress": address, "dropletId": number(e.ID(typeDroplet, name))})
	return address
}

func TestDroplet(t *testing.T) {
	e := engine(t)
	network(e)
	_, out := e.Make(typeDroplet, "london-1", dropletArgs(e, "london-1", "london"))
	reserved := assign(e, "london-1")
	machine := e.Host.Machines()["london-1"]
	if machine.PublicIP.String() != provider.Str(out, "ipv4Address") || !dropletPool.Contains(machine.PublicIP) || machine.PrivateIP.String() != "10.10.0.2" {
		t.Errorf("addresses %v and %v; want 10.10.0.2 and a public one on the NIC", machine.PrivateIP, machine.PublicIP)
	}
	if !strings.Contains(machine.VendorData, `"disable_root": false`) || !strings.Contains(machine.MetaData, strings.TrimSpace(cloudtest.SSHKey)) {
		t.Errorf("root can't log in: %s %s", machine.VendorData, machine.MetaData)
	}
	p := e.Host.Policy(e.ID(typeVpc, "vpc"))
	want := []vm.PublicAddress{{Public: machine.PublicIP, Private: machine.PrivateIP, OnNIC: true}, {Private: machine.PrivateIP}}
	if len(p.Addresses) != 2 || p.Addresses[0] != want[0] || p.Addresses[1].Public.String() != reserved || p.Addresses[1].OnNIC {
		t.Errorf("addresses %+v; want its own and %s", p.Addresses, reserved)
	}
	for _, r := range [][2]string{{typeDroplet, "london-1"}, {typeReserved, "london-1"}, {typeAssignment, "london-1"}, {typeVpc, "vpc"}, {typeTag, "tag"}, {typeSSHKey, "key"}} {
		if drift, _, gone := e.Refresh(r[0], r[1]); gone || drift.Changes != plugin.DiffNone {
			t.Errorf("%s: a refresh finds drift where there is none: gone %v, %v", r[0], gone, drift.DetailedDiff)
		}
	}
	if err := e.Delete(typeDroplet, "london-1"); err != nil {
		t.Fatal(err)
	}
	if _, _, gone := e.Refresh(typeAssignment, "london-1"); !gone {
		t.Error("an assignment has outlived its droplet")
	}
}

// describe writes rules down.
func describe(rules []vm.Rule) []string {
	var out []string
	for _, r := range rules {
		text := r.Protocol
		if r.ToPort > 0 {
			text += " " + strings.Join([]string{strconv.Itoa(r.FromPort), strconv.Itoa(r.ToPort)}, "-")
		}
		for _, p := range r.Peers {
			text += " " + p.String()
		}
		out = append(out, text)
	}
	return out
}

func TestPolicy(t *testing.T) {
	e := engine(t)
	network(e)
	e.Make(typeDroplet, "one", dropletArgs(e, "one", "london"))
	e.Make(typeDroplet, "two", dropletArgs(e, "two"))
	rules := func(name string) vm.MachinePolicy {
		for _, p := range e.Host.Policy(e.ID(typeVpc, "vpc")).Machines {
			if p.Addresses[0] == e.Host.Machines()[name].PublicIP {
				return p
			}
		}
		t.Fatalf("no policy for %s", name)
		return vm.MachinePolicy{}
	}
	if got := describe(rules("one").Ingress); !slices.Equal(got, []string{"all 0.0.0.0/0"}) {
		t.Errorf("a droplet without a firewall lets in %q; want all", got)
	}
	inbound := []any{
		m{"protocol": "tcp", "portRange": "22", "sourceAddresses": []any{"198.18.0.1", "::/0"}},
		m{"protocol": "udp", "portRange": "6783-6784", "sourceTags": []any{"london"}},
		m{"protocol": "icmp", "sourceDropletIds": []any{number(e.ID(typeDroplet, "two"))}},
		m{"protocol": "tcp", "portRange": "443", "sourceAddresses": []any{"::/0"}},
	}
	args := m{"name": "wall", "tags": []any{"london"}, "inboundRules": inbound}
	e.Make(typeFirewall, "wall", args)
	one, two := e.Host.Machines()["one"], e.Host.Machines()["two"]
	want := []string{
		"tcp 22-22 198.18.0.1/32",
		"udp 6783-6784 " + one.PublicIP.String() + "/32 " + one.PrivateIP.String() + "/32",
		"icmp " + two.PublicIP.String() + "/32 " + two.PrivateIP.String() + "/32",
	}
	if got := describe(rules("one").Ingress); !slices.Equal(got, want) {
		t.Errorf("ingress %q; want %q", got, want)
	}
	if got := rules("one").Egress; len(got) != 0 {
		t.Errorf("without outbound rules a firewall lets nothing out; got %q", describe(got))
	}
	if got := describe(rules("two").Ingress); !slices.Equal(got, []string{"all 0.0.0.0/0"}) {
		t.Errorf("the firewall applies to a droplet without the tag: %q", got)
	}
	if drift, _, _ := e.Refresh(typeFirewall, "wall"); drift.Changes != plugin.DiffNone {
		t.Errorf("drift where there is none: %v", drift.DetailedDiff)
	}
	args["outboundRules"] = []any{m{"protocol": "tcp", "portRange": "all", "destinationAddresses": []any{"0.0.0.0/0"}}}
	if _, err := e.Update(typeFirewall, "wall", args); err != nil {
		t.Fatal(err)
	}
	if got := describe(rules("one").Egress); !slices.Equal(got, []string{"tcp 0.0.0.0/0"}) {
		t.Errorf("egress %q; want all of tcp", got)
	}
	if _, err := e.Update(typeDroplet, "two", dropletArgs(e, "two", "london")); err != nil {
		t.Fatal(err)
	}
	if got := describe(rules("two").Ingress); len(got) != 3 {
		t.Errorf("a droplet that gets the tag isn't guarded: %q", got)
	}
	args["inboundRules"] = []any{inbound[3], inbound[1], inbound[0], inbound[2]}
	if d := e.Diff(typeFirewall, "wall", args); d.Changes != plugin.DiffNone {
		t.Errorf("another order of rules is a change: %v", d.DetailedDiff)
	}
}

func TestCheck(t *testing.T) {
	base := m{"name": "x", "region": "lon1", "size": "s-1vcpu-2gb", "image": "ubuntu-24-04-x64", "vpcUuid": "u"}
	rule := func(r m) m { return m{"name": "w", "inboundRules": []any{r}} }
	for name, test := range map[string]struct {
		token       string
		base, extra m
		want        string // empty: accepted
	}{
		"droplet":                {typeDroplet, base, nil, ""},
		"droplet's size":         {typeDroplet, base, m{"size": "2gb"}, "invalid size"},
		"droplet's other size":   {typeDroplet, base, m{"size": "c-4"}, ""},
		"droplet's image":        {typeDroplet, base, m{"image": "ubuntu-24-04"}, "invalid image"},
		"droplet's region":       {typeDroplet, base, m{"region": "london"}, "invalid region"},
		"droplet's name":         {typeDroplet, base, m{"name": "a_b"}, "only valid hostname characters"},
		"droplet's tag":          {typeDroplet, base, m{"tags": []any{"a b"}}, "tags may only contain"},
		"droplet's user data":    {typeDroplet, base, m{"userData": strings.Repeat("x", maxUserData+1)}, "limited to 65536 bytes"},
		"droplet without a VPC":  {typeDroplet, base, m{"vpcUuid": nil}, `missing required property "vpcUuid"`},
		"droplet with IPv6":      {typeDroplet, base, m{"ipv6": true}, "the lab doesn't simulate"},
		"vpc":                    {typeVpc, m{"region": "lon1", "ipRange": "10.10.0.0/24"}, nil, ""},
		"vpc too large":          {typeVpc, m{"region": "lon1", "ipRange": "10.0.0.0/8"}, nil, "may not be larger than /16"},
		"vpc with host bits":     {typeVpc, m{"region": "lon1", "ipRange": "10.10.0.1/24"}, nil, "expected 10.10.0.0/24"},
		"vpc of public range":    {typeVpc, m{"region": "lon1", "ipRange": "8.8.0.0/24"}, nil, "RFC1918"},
		"vpc in the vendor's":    {typeVpc, m{"region": "lon1", "ipRange": "10.244.1.0/24"}, nil, "overlaps with one that DigitalOcean uses"},
		"vpc's name":             {typeVpc, m{"region": "lon1", "name": "a_b"}, nil, "alphanumeric characters, dashes, and periods"},
		"firewall":               {typeFirewall, rule(m{"protocol": "tcp", "portRange": "22", "sourceAddresses": []any{"0.0.0.0/0"}}), nil, ""},
		"firewall without rules": {typeFirewall, m{"name": "w"}, nil, "at least one rule must be specified"},
		"rule without ports":     {typeFirewall, rule(m{"protocol": "tcp", "sourceAddresses": []any{"0.0.0.0/0"}}), nil, "is required if protocol is"},
		"rule's protocol":        {typeFirewall, rule(m{"protocol": "esp", "portRange": "1", "sourceAddresses": []any{"0.0.0.0/0"}}), nil, "expected protocol to be one of"},
		"rule's range":           {typeFirewall, rule(m{"protocol": "tcp", "portRange": "90-80", "sourceAddresses": []any{"0.0.0.0/0"}}), nil, "invalid port range"},
		"rule's address":         {typeFirewall, rule(m{"protocol": "tcp", "portRange": "80", "sourceAddresses": []any{"all"}}), nil, `invalid address "all"`},
		"rule without a source":  {typeFirewall, rule(m{"protocol": "tcp", "portRange": "80"}), nil, "needs at least one of"},
		"icmp with ports":        {typeFirewall, rule(m{"protocol": "icmp", "portRange": "80", "sourceAddresses": []any{"0.0.0.0/0"}}), nil, "ports are invalid for protocol icmp"},
		"rule's load balancer":   {typeFirewall, rule(m{"protocol": "icmp", "sourceLoadBalancerUids": []any{"x"}}), nil, "the lab doesn't simulate"},
		"six tags":               {typeFirewall, rule(m{"protocol": "icmp", "sourceAddresses": []any{"::/0"}}), m{"tags": []any{"a", "b", "c", "d", "e", "f"}}, "at most 5 tags"},
		"tag":                    {typeTag, m{"name": "a.b"}, nil, "tags may only contain"},
		"key":                    {typeSSHKey, m{"publicKey": "x"}, nil, "key invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			in := m{}
			for _, p := range []m{test.base, test.extra} {
				for k, v := range p {
					in[k] = v
				}
			}
			_, failures := engine(t).Check(test.token, "x", in)
			got := strings.Join(failures, "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q; want %q", got, test.want)
			}
		})
	}
}

func TestCreateErrors(t *testing.T) {
	e := engine(t)
	network(e)
	e.Make(typeDroplet, "one", dropletArgs(e, "one"))
	ams, _ := e.Make(typeReserved, "ams", m{"region": "ams3"})
	elsewhere, badKey := dropletArgs(e, "x"), dropletArgs(e, "x")
	elsewhere["region"], badKey["sshKeys"] = "ams3", []any{"12345"}
	wall := m{"name": "w", "tags": []any{"nosuch"}, "inboundRules": []any{m{"protocol": "icmp", "sourceAddresses": []any{"0.0.0.0/0"}}}}
	for name, test := range map[string]struct {
		token string
		in    m
		want  string
	}{
		"same key":        {typeSSHKey, m{"name": "again", "publicKey": cloudtest.SSHKey}, "SSH Key is already in use"},
		"same range":      {typeVpc, m{"region": "lon1", "ipRange": "10.10.0.0/16"}, "overlaps with another VPC network"},
		"firewall's tag":  {typeFirewall, wall, `tag "nosuch" does not exist`},
		"vpc elsewhere":   {typeDroplet, elsewhere, "is in region lon1, not ams3"},
		"no such key":     {typeDroplet, badKey, "invalid key identifiers"},
		"other region":    {typeAssignment, m{"ipAddress": ams, "dropletId": number(e.ID(typeDroplet, "one"))}, "not in the same region"},
		"no such droplet": {typeAssignment, m{"ipAddress": ams, "dropletId": 1}, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := e.Try(test.token, "x", test.in)
			cloudtest.WantError(t, err, test.want)
		})
	}
	e.Refresh(typeDroplet, "one")
	cloudtest.WantError(t, e.Delete(typeVpc, "vpc"), "403 cannot delete Vpc with members")
}

func TestReplacement(t *testing.T) {
	e := engine(t)
	network(e)
	e.Make(typeDroplet, "one", dropletArgs(e, "one", "london"))
	for name, test := range map[string]struct {
		key      string
		value    any
		replaces bool
	}{
		"size": {"size", "s-4vcpu-8gb", false}, "name": {"name", "two", false}, "tags": {"tags", []any{}, false},
		"image": {"image", "debian-12-x64", true}, "user data": {"userData", "x", true}, "region": {"region", "ams3", true},
	} {
		t.Run(name, func(t *testing.T) {
			args := dropletArgs(e, "one", "london")
			args[test.key] = test.value
			d := e.Diff(typeDroplet, "one", args)
			if d.Changes != plugin.DiffSome || (len(d.ReplaceKeys) > 0) != test.replaces || d.DeleteBeforeReplace != test.replaces {
				t.Errorf("changes %v, replaces %v, deletes before %v; want replaces %v", d.Changes, d.ReplaceKeys, d.DeleteBeforeReplace, test.replaces)
			}
		})
	}
}

// A droplet makes the tags that it names. They belong to no resource, until one
// takes them over.
func TestTagsThatADropletMakes(t *testing.T) {
	e := engine(t)
	network(e)
	e.Make(typeDroplet, "one", dropletArgs(e, "one", "implicit"))
	if n := e.Objects(typeTag); n != 2 {
		t.Errorf("%d tags; want 2", n)
	}
	if err := e.Cloud.View(func(s *cloud.State) error {
		if got := s.Get(typeTag, "implicit").Name(); got != "implicit" {
			t.Errorf("the tag is called %q", got)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	e.Make(typeTag, "mine", m{"name": "implicit"})
	_, _, err := e.Try(typeTag, "again", m{"name": "implicit"})
	cloudtest.WantError(t, err, "already exists")
	if err := e.Delete(typeTag, "mine"); err != nil {
		t.Fatal(err)
	}
	if drift, _, _ := e.Refresh(typeDroplet, "one"); drift.Changes != plugin.DiffSome {
		t.Error("a droplet keeps a tag that was deleted")
	}
}
