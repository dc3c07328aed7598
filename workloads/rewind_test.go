package workloads

import (
	"os"
	"strings"
	"testing"

	"hybrid/internal/scripttest"
)

// What a former leader has lost is counted before it is rewound, and only where that was
// confirmed: commits that wait for replicas aren't before these have them.
func TestRewind(t *testing.T) {
	const none, quorum = `{"ttl": 20, "synchronous_mode": false}`, `{"ttl": 20, "synchronous_mode": "quorum"}`
	const diverged = "pg_rewind: servers diverged at WAL location 0/384A5A0 on timeline 2"
	const commit = "rmgr: Transaction len (rec/tot): 34/34, tx: 749, lsn: 0/0384A5D8, prev 0/0384A5A0, desc: COMMIT 2026-11-27 20:17:0%.848123 UTC"
	for name, c := range map[string]struct {
		settings, says string
		log            []string
		want           string
	}{
		"three commits": {none, diverged, []string{"1", "2", "4"}, `{"commits": 3, "first": "2026-11-27 20:17:01 UTC", "last": "2026-11-27 20:17:04 UTC"}`},
		"no commit":     {none, diverged, nil, ""},
		"no difference": {none, "pg_rewind: no rewind required", []string{"1"}, ""},
		"they waited":   {quorum, diverged, []string{"1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := scripttest.New(t)
			m.File("var/lib/psql/data/patroni.dynamic.json", c.settings)
			var log strings.Builder
			for _, second := range c.log {
				log.WriteString(strings.ReplaceAll(commit, "%", second) + "\n")
			}
			m.File("log", log.String()+"rmgr: Transaction len (rec/tot): 34/34, tx: 750, lsn: 0/0384A600, prev 0/0384A5D8, desc: ABORT 2026-11-27 20:17:05.848123 UTC\n")
			m.Program("pg_rewind", "echo '"+c.says+"' >&2; exit 7")
			m.Program("pg_waldump", "cat "+m.Dir+"/log; exit 1")
			out, err := inPod(t, m, "rewind.sh", "-D", "data", "--source-server", "host=10.42.0.3")
			noted, _ := os.ReadFile(m.Dir + "/calls")
			said := strings.TrimSpace(string(noted))
			// Patroni hears pg_rewind itself.
			if err == nil || !strings.Contains(out, c.says) || !strings.HasSuffix(said, "pg_rewind -D data --source-server host=10.42.0.3") {
				t.Errorf("%v: %s\n%s", err, out, said)
			}
			if want := "pg_waldump -p " + m.Dir + "/var/lib/psql/data/pg_wal -s 0/384A5A0 -t 2 "; c.want != "" && !strings.Contains(said, want) {
				t.Errorf("called\n%s\nwant %s", said, want)
			}
			got, _ := os.ReadFile(m.Dir + "/var/lib/psql/lost.json")
			if strings.TrimSpace(string(got)) != c.want {
				t.Errorf("found %s, want %s", got, c.want)
			}
		})
	}
}
