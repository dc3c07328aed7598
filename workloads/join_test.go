package workloads

import (
	"os/exec"
	"strings"
	"testing"
)

// entering runs join.py's enter for psql-etcd-a with the members that others know, and
// without data of its own. It prints how etcd is to start, and what was asked for.
const entering = `
import builtins, io, json, os, sys
text, members = sys.argv[1], json.loads(sys.argv[2])
os.environ["NAME"] = "psql-etcd-a"
urls = {"psql-etcd-" + n: "https://psql-etcd-%s:2380" % n for n in "abc"}
settings = {"initial-cluster": ",".join("=".join(u) for u in urls.items()), "initial-cluster-state": "new"}
builtins.open = lambda path, mode="r": io.StringIO(json.dumps(settings))
scope = {}
exec(text.replace("\nmain()\n", "\n"), scope)
asked = []
def ask(host, what, body, timeout=5):
    if what != "list":
        asked.append(what)
    return {"members": members + [{"peerURLs": [urls["psql-etcd-a"]]}] * (what == "add")}
scope["ask"], scope["DATA"] = ask, "/nonexistent"
scope["enter"]()
print(scope["SETTINGS"]["initial-cluster-state"], *asked)
`

// One of the first members begins with the others, however late; one that has lost its
// data is let in once more.
func TestJoin(t *testing.T) {
	script, err := scripts.ReadFile("scripts/pod/join.py")
	if err != nil {
		t.Fatal(err)
	}
	const (
		others  = `{"ID": 2, "name": "psql-etcd-b", "peerURLs": ["https://psql-etcd-b:2380"], "clientURLs": ["https://psql-etcd-b:2379"]}`
		own     = `"peerURLs": ["https://psql-etcd-a:2380"]`
		started = `, "clientURLs": ["https://psql-etcd-a:2379"]`
	)
	for name, c := range map[string][2]string{
		"none has begun":              {``, "new"},
		"the others have begun":       {others + `, {"ID": 1, "name": "psql-etcd-a", ` + own + `}`, "new"},
		"its data are lost":           {others + `, {"ID": 1, "name": "psql-etcd-a", ` + own + started + `}`, "existing remove add"},
		"it is one more":              {others, "existing add"},
		"it has been let in, no more": {others + `, {"ID": 1, ` + own + `}`, "existing"},
	} {
		out, err := exec.Command("python3", "-c", entering, string(script), "["+c[0]+"]").CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if got := strings.TrimSpace(lines[len(lines)-1]); err != nil || got != c[1] {
			t.Errorf("%s: %v: it starts as %q, want %q:\n%s", name, err, got, c[1], out)
		}
	}
}
