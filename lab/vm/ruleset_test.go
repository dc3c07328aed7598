package vm

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	addr   = netip.MustParseAddr
	prefix = netip.MustParsePrefix
)

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, prefix(text))
	}
	return out
}

// policies are rendered to testdata/<name>.nft and testdata/<name>.addresses.
var policies = map[string]Policy{
	"empty": {},
	"translated": {
		Addresses: []PublicAddress{
			{Public: addr("198.18.64.11"), Private: addr("10.0.0.11")},
			{Public: addr("198.18.64.12"), Private: addr("10.0.0.12")},
			{Public: addr("198.18.64.13"), Private: addr("10.0.0.11")}, // a second one: reached, never used
		},
		Machines: []MachinePolicy{
			{
				Addresses: []netip.Addr{addr("10.0.0.11")},
				Ingress: []Rule{
					{Protocol: "tcp", FromPort: 22, ToPort: 22, Peers: prefixes("0.0.0.0/0", "10.0.0.0/8")},
					{Protocol: "udp", FromPort: 6783, ToPort: 6784, Peers: prefixes("198.18.32.11/32", "198.18.32.0/24", "198.18.96.11/32")},
					{Protocol: "tcp", FromPort: 80, ToPort: 80},                                // no source
					{Protocol: "tcp", FromPort: 81, ToPort: 81, Peers: prefixes("::/0")},       // no source in IPv4
					{Protocol: "icmp", FromPort: 8, ToPort: 8, Peers: prefixes("10.0.0.0/16")}, // no ports
				},
				Egress: []Rule{{Protocol: "all", Peers: prefixes("0.0.0.0/0")}},
			},
			{Addresses: []netip.Addr{addr("10.0.0.12")}, Egress: []Rule{{Protocol: "tcp", Peers: prefixes("10.0.0.0/16")}}},
		},
	},
	"direct": {
		Addresses: []PublicAddress{
			{Public: addr("198.18.32.11"), Private: addr("10.0.0.11"), OnNIC: true},
			{Public: addr("198.18.48.1"), Private: addr("10.0.0.11")},
		},
		Machines: []MachinePolicy{{
			Addresses: []netip.Addr{addr("10.0.0.11"), addr("198.18.32.11")},
			Ingress:   []Rule{{Protocol: "tcp", FromPort: 1, ToPort: 65535, Peers: prefixes("198.18.0.1/32")}},
		}},
	},
	"anchored": {
		Addresses: []PublicAddress{
			{Public: addr("198.18.32.11"), Private: addr("10.0.0.11"), OnNIC: true},
			{Public: addr("198.18.48.1"), Private: addr("10.0.0.11"), Anchor: addr("10.16.0.5")},
		},
		Machines: []MachinePolicy{{
			Addresses: []netip.Addr{addr("10.0.0.11"), addr("198.18.32.11")},
			Ingress:   []Rule{{Protocol: "tcp", FromPort: 22, ToPort: 22, Peers: prefixes("198.18.0.1/32")}},
		}},
	},
}

func TestRender(t *testing.T) {
	n := Network{ID: "subnet-1", Cloud: "aws", Name: "frankfurt", CIDR: prefix("10.0.0.0/16")}
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			if err := policy.validate(n.CIDR); err != nil {
				t.Fatal(err)
			}
			got := render(n, policy)
			golden(t, name+".nft", got.ruleset)
			golden(t, name+".addresses", got.addresses)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s\n(`go test -update` writes it)", path, got, want)
	}
}
