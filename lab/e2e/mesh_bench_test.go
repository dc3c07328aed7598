package e2e

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What a measurement of throughput sends, so that it takes seconds, and how often it
// is repeated: the median counts.
const (
	meshBytes    = 64_000_000
	machineBytes = 2_000_000_000
	benchRuns    = 5
)

// sink is the port at which programs listen that count what they are sent.
const sink = 5001

// listen is such a program. It costs next to nothing: what is measured is the path.
var listen = fmt.Sprintf("socat -b 262144 -t 60 TCP-LISTEN:%d,fork,reuseaddr SYSTEM:'wc -c'", sink)

// shellIn runs a script somewhere: in a pod, or on a machine.
type shellIn func(script string) (string, error)

// BenchmarkMesh compares the mesh, between pods of two clouds, with the same path
// between the machines, without the mesh, and looks at what limits it. It builds the
// stack first:
//
//	go test -run '^$' -bench Mesh -timeout 30m ./e2e
func BenchmarkMesh(b *testing.B) {
	l := adopt(b)
	l.up()
	pods := l.tools(want)
	from, to, neighbor := find(l, pods, "london-2"), find(l, pods, "frankfurt-2"), find(l, pods, "london-1")
	for _, p := range []pod{to, neighbor} {
		if _, err := l.in(p, listen+" >/dev/null 2>&1 &"); err != nil {
			l.Fatal(err)
		}
	}
	inPod := func(script string) (string, error) { return l.in(from, script) }
	onMachine := func(script string) (string, error) { return l.ssh(from.node, script) }

	// Between machines of two clouds only the mesh's ports are open. Weave Net's own
	// connections are there already: a new one, from this machine, goes to the
	// program that measures.
	l.run(to.node, fmt.Sprintf("sudo iptables -t nat -I PREROUTING -s %s -p tcp --dport 6783 -j REDIRECT --to-ports %d", l.node(from.node).EgressAddress, sink))
	l.run(to.node, "sudo systemd-run --quiet --unit=bench "+listen)
	across, inside, machine := end{to.ip, sink}, end{neighbor.ip, sink}, end{l.public(to.node), 6783}

	for b.Loop() {
		path := l.throughput(onMachine, machine, machineBytes)
		packets := l.packets(from.node, to.node)
		before := l.cost(from.node, to.node)
		mesh := l.throughput(inPod, across, meshBytes)
		cost := l.cost(from.node, to.node).since(before)
		within := l.throughput(inPod, inside, meshBytes)
		restore := l.halfMTU(from.node)
		half := l.throughput(inPod, across, meshBytes)
		restore()
		meshDelay, pathDelay := l.delay(inPod, across), l.delay(onMachine, machine)

		sent := float64(benchRuns) * meshBytes / 1e6 // MB
		b.ReportMetric(mesh.rate, "mesh-Mbit/s")
		b.ReportMetric(within.rate, "mesh-in-cluster-Mbit/s")
		b.ReportMetric(path.rate, "machines-Mbit/s")
		b.ReportMetric(mesh.rate/path.rate, "mesh/machines")
		b.ReportMetric(packets, "machines-UDP-Mbit/s")
		b.ReportMetric(mesh.rate/packets, "mesh/machines-UDP")
		b.ReportMetric(mesh.rate/within.rate, "mesh/in-cluster")
		b.ReportMetric(half.rate/mesh.rate, "half-MTU/full-MTU")
		b.ReportMetric(mesh.resent, "mesh-resent/MB")
		b.ReportMetric(path.resent, "machines-resent/MB")
		b.ReportMetric(cost.dropped/sent, "socket-dropped/MB")
		b.ReportMetric(cost.weave/sent*100, "weave-CPU-s/100MB")
		b.ReportMetric(cost.busy/cost.time.Seconds(), "busy-cores")
		b.ReportMetric(float64((meshDelay-pathDelay).Microseconds())/1000, "added-latency-ms")
		b.ReportMetric(float64(meshDelay)/float64(pathDelay), "latency-ratio")
	}
}

// end is where something listens that returns the number of bytes that it is sent.
type end struct {
	address string
	port    int
}

// flow is what was measured: Mbit/s, from the first byte sent to the answer that all
// have come; and TCP segments sent again per MB (10^6 bytes). Both are medians.
type flow struct{ rate, resent float64 }

func (l *lab) throughput(run shellIn, to end, bytes int) flow {
	l.Helper()
	// bash and date of the machines, dash of the pods: both know this much.
	const script = `resent() { awk '/^Tcp: [0-9]/ { print $13 }' /proc/net/snmp; }
r=$(resent); s=$(date +%%s%%N)
n=$(head -c %d /dev/zero | socat -b 262144 -t 120 - TCP:%s:%d)
e=$(date +%%s%%N); echo $((e - s)) $(($(resent) - r)) $n`
	var rates, again []float64
	for range benchRuns {
		out, err := run(fmt.Sprintf(script, bytes, to.address, to.port))
		fields := strings.Fields(out)
		if err != nil || len(fields) != 3 || fields[2] != strconv.Itoa(bytes) {
			l.Fatalf("%d bytes to %s: %q, %v", bytes, to.address, out, err)
		}
		rates = append(rates, float64(bytes)*8/1e6/(number(l, fields[0])/1e9))
		again = append(again, number(l, fields[1])/(float64(bytes)/1e6))
	}
	return flow{median(rates), median(again)}
}

