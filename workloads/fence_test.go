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
text, looks, replica = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3] == "true"
passed = 0
time.clock_gettime = lambda clock: passed
def sleep(seconds):
    global passed
    if not looks:
        sys.exit()
    passed += looks.pop(0)
time.sleep = sleep
builtins.open = lambda path: io.StringIO("42\n")
os.path.exists = lambda path: replica
os.kill = lambda pid, signal: print(pid, signal.name)
exec(text)
`

// A leader's PostgreSQL doesn't go on after another member may lead.
func TestHungLeaderEnds(t *testing.T) {
	script, err := scripts.ReadFile("scripts/pod/fence.py")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ looks, replica, want string }{
		"it runs":             {`[0.2, 0.3, 5, 5, 5]`, "false", ""},
		"it has hung":         {`[0.2, 15, 0.2]`, "false", "42 SIGQUIT this leader has hung for 15.0 s: its PostgreSQL is ended"},
		"it hangs each day":   {`[20, 0.2, 20]`, "false", strings.Repeat("42 SIGQUIT this leader has hung for 20.0 s: its PostgreSQL is ended ", 2)},
		"a replica has hung":  {`[15]`, "true", ""},
		"it hangs for a bit":  {`[11]`, "false", ""},
		"the time of the key": {`[14]`, "false", "42 SIGQUIT this leader has hung for 14.0 s: its PostgreSQL is ended"},
	} {
		out, err := exec.Command("python3", "-c", hanging, string(script), c.looks, c.replica).CombinedOutput()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != strings.TrimSpace(c.want) {
			t.Errorf("%s: %v: %q, want %q", name, err, got, c.want)
		}
	}
}
