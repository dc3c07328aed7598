package workloads

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"hybrid/internal/scripttest"
)

// Only a copy that stands still is thrown away: not one that replays, that lets clients
// in, or that doesn't run.
func TestHeal(t *testing.T) {
	script, err := scripts.ReadFile("scripts/pod/heal.sh")
	if err != nil {
		t.Fatal(err)
	}
	const title = "postgres: psql: startup recovering 00000006000000000000000%d\x00"
	const waiting = `case "$*" in *primary_conninfo*) echo host=leader;; *IDENTIFY*) ;; *) echo 0/3400018;; esac`
	for name, c := range map[string]struct {
		ready  int    // how pg_isready ends
		title  string // the server's, as it starts
		moves  bool   // it is another one at each look
		reinit string // what patronictl does
		psql   string // what a server that lets clients in says
		want   int    // copies that are made
	}{
		"it stands still":      {ready: 1, title: title, want: 1},
		"there is no leader":   {ready: 1, title: title, reinit: "exit 1", want: 5},
		"it replays":           {ready: 1, title: title, moves: true},
		"it lets clients in":   {ready: 0, title: title},
		"it doesn't stream":    {ready: 0, title: title, psql: waiting, want: 1},
		"its leader is away":   {ready: 0, title: title, psql: `case "$*" in *IDENTIFY*) exit 2;; esac; ` + waiting},
		"it reads an archive":  {ready: 0, title: title, psql: waiting + `; wc -l <${0%/bin/*}/looks`},
		"it doesn't run":       {ready: 2, title: ""},
		"it looks at its disk": {ready: 1, title: "postgres: psql: startup\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			patroni := process(t)
			m := scripttest.New(t)
			m.File("proc/7/cmdline", "postgres: psql: walreceiver \x00")
			m.File("proc/9/cmdline", strings.ReplaceAll(c.title, "%d", "1"))
			next := ""
			if c.moves {
				next = fmt.Sprintf("printf '%s' $(wc -l <%[2]s/looks) >%[2]s/proc/9/cmdline", strings.ReplaceAll(c.title, "\x00", `\000`), m.Dir)
			}
			m.Program("pg_isready", fmt.Sprintf("echo >>%[1]s/looks\n%[2]s\n[ $(wc -l <%[1]s/looks) -lt 11 ] || kill %[3]d\nexit %[4]d", m.Dir, next, patroni.Pid, c.ready))
			m.Program("patronictl", c.reinit)
			m.Program("psql", c.psql)
			t.Setenv("PATRONI_NAME", "psql-replica-a")
			t.Setenv("ROOT", m.Dir)
			cmd := exec.Command("sh", "-c", string(script), "sh", fmt.Sprint(patroni.Pid))
			cmd.Env = append(os.Environ(), "PATH="+m.Dir+"/bin:"+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			calls, _ := os.ReadFile(m.Dir + "/calls")
			if got := strings.Count(string(calls), "patronictl reinit psql psql-replica-a --force"); got != c.want {
				t.Errorf("made %d copies, want %d:\n%s", got, c.want, calls)
			}
		})
	}
}
