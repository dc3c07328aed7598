package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkPostgres compares replicas in the master's cluster with those of another
// cloud: how far they are behind while it is written to, and what it costs to wait
// for one of them. It builds the stack first:
//
//	go test -run '^$' -bench Postgres -timeout 30m ./e2e
func BenchmarkPostgres(b *testing.B) {
	l := adopt(b)
	l.up()
	run := func(script string) string {
		l.Helper()
		out, err := l.in(pod{cluster: "london", node: "the master", name: "psql-master-0"}, script)
		if err != nil {
			l.Fatal(err)
		}
		return out
	}
	run("pgbench -q -i -s 5 -U postgres postgres 2>/dev/null")
	for b.Loop() {
		rates := map[string]float64{}
		for _, wait := range []string{"", "london", "frankfurt"} {
			l.wait(run, wait)
			rates[wait] = l.rate(run)
		}
		l.wait(run, "")
		lag := l.lag(run)
		b.ReportMetric(rates[""], "async-tps")
		b.ReportMetric(rates["london"], "local-sync-tps")
		b.ReportMetric(rates["frankfurt"], "remote-sync-tps")
		b.ReportMetric(rates["london"]/rates[""], "local-sync-ratio")
		b.ReportMetric(rates["frankfurt"]/rates[""], "remote-sync-ratio")
		b.ReportMetric(lag["london"]*1000, "local-lag-ms")
		b.ReportMetric(lag["frankfurt"]*1000, "remote-lag-ms")
		b.ReportMetric(lag["frankfurt"]/lag["london"], "lag-ratio")
	}
	run(`psql -q -U postgres -c "ALTER SYSTEM RESET synchronous_standby_names" -c "SELECT pg_reload_conf()"`)
}

// wait makes commits wait for a replica of a cluster, or for none.
func (l *lab) wait(run func(string) string, cluster string) {
	l.Helper()
	names := ""
	if cluster != "" {
		names = fmt.Sprintf(`ANY 1 (%s)`, cluster)
	}
	run(fmt.Sprintf(`psql -q -U postgres -c "ALTER SYSTEM SET synchronous_standby_names = '%s'" -c "SELECT pg_reload_conf()"`, names))
	l.eventually(10*time.Second, func() error {
		if got := strings.TrimSpace(run("psql -A -t -U postgres -c 'SHOW synchronous_standby_names'")); got != names {
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

// lag is how many seconds a cluster's replicas are behind, on average, while
// the master is written to at a moderate rate.
func (l *lab) lag(run func(string) string) map[string]float64 {
	l.Helper()
	out := run(`pgbench -n -N -c 2 -j 1 -R 50 -T 22 -U postgres postgres >/dev/null 2>&1 &
for i in 1 2 3 4 5 6 7 8 9 10; do sleep 2
psql -A -t -F ' ' -U postgres -c "SELECT application_name, avg(extract(epoch FROM replay_lag)) FROM pg_stat_replication WHERE replay_lag IS NOT NULL GROUP BY 1"; done; wait`)
	all := map[string][]float64{}
	for line := range strings.Lines(out) {
		cluster, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if seconds, err := strconv.ParseFloat(text, 64); err == nil {
			all[cluster] = append(all[cluster], seconds)
		}
	}
	lag := map[string]float64{}
	for _, cluster := range []string{"london", "frankfurt"} {
		if len(all[cluster]) == 0 {
			l.Fatalf("nothing is known of %s: %q", cluster, out)
		}
		lag[cluster] = median(all[cluster])
	}
	return lag
}
