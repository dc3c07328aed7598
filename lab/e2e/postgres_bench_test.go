package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkPostgres says what it costs that confirmed writes survive the loss of a
// cluster. It builds the stack first:
//
//	go test -run '^$' -bench Postgres -timeout 30m ./e2e
func BenchmarkPostgres(b *testing.B) {
	l := adopt(b)
	l.up()
	cluster, leader := l.leader()
	run := func(script string) string {
		l.Helper()
		out, err := l.in(pod{cluster: cluster, node: "the leader", name: leader}, script)
		if err != nil {
			l.Fatal(err)
		}
		return out
	}
	run("pgbench -q -i -s 5 -U postgres postgres 2>/dev/null")
	for b.Loop() {
		l.durable(run, "false", "")
		none := l.rate(run)
		l.durable(run, "quorum", "ANY ")
		cloud := l.rate(run)
		b.ReportMetric(none, "none-tps")
		b.ReportMetric(cloud, "cloud-tps")
		b.ReportMetric(cloud/none, "cloud-ratio")
	}
}

// durable gives Patroni a synchronous_mode, and waits until PostgreSQL has what it
// makes of that.
func (l *lab) durable(run func(string) string, mode, names string) {
	l.Helper()
	run("patronictl edit-config psql --force --quiet -s synchronous_mode=" + mode)
	l.eventually(30*time.Second, func() error {
		got := strings.TrimSpace(run("psql -A -t -U postgres -c 'SHOW synchronous_standby_names'"))
		if names == "" && got != "" || !strings.HasPrefix(got, names) {
			return fmt.Errorf("synchronous_standby_names is %q, want %q", got, names)
		}
		return nil
	})
}

// rate is how many transactions four clients get done in a second: the median of
// some runs.
func (l *lab) rate(run func(string) string) float64 {
	l.Helper()
	var rates []float64
	for range benchRuns {
		out := run("pgbench -n -N -c 4 -j 1 -T 10 -U postgres postgres 2>/dev/null | sed -n 's/^tps = \\([0-9.]*\\).*/\\1/p'")
		tps, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
		if err != nil {
			l.Fatalf("pgbench: %q", out)
		}
		rates = append(rates, tps)
	}
	return median(rates)
}
