package dockertest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"hybrid/lab/vm"

	"github.com/docker/docker/api/types/container"
)

// links cuts and lengthens what lies between a, in the one network, and d and e, in
// the other.
func (l *Lab) links(t *testing.T, a, d, e vm.Machine) {
	ctx := t.Context()
	// passes says whether a's packets reach d, and d's reach a: a datagram each.
	passes := func(t *testing.T, aToD, dToA bool) {
		t.Helper()
		for _, way := range []struct {
			from, to vm.Machine
			address  string
			want     bool
		}{{a, d, dPublic, aToD}, {d, a, aPublic, dToA}} {
			err := Eventually(patience(way.want), func() error {
				if got := l.send(way.from, way.to, way.address); got != way.want {
					return fmt.Errorf("from %s to %s: passes: %v, want %v", way.from.Name, way.to.Name, got, way.want)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	neighbors := func(t *testing.T) {
		t.Helper()
		err := Eventually(patience(true), func() error {
			got, err := l.call(e, "10.10.0.11", fromNeighbors)
			if got != "10.10.0.12" {
				return fmt.Errorf("within a network: got %q, %v", got, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	// Datagrams may come, for they are not answered.
	open := func(ms ...vm.MachinePolicy) []vm.MachinePolicy {
		for i := range ms {
			ms[i].Ingress = append(ms[i].Ingress, tcp(extra, all...), vm.Rule{Protocol: "udp", FromPort: extra, ToPort: extra, Peers: all})
		}
		return ms
	}
	ofA := policy(translated, []vm.PublicAddress{{Public: addr(aPublic), Private: a.PrivateIP}}, a)
	ofD := policy(direct, []vm.PublicAddress{
		{Public: d.PublicIP, Private: d.PrivateIP, OnNIC: true}, {Public: e.PublicIP, Private: e.PrivateIP, OnNIC: true},
	}, d, e)
	ofA.Machines, ofD.Machines = open(ofA.Machines...), open(ofD.Machines...)
	l.must(l.ApplyPolicy(ctx, translated.ID, ofA))
	l.must(l.ApplyPolicy(ctx, direct.ID, ofD))
	cut := func(w *vm.Link) { w.Cut = true }
	mend := func(w *vm.Link) { w.Cut = false }
	delay := func(d time.Duration) func(*vm.Link) { return func(w *vm.Link) { w.Delay = d } }

	t.Run("open", func(t *testing.T) { passes(t, true, true) })
	t.Run("off", func(t *testing.T) {
		l.must(l.Cut(ctx, direct.ID))
		passes(t, false, false)
		neighbors(t)
		l.must(l.ApplyPolicy(ctx, direct.ID, ofD))
		passes(t, false, false) // a policy mends nothing
		l.must(l.Mend(ctx, direct.ID))
		passes(t, true, true)
	})
	t.Run("cut one way", func(t *testing.T) {
		l.must(l.ChangeWay(ctx, translated.ID, direct.ID, cut))
		passes(t, false, true)
		neighbors(t)
		l.must(l.ChangeWay(ctx, direct.ID, translated.ID, cut))
		passes(t, false, false)
		l.must(l.ChangeWay(ctx, translated.ID, direct.ID, mend))
		passes(t, true, false)
		l.must(l.ChangeWay(ctx, direct.ID, translated.ID, mend))
		passes(t, true, true)
	})
	t.Run("distance", func(t *testing.T) {
		l.must(l.ChangeWay(ctx, translated.ID, direct.ID, delay(40*time.Millisecond)))
		l.wantRoundTrip(a, dPublic, 40*time.Millisecond)
		l.must(l.ChangeWay(ctx, direct.ID, translated.ID, delay(30*time.Millisecond)))
		l.wantRoundTrip(a, dPublic, 70*time.Millisecond)
		l.wantRoundTrip(e, "10.10.0.11", 0) // the same network
		// Translated connections, too, and as much at once as the way is long.
		err := Eventually(patience(true), func() error {
			got, err := l.call(d, aPublic, fromPublic)
			if got != dPublic {
				return fmt.Errorf("over a distance: got %q, %v", got, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		l.stream(a, d, dPublic)
		// Rules that change empty the kernel's queues: the distance is there still.
		_, err = l.Exec(a, "setsid ping -q -i 0.002 "+dPublic+" >/dev/null 2>&1 & echo $! >/tmp/ping")
		l.must(err)
		for range 10 {
			l.must(l.ChangeWay(ctx, translated.ID, direct.ID, cut))
			l.must(l.ChangeWay(ctx, translated.ID, direct.ID, mend))
			l.must(l.ApplyPolicy(ctx, direct.ID, ofD))
		}
		_, err = l.Exec(a, "kill $(cat /tmp/ping)")
		l.must(err)
		l.wantRoundTrip(a, dPublic, 70*time.Millisecond)
		// A cut and a policy leave the distance as it is, and so does the router's restart.
		l.must(l.ChangeWay(ctx, translated.ID, direct.ID, cut))
		passes(t, false, true)
		l.must(l.ChangeWay(ctx, translated.ID, direct.ID, mend))
		l.must(l.ApplyPolicy(ctx, direct.ID, ofD))
		l.wantRoundTrip(a, dPublic, 70*time.Millisecond)
		l.must(l.Docker.ContainerRestart(ctx, "hybrid-lab-router-"+direct.ID, container.StopOptions{}))
		l.must(l.CreateNetwork(ctx, direct)) // waits for the router
		l.wantRoundTrip(a, dPublic, 70*time.Millisecond)
		for id, from := range map[string]string{direct.ID: translated.ID, translated.ID: direct.ID} {
			l.must(l.ChangeWay(ctx, from, id, delay(0)))
			if links, err := l.Links(ctx, id); err != nil || links.Off || len(links.From) > 0 {
				t.Errorf("without distance: got %+v, %v", links, err)
			}
		}
		l.wantRoundTrip(a, dPublic, 0)
	})
}

// extra is a port that these tests open to all, for TCP and UDP.
const extra = 7010

// send sends a datagram and says whether it arrives. What is sent has a second and a half,
// however long it takes to get there.
func (l *Lab) send(from, to vm.Machine, address string) bool {
	l.Helper()
	_, err := l.Exec(to, fmt.Sprintf("rm -f /tmp/datagram; setsid socat -u UDP-RECVFROM:%d OPEN:/tmp/datagram,creat >/dev/null 2>&1 & echo $! >/tmp/receiver; "+
		"until ss -Hlun sport = :%d | grep -q .; do sleep 0.02; done", extra, extra))
	l.must(err)
	_, err = l.Exec(from, fmt.Sprintf("echo hello | socat -u STDIN UDP-SENDTO:%s:%d", address, extra))
	l.must(err)
	out, err := l.Exec(to, "for try in $(seq 75); do if [ -s /tmp/datagram ]; then cat /tmp/datagram; exit; fi; sleep 0.02; done; kill $(cat /tmp/receiver) 2>/dev/null || cat /tmp/datagram")
	l.must(err)
	return out == "hello"
}

// wantRoundTrip measures how long a connection takes to be opened.
func (l *Lab) wantRoundTrip(from vm.Machine, to string, want time.Duration) {
	l.Helper()
	const tolerance = 15 * time.Millisecond
	var got time.Duration
	err := Eventually(patience(true), func() error {
		out, err := l.Exec(from, fmt.Sprintf("curl -s -o /dev/null -m 3 -w '%%{time_connect}' telnet://%s:%d </dev/null || true", to, fromAll))
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		seconds, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
		if err != nil {
			return err
		}
		got = time.Duration(seconds * float64(time.Second))
		if got < want || got > want+tolerance {
			return fmt.Errorf("from %s to %s: a round trip takes %s, want %s to %s", from.Name, to, got, want, want+tolerance)
		}
		return nil
	})
	if err != nil {
		l.Error(err)
	}
}

// stream sends 20 MB, which a way that loses packets wouldn't carry in time.
func (l *Lab) stream(from, to vm.Machine, address string) {
	l.Helper()
	const size = 20_000_000
	_, err := l.Exec(to, fmt.Sprintf("rm -f /tmp/stream; setsid timeout 20 socat -u TCP-LISTEN:%d,reuseaddr OPEN:/tmp/stream,creat >/dev/null 2>&1 & "+
		"until ss -Hltn sport = :%d | grep -q .; do sleep 0.02; done", extra, extra))
	l.must(err)
	start := time.Now()
	out, err := l.Exec(from, fmt.Sprintf("head -c %d /dev/zero | timeout 15 socat -u STDIN TCP:%s:%d", size, address, extra))
	if err != nil {
		l.Errorf("20 MB over a distance: %v: %s", err, out)
	}
	l.must(Eventually(5*time.Second, func() error {
		out, err := l.Exec(to, "stat -c %s /tmp/stream")
		if err == nil && out != strconv.Itoa(size) {
			err = fmt.Errorf("arrived: %s bytes, want %d", out, size)
		}
		return err
	}))
	l.Logf("20 MB over 70 ms took %s", time.Since(start).Round(10*time.Millisecond))
}
