package digitalocean

import (
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/clouds/cloud/cloudtest"
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
	if want := netip.MustParsePrefix("10.16.0.5/16"); machine.Anchor != want {
		t.Errorf("its anchor is %v; want %v", machine.Anchor, want)
	}
	if !strings.Contains(machine.VendorData, `"disable_root": false`) || !strings.Contains(machine.MetaData, strings.TrimSpace(cloudtest.SSHKey)) {
		t.Errorf("root can't log in: %s %s", machine.VendorData, machine.MetaData)
	}
	p := e.Host.Policy(e.ID(typeVpc, "vpc"))
	want := []vm.PublicAddress{{Public: machine.PublicIP, Private: machine.PrivateIP, OnNIC: true}, {Private: machine.PrivateIP}}
	if len(p.Addresses) != 2 || p.Addresses[0] != want[0] || p.Addresses[1].Public.String() != reserved || p.Addresses[1].OnNIC || p.Addresses[1].Anchor != machine.Anchor.Addr() {
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

// The vendor's API, and its provider, tell a droplet's addresses late, and a reserved
// one in place of its own.
func TestQuirks(t *testing.T) {
	t.Setenv(QuirksVariable, LateAddresses+","+ReservedFirst)
	e := engine(t)
	network(e)
	_, out := e.Make(typeDroplet, "one", dropletArgs(e, "one"))
	if got := provider.Str(out, "ipv4Address") + provider.Str(out, "ipv4AddressPrivate"); got != "" {
		t.Errorf("a new droplet has %q already", got)
	}
	own := e.Host.Machines()["one"].PublicIP.String()
	seen := func() string {
		t.Helper()
		_, all, gone := e.Refresh(typeDroplet, "one")
		if gone || provider.Str(all, "ipv4AddressPrivate") != "10.10.0.2" {
			t.Errorf("found %v, gone %v", all, gone)
		}
		return provider.Str(all, "ipv4Address")
	}
	if got := seen(); got != own {
		t.Errorf("found %s, want its own, %s", got, own)
	}
	reserved := assign(e, "one")
	if got := seen(); got != reserved {
		t.Errorf("found %s, want the reserved one, %s", got, reserved)
	}
	t.Setenv(QuirksVariable, "")
	if got := seen(); got != own {
		t.Errorf("listed last: found %s, want its own, %s", got, own)
	}
	t.Setenv(QuirksVariable, "reserved-last")
	_, _, err := e.Try(typeDroplet, "two", dropletArgs(e, "two"))
	cloudtest.WantError(t, err, `expected some of late-addresses, reserved-first, stock-image`)
	t.Setenv(QuirksVariable, StockImage)
	e.Make(typeDroplet, "two", dropletArgs(e, "two"))
	if got := e.Host.Machines(); !got["two"].Stock || got["one"].Stock {
		t.Errorf("of the machines %v two boots a stock image, and one doesn't", got)
	}
}

// The program's settings are checked against the same ranges.
func TestAnchors(t *testing.T) {
	source, err := os.ReadFile("../../../clouds/digitalocean_anchors.go")
	if err != nil {
		t.Fatal(err)
	}
	program := map[string]netip.Prefix{}
	for _, found := range regexp.MustCompile(`"([a-z0-9]+)": +netip\.MustParsePrefix\("(.*)"\)`).FindAllStringSubmatch(string(source), -1) {
		program[found[1]] = netip.MustParsePrefix(found[2])
	}
	if !maps.Equal(anchors, program) {
		t.Errorf("the lab has %v; the program has %v", anchors, program)
	}
	for region := range anchors {
		if !slices.Contains(regions, region) {
			t.Errorf("there is no region %s", region)
		}
	}
	e := engine(t)
	network(e)
	e.Make(typeVpc, "nyc", m{"region": "nyc1", "ipRange": "10.10.16.0/24"})
	args := dropletArgs(e, "one")
	args["region"], args["vpcUuid"] = "nyc1", e.ID(typeVpc, "nyc")
	_, _, err = e.Try(typeDroplet, "one", args)
	cloudtest.WantError(t, err, "overlaps the anchor addresses of nyc1")
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
