package workloads

import (
	"os/exec"
	"strings"
	"testing"
)

// hanging runs fence.py with what each of its looks takes, in seconds, and after how many
// looks Patroni, process 7, hangs. It prints who is ended.
const hanging = `
import builtins, io, json, os, sys, time
text, looks, promoting, stops = sys.argv[1], *map(json.loads, sys.argv[2:])
sys.argv[1:] = ["7"]
passed, looked = 0, 0
time.clock_gettime = lambda clock: passed
def sleep(seconds):
    global passed, looked
    if looked == len(looks):
        sys.exit()
    passed += looks[looked]
    looked += 1
time.sleep = sleep
def read(path):
    return io.StringIO("42\n" if path.endswith("postmaster.pid") else "voluntary_ctxt_switches:\t%d\n" % min(looked, stops))
builtins.open = read
# null: a leader; -1: a replica; else seconds since it began to lead
os.path.exists = lambda path: promoting is not None and (path.endswith("standby.signal") or promoting >= 0)
time.time = lambda: 1000
os.path.getmtime = lambda path: 1000 - promoting
def kill(pid, signal):
    print(pid, signal.name)
    if pid == 7: # its container ends
        sys.exit()
os.kill = kill
exec(text)
`

// A leader's PostgreSQL doesn't go on after another member may lead.
func TestHungLeaderEnds(t *testing.T) {
	script, err := scripts.ReadFile("scripts/pod/fence.py")
	if err != nil {
		t.Fatal(err)
	}
	const never = "1000"
	second := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]" }
	for name, c := range map[string]struct{ looks, promoting, stops, want string }{
		"it runs":                    {`[0.2, 0.3, 5, 5, 5]`, "null", never, ""},
		"it has hung":                {`[0.2, 15, 0.2]`, "null", never, "42 SIGQUIT this leader has hung for 15.0 s: PostgreSQL is ended"},
		"it hangs each day":          {`[20, 0.2, 20]`, "null", never, strings.Repeat("42 SIGQUIT this leader has hung for 20.0 s: PostgreSQL is ended ", 2)},
		"a replica has hung":         {`[15]`, "-1", never, ""},
		"one about to lead":          {`[20]`, "21", never, "42 SIGQUIT this leader has hung for 20.0 s: PostgreSQL is ended"},
		"one that led":               {`[20]`, "3600", never, ""},
		"it hangs for a bit":         {`[11]`, "null", never, ""},
		"the time of the key":        {`[14]`, "null", never, "42 SIGQUIT this leader has hung for 14.0 s: PostgreSQL is ended"},
		"Patroni waits":              {second(8), "null", "2", ""},
		"Patroni hangs":              {second(20), "null", "2", "42 SIGQUIT Patroni has hung for 13.0 s: PostgreSQL is ended 7 SIGKILL"},
		"a replica's Patroni hangs":  {second(20), "-1", "2", ""},
		"all hangs as Patroni waits": {`[1, 1, 1, 1, 1, 8, 1]`, "null", "1", ""},
	} {
		out, err := exec.Command("python3", "-c", hanging, string(script), c.looks, c.promoting, c.stops).CombinedOutput()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != strings.TrimSpace(c.want) {
			t.Errorf("%s: %v: %q, want %q", name, err, got, c.want)
		}
	}
}
