package dockertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hybrid/lab/system/paths"
	"hybrid/lab/vm"
	"hybrid/lab/zones"
)

const nameServer = "hybrid-lab-nameserver"

// soon is how long a change of a zone may take to be seen, also on a busy machine.
const soon = 5 * time.Second

// serve makes the lab's zones these.
func (l *Lab) serve(addresses ...string) {
	l.Helper()
	zone := zones.Zone{Domain: "cluster.world.", NameServers: []string{"ns-cloud-a1.googledomains.com."}}
	if len(addresses) > 0 {
		zone.Records = []zones.Record{{Name: "london.cluster.world.", Type: "A", TTL: 60, Data: addresses}}
	}
	l.must(zones.Write(filepath.Join(os.Getenv("HYBRID_LAB_STATE"), paths.Clouds, zones.Folder), []zones.Zone{zone}))
}

// resolves checks, as the workstation, what a name means: nothing, or addresses.
func (l *Lab) resolves(within time.Duration, name string, want ...string) {
	l.Helper()
	l.must(Eventually(within, func() error {
		ctx, cancel := context.WithTimeout(l.Context(), soon)
		defer cancel()
		got, err := vm.Resolver().LookupHost(ctx, name)
		var answer *net.DNSError
		if err != nil && !(errors.As(err, &answer) && answer.IsNotFound) {
			return err
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("%s: got %q, want %q", name, got, want)
		}
		return nil
	}))
}

func TestNames(t *testing.T) {
	l := Open(t)
	l.must(l.CreateNetwork(t.Context(), translated))
	public := addr("198.18.64.11")
	l.must(l.ApplyPolicy(t.Context(), translated.ID, vm.Policy{
		Addresses: []vm.PublicAddress{{Public: public, Private: addr("10.20.0.11")}},
		Machines:  []vm.MachinePolicy{{Addresses: []netip.Addr{addr("10.20.0.11")}, Egress: []vm.Rule{{Protocol: "all", Peers: all}}}},
	}))
	machine := l.Machine(vm.Machine{Name: "one", Cloud: "aws", NetworkID: translated.ID, PrivateIP: addr("10.20.0.11")}, "#cloud-config\n{}\n")

	t.Run("names come, change and go", func(t *testing.T) {
		l.resolves(0, "london.cluster.world.")
		l.serve("198.18.48.1")
		l.resolves(soon, "london.cluster.world.", "198.18.48.1")
		l.serve("198.18.48.2", "198.18.48.3")
		l.resolves(soon, "london.cluster.world.", "198.18.48.2", "198.18.48.3")
		l.resolves(0, "nowhere.cluster.world.")
		l.resolves(0, "example.org.")
		l.serve()
		l.resolves(soon, "london.cluster.world.")
	})
	t.Run("by TCP", func(t *testing.T) {
		l.serve("198.18.48.1")
		l.resolves(soon, "london.cluster.world.", "198.18.48.1")
		tcp := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(vm.NameServer.String(), "53"))
		}}
		if got, err := tcp.LookupHost(t.Context(), "london.cluster.world."); err != nil || !slices.Equal(got, []string{"198.18.48.1"}) {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("from a machine", func(t *testing.T) {
		if out, err := l.Exec(machine, "getent ahostsv4 london.cluster.world"); err != nil || !strings.HasPrefix(out, "198.18.48.1 ") {
			t.Errorf("got %q, %v", out, err)
		}
		// No answer at all would take two seconds, at least.
		l.must(Eventually(patience(true), func() error {
			start := time.Now()
			if out, err := l.Exec(machine, "getent ahostsv4 www.example.org"); err == nil || time.Since(start) > time.Second {
				return fmt.Errorf("a name that there isn't: got %q after %s", out, time.Since(start))
			}
			return nil
		}))
	})
	t.Run("killed", func(t *testing.T) {
		c, err := l.Docker.ContainerInspect(t.Context(), nameServer)
		l.must(err)
		l.must(syscall.Kill(c.State.Pid, syscall.SIGKILL)) // as the kernel does when memory is short
		l.resolves(10*time.Second, "london.cluster.world.", "198.18.48.1")
	})
	t.Run("switched off", func(t *testing.T) {
		l.must(l.Docker.ContainerKill(t.Context(), nameServer, "KILL"))
		start := time.Now()
		if out, err := l.Exec(machine, "getent ahostsv4 london.cluster.world"); err == nil || time.Since(start) > 10*time.Second {
			t.Errorf("without a name server: got %q after %s", out, time.Since(start))
		}
		_, err := l.Resume(t.Context())
		l.must(err)
		l.resolves(0, "london.cluster.world.", "198.18.48.1")
	})
	t.Run("the state's folder is another one", func(t *testing.T) {
		l.must(os.RemoveAll(filepath.Join(os.Getenv("HYBRID_LAB_STATE"), paths.Clouds)))
		_, err := l.Resume(t.Context())
		l.must(err)
		l.resolves(soon, "london.cluster.world.")
		l.serve("198.18.48.4")
		l.resolves(soon, "london.cluster.world.", "198.18.48.4")
	})
}
