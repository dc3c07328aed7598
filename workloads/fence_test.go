package workloads

import (
	"os/exec"
	"strings"
	"testing"
)

// hanging runs fence.py with what each of its looks takes, in seconds. It prints who is
// ended.
const hanging = `
import builtins, io, json, os, sys, time
text, looks, promoting = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
passed = 0
time.clock_gettime = lambda clock: passed
def sleep(seconds):
    global passed
    if not looks:
        sys.exit()
    passed += looks.pop(0)
time.sleep = sleep
builtins.open = lambda path: io.StringIO("42\n")
# null: a leader; -1: a replica; else seconds since it began to lead
os.path.exists = lambda path: promoting is not None and (path.endswith("standby.signal") or promoting >= 0)
time.time = lambda: 1000
os.path.getmtime = lambda path: 1000 - promoting
os.kill = lambda pid, signal: print(pid, signal.name)
exec(text)
`

// A leader's PostgreSQL doesn't go on after another member may lead.
func TestHungLeaderEnds(t *testing.T) {
	script, err := scripts.ReadFile("scripts/pod/fence.py")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ looks, promoting, want string }{
		"it runs":             {`[0.2, 0.3, 5, 5, 5]`, "null", ""},
		"it has hung":         {`[0.2, 15, 0.2]`, "null", "42 SIGQUIT this leader has hung for 15.0 s: its PostgreSQL is ended"},
		"it hangs each day":   {`[20, 0.2, 20]`, "null", strings.Repeat("42 SIGQUIT this leader has hung for 20.0 s: its PostgreSQL is ended ", 2)},
		"a replica has hung":  {`[15]`, "-1", ""},
		"one about to lead":   {`[20]`, "21", "42 SIGQUIT this leader has hung for 20.0 s: its PostgreSQL is ended"},
		"one that led":        {`[20]`, "3600", ""},
		"it hangs for a bit":  {`[11]`, "null", ""},
		"the time of the key": {`[14]`, "null", "42 SIGQUIT this leader has hung for 14.0 s: its PostgreSQL is ended"},
	} {
		out, err := exec.Command("python3", "-c", hanging, string(script), c.looks, c.promoting).CombinedOutput()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != strings.TrimSpace(c.want) {
			t.Errorf("%s: %v: %q, want %q", name, err, got, c.want)
		}
	}
}
