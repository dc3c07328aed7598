package e2e

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hybrid/lab/clouds/digitalocean"
)

// TestLongDroplets hosts the federation on DigitalOcean, whose droplets are called at one
// address and answer from another, with all that is odd there: droplets that are active
// before their networks are known, and reserved addresses that are listed before or
// after the droplets' own. A second cluster is in the same region. `make e2e-long` runs it.
func TestLongDroplets(t *testing.T) {
	t.Setenv(digitalocean.QuirksVariable, digitalocean.LateAddresses+","+digitalocean.ReservedFirst)
	l := open(t)
	nodes := map[string][]string{"london": {"london-1", "london-2"}, "dublin": {"dublin-1", "dublin-2"}, "america": {"america-1", "america-2"}}
	config := l.config(func(settings map[string]any) {
		cluster := func(name, cloud, region, network, services string, workers int) map[string]any {
			return map[string]any{
				"name": name, "cloud": cloud, "region": region, "networkCidr": network, "serviceCidr": services,
				"workers": workers, "federationHost": name == "london",
			}
		}
		settings["hybrid:clusters"] = []any{
			cluster("london", "digitalocean", "lon1", "10.10.0.0/24", "10.96.0.0/16", 1),
			cluster("dublin", "digitalocean", "lon1", "10.20.0.0/24", "10.97.0.0/16", 1),
			cluster("america", "gce", "us-west1", "10.30.0.0/24", "10.98.0.0/16", 1),
		}
		settings["hybrid:postgres"] = map[string]any{"enabled": false}
	})
	droplets := slices.Concat(nodes["london"], nodes["dublin"])

	l.up(config)
	for _, name := range droplets {
		if got := l.resource(name).Outputs["ipv4Address"]; got != "" {
			t.Errorf("%s: the API has told %q: the test is about a droplet without addresses", name, got)
		}
	}
	works(l, nodes)
	fits(l, nodes)
	for _, name := range droplets {
		anchored(l, name)
	}
	before := guestAddresses(l)

	// The next refresh finds the reserved addresses in place of the droplets' own.
	l.must("refresh", "--yes", "--skip-preview", config)
	for _, name := range droplets {
		if got, want := l.resource(name).Outputs["ipv4Address"], l.public(name); got != want {
			t.Errorf("%s: the API has told %q, want the reserved address, %s", name, got, want)
		}
	}
	l.must("preview", "--expect-no-changes", config)
	t.Setenv(digitalocean.QuirksVariable, "")
	l.must("refresh", "--yes", "--skip-preview", config)
	l.must("preview", "--expect-no-changes", config)
	l.up(config)
	if after := guestAddresses(l); after != before {
		t.Errorf("london lets in\n%s\nand before\n%s", after, before)
	}
	works(l, nodes)
}

// works checks that all is joined, and that the stack knows where droplets' connections
// come from.
func works(l *lab, nodes map[string][]string) {
	l.Helper()
	l.eventually(time.Minute, func() error { return l.meshed(nodes) })
	l.allReady(nodes)
	l.eventually(time.Minute, func() error { return l.membersReady("london", "dublin", "america") })
	for _, cluster := range []string{"london", "dublin"} {
		for _, m := range l.machines(cluster) {
			n := l.node(m.Name)
			if n.EgressAddress != m.PublicIP.String() || n.PrivateAddress != m.PrivateIP.String() {
				l.Errorf("%s: the stack has egress address %q and private address %q, the machine %s and %s",
					m.Name, n.EgressAddress, n.PrivateAddress, m.PublicIP, m.PrivateIP)
			}
		}
	}
	pods := l.tools(nodes)
	if err := l.pings(pods); err != nil {
		l.Error(err)
	}
}

// anchored checks that a droplet has an anchor as real ones have: an address of its
// region's range on the public interface, with a route to the whole range.
func anchored(l *lab, name string) {
	l.Helper()
	const anchors = "10.16.0.0/16" // lon1's
	found := l.run(name, "ip -4 -o address show to "+anchors+" dev eth0; ip -4 route show "+anchors)
	if !strings.Contains(found, "inet 10.16.") || !strings.Contains(found, anchors+" ") {
		l.Errorf("%s has no anchor: %s", name, found)
	}
}

// guestAddresses are those that london's firewall for other clusters lets in. None may
// come from nothing.
func guestAddresses(l *lab) string {
	l.Helper()
	var all []string
	for _, rule := range l.resource("london-peers").Outputs["inboundRules"].([]any) {
		for _, a := range rule.(map[string]any)["sourceAddresses"].([]any) {
			if p, err := netip.ParsePrefix(a.(string)); err != nil || p.Bits() != 32 {
				l.Errorf("london-peers lets %q in: %v", a, err)
			}
			all = append(all, fmt.Sprint(a))
		}
	}
	if slices.Sort(all); len(all) == 0 {
		l.Error("london-peers lets no cluster in")
	}
	return strings.Join(all, "\n")
}
