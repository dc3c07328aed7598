package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// benchBytes is what a measurement of throughput sends, and benchRuns how often it
// is repeated: the median counts.
const (
	benchBytes = 64_000_000
	benchRuns  = 5
)

// shellIn runs a script somewhere: in a pod, or on a machine.
type shellIn func(script string) (string, error)

// BenchmarkMesh compares the mesh, between pods of two clouds, with the same path
// between the machines, without the mesh. It builds the stack first:
//
//	go test -run '^$' -bench Mesh -timeout 30m ./e2e
func BenchmarkMesh(b *testing.B) {
	l := adopt(b)
	l.up()
	pods := l.tools(want)
	from, to := find(l, pods, "london-2"), find(l, pods, "frankfurt-2")
	neighbor := find(l, pods, "london-1")
	inPod := func(script string) (string, error) { return l.in(from, script) }
	onMachine := func(script string) (string, error) { return l.ssh(from.node, script) }

	// Between machines of two clouds only the mesh's ports are open. Weave Net's own
	// connections are there already: a new one, from this machine, goes to the
	// program that measures.
	l.run(to.node, fmt.Sprintf("sudo sh -c 'iptables -t nat -I PREROUTING -s %s -p tcp --dport 6783 -j REDIRECT --to-ports %d'", l.node(from.node).EgressAddress, echo+1))
	l.run(to.node, fmt.Sprintf("sudo systemd-run --quiet --unit=bench socat -t 60 TCP-LISTEN:%d,fork,reuseaddr SYSTEM:sha256sum", echo+1))
	pod, machine := end{to.ip, echo}, end{l.public(to.node), 6783}

	for b.Loop() {
		mesh, meshResent := l.throughput(inPod, pod)
		path, pathResent := l.throughput(onMachine, machine)
		inside, _ := l.throughput(inPod, end{neighbor.ip, echo})
		meshDelay, pathDelay := l.delay(inPod, pod), l.delay(onMachine, machine)
		b.ReportMetric(mesh, "mesh-Mbit/s")
		b.ReportMetric(inside, "mesh-in-cluster-Mbit/s")
		b.ReportMetric(path, "machines-Mbit/s")
		b.ReportMetric(mesh/path, "throughput-ratio")
		b.ReportMetric(meshResent, "mesh-resent/MB")
		b.ReportMetric(pathResent, "machines-resent/MB")
		b.ReportMetric(float64((meshDelay-pathDelay).Microseconds())/1000, "added-latency-ms")
		b.ReportMetric(float64(meshDelay)/float64(pathDelay), "latency-ratio")
	}
}

// end is where something listens that returns a hash of what it is sent.
type end struct {
	address string
	port    int
}

// throughput is in Mbit/s, from the first byte sent to the answer that all have
// come; resent are TCP segments per MB (10^6 bytes).
func (l *lab) throughput(run shellIn, to end) (rate, resent float64) {
	l.Helper()
	// bash and date of the machines, dash of the pods: both know this much.
	const script = `resent() { awk '/^Tcp: [0-9]/ { print $13 }' /proc/net/snmp; }
r=$(resent); s=$(date +%%s%%N)
h=$(head -c %d /dev/zero | socat -t 120 - TCP:%s:%d)
e=$(date +%%s%%N); echo $((e - s)) $(($(resent) - r)) ${#h}`
	var rates, lost []float64
	for range benchRuns {
		out, err := run(fmt.Sprintf(script, benchBytes, to.address, to.port))
		fields := strings.Fields(out)
		if err != nil || len(fields) != 3 || fields[2] == "0" {
			l.Fatalf("to %s: %q, %v", to.address, out, err)
		}
		took, _ := strconv.ParseFloat(fields[0], 64)
		segments, _ := strconv.ParseFloat(fields[1], 64)
		rates = append(rates, benchBytes*8/1e6/(took/1e9))
		lost = append(lost, segments/(benchBytes/1e6))
	}
	return median(rates), median(lost)
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

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}
