package vm

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestPolicyMistakesAreAllReported(t *testing.T) {
	err := Policy{
		Addresses: []PublicAddress{
			{Public: addr("192.0.2.1"), Private: addr("10.0.0.11")},
			{Public: addr("198.18.64.11"), Private: addr("10.9.0.11")},
			{Public: addr("198.18.64.11"), Private: addr("10.0.0.11")},
			{},
		},
		Machines: []MachinePolicy{
			{},
			{Addresses: []netip.Addr{addr("10.0.0.11")}, Ingress: []Rule{{Protocol: "sctp"}, {Protocol: "tcp", FromPort: 2, ToPort: 1}}},
			{Addresses: []netip.Addr{addr("10.0.0.11"), addr("fd00::1")}, Egress: []Rule{{Protocol: "udp", ToPort: 65536}, {Protocol: "all", Peers: make([]netip.Prefix, 1)}}},
		},
	}.validate(prefix("10.0.0.0/16"))
	if err == nil {
		t.Fatal("got no error")
	}
	want := []string{
		"public address 192.0.2.1: want one in 198.18.0.0/16",
		"private address 10.9.0.11 of 198.18.64.11: want one in 10.0.0.0/16",
		"public address 198.18.64.11: listed twice",
		"public address invalid IP: want one in 198.18.0.0/16",
		"private address invalid IP of invalid IP: want one in 10.0.0.0/16",
		"a machine's policy: want its addresses, found none",
		`machine [10.0.0.11]: protocol "sctp": want tcp, udp, icmp or all`,
		"machine [10.0.0.11]: ports 2 to 1: want a range within 1 to 65535, or 0 to 0 for all",
		"machine address 10.0.0.11: listed twice",
		"machine address fd00::1: want IPv4",
		"machine [10.0.0.11 fd00::1]: ports 0 to 65536: want a range within 1 to 65535, or 0 to 0 for all",
		"machine [10.0.0.11 fd00::1]: a peer is no valid range of addresses",
	}
	if got := strings.Split(err.Error(), "\n"); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNetworkAddresses(t *testing.T) {
	for cidr, want := range map[string]struct{ router, parked string }{
		"10.0.0.0/16":    {"10.0.0.1", "10.0.255.254"},
		"10.10.7.9/20":   {"10.10.0.1", "10.10.15.254"},
		"192.168.1.0/28": {"192.168.1.1", "192.168.1.14"},
	} {
		n := Network{ID: "n", CIDR: prefix(cidr)}
		if n.router() != addr(want.router) || n.parked() != addr(want.parked) {
			t.Errorf("%s: got %s and %s, want %s and %s", cidr, n.router(), n.parked(), want.router, want.parked)
		}
	}
}

func TestNetworkMistakes(t *testing.T) {
	for want, n := range map[string]Network{
		"":                         {ID: "n", CIDR: prefix("10.0.0.0/16")},
		"want an ID":               {CIDR: prefix("10.0.0.0/16")},
		"want IPv4 from /8 to /28": {ID: "n", CIDR: prefix("10.0.0.0/29")},
		"range fd00::/64":          {ID: "n", CIDR: prefix("fd00::/64")},
		"invalid Prefix":           {ID: "n"},
		"overlaps the lab's internet 198.18.0.0/16": {ID: "n", CIDR: prefix("198.18.64.0/24")},
	} {
		err := n.validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", n, err, want)
		}
	}
}

func TestBoundingSet(t *testing.T) {
	full, err := boundingSet("Name:\tdockerd\nCapEff:\t0\nCapBnd:\t000001ffffffffff\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(full) != len(capabilities)-len(withheld) || slices.Contains(full, "SYS_MODULE") || !slices.Contains(full, "SYS_RESOURCE") {
		t.Errorf("a full set: got %q", full)
	}
	without, err := boundingSet("CapBnd:\t000001fffeffffff\n")
	if err != nil || slices.Contains(without, "SYS_RESOURCE") || !slices.Contains(without, "SYS_ADMIN") {
		t.Errorf("a set without SYS_RESOURCE: got %q, %v", without, err)
	}
	for _, text := range []string{"", "CapBnd: x\n"} {
		if got, err := boundingSet(text); err == nil {
			t.Errorf("%q: got %q", text, got)
		}
	}
}

func TestUUID(t *testing.T) {
	form := regexp.MustCompile("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
	if a, b := uuid(), uuid(); !form.MatchString(a) || a == b {
		t.Errorf("got %s and %s", a, b)
	}
}