// packets is the throughput in Mbit/s, of machines and without the mesh, of what
// arrives of UDP packets as large as the mesh's. TCP between machines moves many
// packets at a time, which makes it no measure of what a mesh of packets could do.
func (l *lab) packets(from, to string) float64 {
	l.Helper()
	const bytes, size, port = 200_000_000, 1438, 6784 // of the mesh's ports the one that sleeve leaves free
	var rates []float64
	for range benchRuns {
		// Ends when nothing has come for three seconds.
		l.run(to, fmt.Sprintf("sudo systemd-run --quiet --collect --unit=packets sh -c 'socat -b 65536 -T 3 -u UDP-RECV:%d - | wc -c >/run/packets' && until sudo ss -Hlun 'sport = %[1]d' | grep -q .; do sleep 0.1; done", port))
		out := l.run(from, fmt.Sprintf("s=$(date +%%s%%N); head -c %d /dev/zero | socat -b %d -u - UDP-SENDTO:%s:%d; e=$(date +%%s%%N); echo $((e - s))", bytes, size, l.public(to), port))
		var arrived string
		l.eventually(20*time.Second, func() error {
			if arrived = strings.TrimSpace(l.run(to, "sudo cat /run/packets 2>/dev/null; true")); arrived == "" {
				return fmt.Errorf("%s still counts", to)
			}
			return nil
		})
		l.run(to, "sudo rm /run/packets")
		rates = append(rates, number(l, arrived)*8/1e6/(number(l, strings.TrimSpace(out))/1e9))
	}
	return median(rates)
}

// cost is what the mesh has cost so far: CPU seconds of this machine and of the peers
// of two nodes, and packets that had no room in the receiving socket's buffer.
type cost struct {
	at                   time.Time
	time                 time.Duration
	busy, weave, dropped float64
}

func (c cost) since(before cost) cost {
	return cost{c.at, c.at.Sub(before.at), c.busy - before.busy, c.weave - before.weave, c.dropped - before.dropped}
}

func (l *lab) cost(from, to string) cost {
	l.Helper()
	const hertz = 100 // of /proc, on every Linux: USER_HZ
	c := cost{at: time.Now()}
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		l.Fatal(err)
	}
	// user, nice, system, idle, iowait, irq, softirq, steal: proc_stat(5)
	for i, f := range strings.Fields(strings.SplitN(string(text), "\n", 2)[0])[1:8] {
		if i != 3 && i != 4 {
			c.busy += number(l, f) / hertz
		}
	}
	for _, node := range []string{from, to} {
		// utime and stime: proc_pid_stat(5)
		out := l.run(node, `awk '{ print $14 + $15 }' /proc/$(pgrep -x weaver)/stat`)
		c.weave += number(l, strings.TrimSpace(out)) / hertz
	}
	c.dropped = number(l, strings.TrimSpace(l.run(to, `awk '/^Udp: [0-9]/ { print $6 }' /proc/net/snmp`))) // RcvbufErrors
	return c
}

// halfMTU makes the pod on a node send packets of half the size: if the throughput
// is half then, it is packets that cost, and not bytes.
func (l *lab) halfMTU(node string) (restore func()) {
	l.Helper()
	id, err := l.machine(node)
	if err != nil {
		l.Fatal(err)
	}
	set := func(change string) {
		l.Helper()
		script := fmt.Sprintf(`pod=$(pgrep -o -f 'TCP-LISTEN:%d') && mtu=$(nsenter -t $pod -n ip -o link show eth0 | sed 's/.* mtu \([0-9]*\).*/\1/') && nsenter -t $pod -n ip link set eth0 mtu $((mtu %s))`, echo, change)
		if out, err := l.host.Exec(l.ctx, id, "sh", "-c", script); err != nil {
			l.Fatalf("%v: %s", err, out)
		}
	}
	set("/ 2")
	return func() { set("* 2") }
}

// delay is the time that a TCP connection takes to be established: one round trip.
func (l *lab) delay(run shellIn, to end) time.Duration {
	l.Helper()
	// The answer is no HTTP, and curl says so: only the time counts.
	out, err := run(fmt.Sprintf(`for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
curl -s --http0.9 -o /dev/null -m 0.5 -d x -w '%%{time_connect}\n' http://%s:%d/; done; true`, to.address, to.port))
	if err != nil {
		l.Fatal(err)
	}
	var times []float64
	for _, f := range strings.Fields(out) {
		if t, err := strconv.ParseFloat(f, 64); err == nil && t > 0 {
			times = append(times, t)
		}
	}
	if len(times) == 0 {
		l.Fatalf("no connection to %s: %q", to.address, out)
	}
	return time.Duration(median(times) * float64(time.Second))
}

func number(l *lab, text string) float64 {
	l.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		l.Fatal(err)
	}
	return n
}

// median of an even number is halfway between the two in the middle.
func median[T ~int64 | ~float64](x []T) T {
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}
