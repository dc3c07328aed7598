package dockertest

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hybrid/lab/vm"

	"github.com/docker/docker/api/types/container"
)

// The two clouds of the test: one translates addresses, the other doesn't.
var (
	translated = vm.Network{ID: "subnet-a", Cloud: "aws", Name: "a", CIDR: prefix("10.20.0.0/16")}
	direct     = vm.Network{ID: "subnet-d", Cloud: "digitalocean", Name: "d", CIDR: prefix("10.10.0.0/20"), MTU: 1460}
)

const (
	aPublic  = "198.18.64.11"
	bPublic  = "198.18.64.12"
	dPublic  = "198.18.32.11"
	ePublic  = "198.18.32.12"
	reserved = "198.18.48.11" // of d
	dAnchor  = "10.16.0.5"
	eAnchor  = "10.16.0.6"
)

// Every machine answers on these ports with the caller's address as it sees it.
const (
	fromNeighbors = 7001 + iota // open for the network's own range
	fromNobody                  // open for no source
	fromPublic                  // open for the lab's public addresses
	fromAll                     // open for all, but not in b's egress
)

func tcp(port int, peers ...netip.Prefix) vm.Rule {
	return vm.Rule{Protocol: "tcp", FromPort: port, ToPort: port, Peers: peers}
}

func policy(n vm.Network, addresses []vm.PublicAddress, machines ...vm.Machine) vm.Policy {
	p := vm.Policy{Addresses: addresses}
	for _, m := range machines {
		mp := vm.MachinePolicy{
			Addresses: []netip.Addr{m.PrivateIP},
			Ingress: []vm.Rule{
				tcp(22, all...), tcp(fromNeighbors, n.CIDR), tcp(fromPublic, prefix("198.18.32.0/19"), prefix("198.18.64.0/19")),
				tcp(fromAll, all...), {Protocol: "icmp", Peers: []netip.Prefix{n.CIDR}},
			},
			Egress: []vm.Rule{{Protocol: "all", Peers: all}},
		}
		if m.PublicIP.IsValid() {
			mp.Addresses = append(mp.Addresses, m.PublicIP)
		}
		if m.Name == "b" {
			mp.Egress = []vm.Rule{{Protocol: "tcp", FromPort: fromNeighbors, ToPort: fromPublic, Peers: all}, {Protocol: "icmp", Peers: all}}
		}
		p.Machines = append(p.Machines, mp)
	}
	return p
}

