package workloads

import (
	"os"
	"strings"
	"testing"

	"hybrid/internal/scripttest"
)

// A promotion is complete when Patroni hears that it has begun.
func TestPromotionIsAwaited(t *testing.T) {
	for name, c := range map[string]struct {
		says  string // pg_controldata, at its third look
		ends  string // pg_ctl
		args  []string
		looks int
		fails bool
	}{
		"promoted":        {"in production", "0", []string{"promote", "-D", "data", "-W"}, 3, false},
		"not in time":     {"in archive recovery", "0", []string{"promote", "-D", "data", "-W"}, 21, false},
		"it can't":        {"in production", "1", []string{"promote", "-D", "data", "-W"}, 0, true},
		"another command": {"in production", "0", []string{"reload", "-D", "data"}, 0, false},
		"that fails, too": {"in production", "1", []string{"reload", "-D", "data"}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := scripttest.New(t)
			m.Program("pg_ctl", "exit "+c.ends)
			m.Program("pg_controldata", "echo x >>"+m.Dir+"/looks; state='in archive recovery'; [ $(wc -l <"+m.Dir+"/looks) -lt 3 ] || state='"+c.says+"'; echo \"Database cluster state:               $state\"")
			m.Program("sleep", "")
			out, err := inPod(t, m, "ctl.sh", c.args...)
			calls, _ := os.ReadFile(m.Dir + "/calls")
			if looks := strings.Count(string(calls), "pg_controldata -D "+m.Dir+"/var/lib/psql/data\n"); (err != nil) != c.fails || looks != c.looks ||
				!strings.HasPrefix(string(calls), "pg_ctl "+strings.Join(c.args, " ")+"\n") {
				t.Errorf("found %v: %s, %d looks, want %d; called\n%s", err, out, looks, c.looks, calls)
			}
		})
	}
}
