package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hybrid/lab/faults"
)

// The numbers of faults in a row, in `make test` and in `make e2e-long`.
const (
	shortFaults = 4
	longFaults  = 50
)

// shortSeed makes of the few in `make test` what matters most: the leader's cloud is cut off,
// two others from each other, then in one way only, and the leader's processes are killed.
const shortSeed = 38

// wellIn bounds the time from the last fault to all replicas streaming.
const wellIn = 90 * time.Second

// TestLongPostgresFaults lets random faults happen to the database while clients in all
// clouds write and read. HYBRID_FAULT_SEED repeats a run.
func TestLongPostgresFaults(t *testing.T) {
	l := adopt(t)
	l.steps(t, []part{
		{name: "up", run: postgresUp},
		{name: "2 GB at once", run: bulkInserted},
		{name: "a cloud hangs as its member begins to lead", run: hungLeaders},
		{name: "Patroni hangs", run: hungPatroni},
		{name: "a copy is cut off", run: copyCut},
		{name: "many random faults", run: func(l *lab) { randomFaults(l, seed(l), longFaults) }},
		{name: "many random faults far from each other", run: farFaults},
	})
	// The next test gets a lab of its own: for half an hour members keep the log that pods
	// lack which are gone (Patroni's member_slots_ttl), and what comes back copies all of it.
}

func seed(l *lab) uint64 {
	l.Helper()
	if text := os.Getenv("HYBRID_FAULT_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			l.Fatalf("HYBRID_FAULT_SEED: want a number, found %q", text)
		}
		return n
	}
	return rand.Uint64N(1_000_000)
}

// farFaults puts the clouds as far from each other as they are in life.
func farFaults(l *lab) {
	l.command("link", "far")
	defer l.command("link", "near")
	randomFaults(l, seed(l), longFaults)
}

func fewFaults(l *lab) { randomFaults(l, shortSeed, shortFaults) }

func randomFaults(l *lab, s uint64, n int) {
	fmt.Printf("--- %d faults: HYBRID_FAULT_SEED=%d\n", n, s)
	underClients(l, fmt.Sprintf("seed %d", s), func() error {
		clusters := []string{"america", "frankfurt", "london"}
		return faults.Run(l.ctx, &cloudWorld{l}, faults.Schedule(s, clusters, []string{"frankfurt", "london"}, n), say)
	})
}

// underClients does something while clients in all clouds write and read, and judges what
// they have seen.
func underClients(l *lab, what string, do func() error) {
	l.eventually(wellIn, func() error { return l.follow("", seeds) })
	cluster, pod := l.leader()
	if _, err := l.psql(cluster, pod, "DROP TABLE IF EXISTS faults; CREATE TABLE faults (row bigint PRIMARY KEY); INSERT INTO faults VALUES (-1)"); err != nil {
		l.Fatal(err)
	}
	history := &faults.History{}
	end := l.startClients(history)
	l.eventually(20*time.Second, func() error { return everyClient(history) })
	if err := do(); err != nil {
		l.Errorf("%s: %v", what, err)
	}
	start := time.Now()
	l.eventually(wellIn, func() error { return l.follow("", seeds) })
	fmt.Printf("--- all is well %s after the last fault\n", time.Since(start).Round(100*time.Millisecond))
	end()
	r, err := l.replication()
	if err != nil || r.Leader == nil {
		l.Fatalf("the leader: %+v, %v", r, err)
	}
	verdict := history.Judge(l.rows(r.Leader.Cluster, r.Leader.Pod))
	if err := verdict.Err(); err != nil {
		l.Errorf("%s: %v", what, err)
	}
	for _, x := range r.Replicas {
		// It may have the last rows a moment later.
		l.eventually(30*time.Second, func() error {
			if n := len(history.Judge(l.rows(x.Cluster, x.Pod)).Lost); n > 0 {
				return fmt.Errorf("%s: %s in %s lacks %d acknowledged rows", what, x.Pod, x.Cluster, n)
			}
			return nil
		})
	}
	say("%s", verdict)
}

func say(format string, a ...any) { fmt.Printf("--- "+format+"\n", a...) }

// everyClient is nil when clients of all clouds have written and read.
func everyClient(h *faults.History) error {
	for _, kind := range []string{faults.Acked, faults.Read} {
		var from []string
		for _, e := range h.Events(kind) {
			if e.Target == faults.ByName && !slices.Contains(from, e.Client) {
				from = append(from, e.Client)
			}
		}
		if len(from) < 3 {
			return fmt.Errorf("%s only from %q; %v", kind, from, h.Events(faults.Failed))
		}
	}
	return nil
}

// rows are those that a server has.
func (l *lab) rows(cluster, pod string) map[int64]bool {
	l.Helper()
	out, err := l.psql(cluster, pod, "SELECT row FROM faults")
	if err != nil {
		l.Fatal(err)
	}
	has := map[int64]bool{}
	for _, line := range strings.Fields(out) {
		n, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			l.Fatal(err)
		}
		has[n] = true
	}
	return has
}