func TestNetworks(t *testing.T) {
	l := Open(t)
	ctx := t.Context()
	for _, n := range []vm.Network{translated, direct} {
		l.must(l.CreateNetwork(ctx, n))
	}
	l.Mark("networks")
	a := l.Machine(vm.Machine{Name: "a", Cloud: "aws", NetworkID: translated.ID, PrivateIP: addr("10.20.0.11")}, "")
	b := l.Machine(vm.Machine{Name: "b", Cloud: "aws", NetworkID: translated.ID, PrivateIP: addr("10.20.0.12")}, "")
	c := l.Machine(vm.Machine{Name: "c", Cloud: "aws", NetworkID: translated.ID, PrivateIP: addr("10.20.7.13")}, "")
	d := l.Machine(vm.Machine{Name: "d", Cloud: "digitalocean", NetworkID: direct.ID, PrivateIP: addr("10.10.0.11"), PublicIP: addr(dPublic), Anchor: prefix(dAnchor + "/16")}, "")
	e := l.Machine(vm.Machine{Name: "e", Cloud: "digitalocean", NetworkID: direct.ID, PrivateIP: addr("10.10.0.12"), PublicIP: addr(ePublic), Anchor: prefix(eAnchor + "/16")}, "")
	x := l.Machine(vm.Machine{Name: "x", Cloud: "aws", NetworkID: translated.ID, PrivateIP: addr("10.20.0.99")}, "") // has no policy
	l.Mark("machines")
	l.must(l.ApplyPolicy(ctx, translated.ID, policy(translated, []vm.PublicAddress{
		{Public: addr(aPublic), Private: a.PrivateIP}, {Public: addr(bPublic), Private: b.PrivateIP},
	}, a, b, c)))
	l.must(l.ApplyPolicy(ctx, direct.ID, policy(direct, []vm.PublicAddress{
		{Public: d.PublicIP, Private: d.PrivateIP, OnNIC: true}, {Public: e.PublicIP, Private: e.PrivateIP, OnNIC: true},
		{Public: addr(reserved), Private: d.PrivateIP, Anchor: addr(dAnchor)},
	}, d, e)))
	l.Mark("policies")
	for _, m := range []vm.Machine{a, b, c, d, e, x} {
		l.Booted(m)
		l.listen(m)
	}
	l.Mark("booted and listening")

	checks := func(t *testing.T) {
		for _, test := range []struct {
			what string
			from vm.Machine
			to   string
			port int
			want string // the source that the destination sees; empty: no connection
		}{
			{"neighbor", a, "10.20.0.12", fromNeighbors, "10.20.0.11"},
			{"neighbor, closed port", a, "10.20.0.12", fromNobody, ""},
			{"neighbor, closed to private addresses", a, "10.20.0.12", fromPublic, ""},
			{"neighbor, egress closed", b, "10.20.0.11", fromAll, ""},
			{"neighbor by public address", b, aPublic, fromPublic, bPublic},
			{"neighbor by public address, closed to public ones", b, aPublic, fromNeighbors, ""},
			{"oneself by public address", a, aPublic, fromPublic, aPublic},
			{"private only, to its neighbor", c, "10.20.0.11", fromNeighbors, "10.20.7.13"},
			{"private only, to its neighbor by public address", c, aPublic, fromAll, ""},
			{"private only, to the other cloud", c, dPublic, fromAll, ""},
			{"no policy, out", x, "10.20.0.11", fromAll, ""},
			{"no policy, in", a, "10.20.0.99", fromAll, ""},
			{"to the droplet's own address", a, dPublic, fromPublic, aPublic},
			{"to the reserved address", a, reserved, fromPublic, aPublic},
			{"to the other cloud, closed port", a, dPublic, fromNobody, ""},
			{"to the other cloud, egress closed", b, dPublic, fromAll, ""},
			{"to the other cloud's private address", a, "10.10.0.11", fromAll, ""},
			{"droplet goes out by its own address", d, aPublic, fromPublic, dPublic},
			{"droplets, private", e, "10.10.0.11", fromNeighbors, "10.10.0.12"},
			{"droplets, private, closed port", e, "10.10.0.11", fromNobody, ""},
			{"droplets, public", e, dPublic, fromPublic, ePublic},
			{"droplets, public, closed port", e, dPublic, fromNeighbors, ""},
			{"droplets, reserved", e, reserved, fromPublic, ePublic},
			{"droplet to its own reserved address", d, reserved, fromPublic, reserved},
			{"droplets, by anchor", e, dAnchor, fromAll, ""},
			{"droplets, by an anchor without a reserved address", d, eAnchor, fromAll, ""},
			{"droplet to its own address", d, dPublic, fromNobody, dPublic},
		} {
			err := Eventually(patience(test.want != ""), func() error {
				got, err := l.call(test.from, test.to, test.port)
				if got != test.want {
					return fmt.Errorf("%s (%s to %s:%d): got %q (%v), want %q", test.what, test.from.Name, test.to, test.port, got, err, test.want)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	t.Run("policy", checks)
	t.Run("workstation", func(t *testing.T) {
		for _, test := range []struct {
			to   string
			port int
			open bool
		}{
			{aPublic, fromAll, true}, {aPublic, fromPublic, false}, {dPublic, fromAll, true},
			{reserved, fromAll, true}, {dPublic, fromNobody, false}, {"198.18.64.200", fromAll, false},
		} {
			if err := Eventually(patience(test.open), func() error { return reaches(test.to, test.port, test.open) }); err != nil {
				t.Error(err)
			}
		}
		for _, login := range []struct{ user, at string }{{"ubuntu", aPublic}, {"root", dPublic}, {"root", reserved}} {
			if out, err := l.SSH(login.user, addr(login.at), "sudo id -un"); err != nil || out != "root" {
				t.Errorf("ssh %s@%s: got %q, %v, want root", login.user, login.at, out, err)
			}
		}
	})
	t.Run("neighbors see each other through the router", func(t *testing.T) {
		out, err := l.Exec(a, "ping -c 2 -i 0.2 10.20.0.12")
		if err != nil || !strings.Contains(out, "ttl=63") || strings.Contains(strings.ToLower(out), "redirect") {
			t.Errorf("ping: %v: want replies with ttl=63 and no redirect:\n%s", err, out)
		}
	})
	t.Run("anchors", func(t *testing.T) {
		out, err := l.Exec(d, "ip -4 -o address show dev eth0; ip route get 10.16.200.200")
		for _, want := range []string{"inet " + dAnchor + "/16", "10.16.200.200 via 10.10.0.1 dev eth0 src " + dAnchor} {
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("found %v, %s, want %s", err, out, want)
			}
		}
	})
	t.Run("packets have the size of the network", func(t *testing.T) {
		for m, want := range map[vm.Machine]string{a: "1500", d: "1460"} {
			if out, err := l.Exec(m, "cat /sys/class/net/eth0/mtu"); err != nil || out != want {
				t.Errorf("%s: found %q, %v, want %s", m.Name, out, err, want)
			}
		}
		for size, passes := range map[string]bool{"1432": true, "1433": false} { // and 28 bytes of headers
			err := Eventually(patience(passes), func() error {
				if out, err := l.Exec(e, "ping -c 1 -W 2 -M do -s "+size+" 10.10.0.11"); (err == nil) != passes {
					return fmt.Errorf("ping with %s bytes: got %v, want passing %v:\n%s", size, err, passes, out)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("machines differ", func(t *testing.T) {
		first, err := l.Exec(a, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub")
		l.must(err)
		for _, line := range strings.Split(first, "\n") {
			if out, err := l.Exec(b, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"); err != nil || strings.Contains(out, line) {
				t.Errorf("machines a and b share %q (%v)", line, err)
			}
		}
	})
	t.Run("restart", func(t *testing.T) {
		for _, m := range []vm.Machine{a, d} {
			const look = "cat /etc/machine-id /etc/resolv.conf; ip -4 -o address show dev eth0 | sed 's/^[0-9]*//'; ip route"
			before, err := l.Exec(m, look)
			l.must(err)
			l.must(l.Docker.ContainerKill(ctx, "hybrid-lab-"+m.Name, "KILL"))
			if s, err := l.Host.Machine(ctx, m.ID); err != nil || s.Running || s.Machine != m {
				t.Errorf("a killed machine: got %+v, %v, want it, not running", s, err)
			}
			l.must(l.StartMachine(ctx, m.ID))
			if s, err := l.Host.Machine(ctx, m.ID); err != nil || !s.Running {
				t.Errorf("a started machine: got %+v, %v, want it running", s, err)
			}
			if after, err := l.Exec(m, look); err != nil || after != before {
				t.Errorf("%s after the restart: got %v\n%s\nwant\n%s", m.Name, err, after, before)
			}
			l.listen(m)
		}
		for _, n := range []vm.Network{translated, direct} {
			l.must(l.Docker.ContainerRestart(ctx, "hybrid-lab-router-"+n.ID, container.StopOptions{}))
			l.must(l.CreateNetwork(ctx, n)) // waits for the router
		}
		checks(t)
	})
	t.Run("links", func(t *testing.T) { l.links(t, a, d, e) })
	t.Run("a reserved address that moves takes its connections along", func(t *testing.T) {
		l.must(l.ApplyPolicy(ctx, direct.ID, policy(direct, []vm.PublicAddress{
			{Public: d.PublicIP, Private: d.PrivateIP, OnNIC: true}, {Public: e.PublicIP, Private: e.PrivateIP, OnNIC: true},
			{Public: addr(reserved), Private: e.PrivateIP, Anchor: addr(eAnchor)},
		}, d, e)))
		out, err := l.SSH("root", addr(reserved), "hostname")
		if err != nil || out != "e" {
			t.Errorf("got %q, %v, want e", out, err)
		}
	})
	t.Run("no policy at all", func(t *testing.T) {
		l.must(l.ApplyPolicy(ctx, translated.ID, vm.Policy{}))
		if got, err := l.call(a, "10.20.0.12", fromNeighbors); err == nil {
			t.Errorf("got %q", got)
		}
	})
}

// listen makes a machine answer on the test's ports.
func (l *Lab) listen(m vm.Machine) {
	l.Helper()
	for port := fromNeighbors; port <= fromAll; port++ {
		_, err := l.Exec(m, fmt.Sprintf(`setsid socat TCP-LISTEN:%d,fork,reuseaddr SYSTEM:'echo $SOCAT_PEERADDR' >/dev/null 2>&1 & `+
			`until socat -u OPEN:/dev/null TCP:127.0.0.1:%d 2>/dev/null; do sleep 0.05; done`, port, port))
		l.must(err)
	}
}

// patience is how long to try again. What is open may answer late, while the machine is busy;
// what is closed is tried once, for it could open late, too.
func patience(open bool) time.Duration {
	if open {
		return 10 * time.Second
	}
	return 0
}

// reaches wants a port to be open for the workstation, or closed.
func reaches(address string, port int, open bool) error {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, fmt.Sprint(port)), 2*time.Second)
	if (err == nil) != open {
		err = fmt.Errorf("%s:%d: got %v, want open %v", address, port, err, open)
	} else {
		err = nil
	}
	if conn != nil {
		conn.Close()
	}
	return err
}

// call connects and returns the address that the other end sees.
func (l *Lab) call(from vm.Machine, to string, port int) (string, error) {
	return l.Exec(from, fmt.Sprintf("socat -T1 -u TCP:%s:%d,connect-timeout=1 STDOUT 2>/dev/null", to, port))
}
