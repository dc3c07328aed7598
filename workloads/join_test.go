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

// An only member that begins anew is another etcd, for Patroni's sake.
func TestEveryEtcdIsAnother(t *testing.T) {
	script, err := scripts.ReadFile("scripts/pod/join.py")
	if err != nil {
		t.Fatal(err)
	}
	token := func(members string) string {
		out, err := exec.Command("python3", "-c", tokens, string(script), members).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if first, next := token("a"), token("a"); first == next {
		t.Errorf("the only member: got %s twice", first)
	}
	if first, next := token("abc"), token("abc"); first != next {
		t.Errorf("of three: got %s and %s, want the same", first, next)
	}
}

// tokens runs join.py for psql-etcd-a, one of these members, and prints the token.
const tokens = `
import builtins, io, json, os, sys
os.environ["NAME"] = "psql-etcd-a"
settings = {"initial-cluster": ",".join("psql-etcd-%s=https://psql-etcd-%s:2380" % (n, n) for n in sys.argv[2]), "initial-cluster-token": "psql",
    "initial-advertise-peer-urls": "NAME", "advertise-client-urls": "NAME"}
class File(io.StringIO):
    def __exit__(self, *error): print(json.loads(self.getvalue())["initial-cluster-token"])
builtins.open = lambda path, mode="r": File() if mode == "w" else io.StringIO(json.dumps(settings))
scope = {"enter": None}
exec(sys.argv[1].replace("\nmain()\n", "\n"), scope)
scope["enter"] = lambda: None
scope["main"]()
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
