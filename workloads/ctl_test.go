package workloads

import (
	"os"
	"strings"
	"testing"

	"hybrid/internal/scripttest"
)

// A promotion is complete, and replicas follow, when Patroni hears that it has begun.
func TestPromotionIsAwaited(t *testing.T) {
	promote := []string{"promote", "-D", "data", "-W"}
	for name, c := range map[string]struct {
		says     string // pg_controldata, at its third look
		ends     string // pg_ctl
		args     []string
		looks    int
		followed string // psql, at its second look
		asks     int
		fails    bool
	}{
		"promoted":           {"in production", "0", promote, 3, "t", 2, false},
		"not in time":        {"in archive recovery", "0", promote, 21, "t", 2, false},
		"no replica follows": {"in production", "0", promote, 3, "f", 21, false},
		"it can't":           {"in production", "1", promote, 0, "t", 0, true},
		"another command":    {"in production", "0", []string{"reload", "-D", "data"}, 0, "t", 0, false},
		"that fails, too":    {"in production", "1", []string{"reload", "-D", "data"}, 0, "t", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := scripttest.New(t)
			m.Program("pg_ctl", "exit "+c.ends)
			m.Program("pg_controldata", "echo x >>"+m.Dir+"/looks; state='in archive recovery'; [ $(wc -l <"+m.Dir+"/looks) -lt 3 ] || state='"+c.says+"'; echo \"Database cluster state:               $state\"")
			m.Program("psql", "echo x >>"+m.Dir+"/asks; [ $(wc -l <"+m.Dir+"/asks) -lt 2 ] && echo f || echo "+c.followed)
			m.Program("sleep", "")
			out, err := inPod(t, m, "ctl.sh", c.args...)
			calls, _ := os.ReadFile(m.Dir + "/calls")
			looks, asks := strings.Count(string(calls), "pg_controldata -D "+m.Dir+"/var/lib/psql/data\n"), strings.Count(string(calls), "psql ")
			if (err != nil) != c.fails || looks != c.looks || asks != c.asks || !strings.HasPrefix(string(calls), "pg_ctl "+strings.Join(c.args, " ")+"\n") {
				t.Errorf("found %v: %s, %d looks and %d questions, want %d and %d; called\n%s", err, out, looks, asks, c.looks, c.asks, calls)
			}
		})
	}
}
