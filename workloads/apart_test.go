package workloads

import (
	"os/exec"
	"strings"
	"testing"
)

// living runs apart.py in PostgreSQL's leader in a, with members of etcd at distances, of
// which those without one don't answer. Patroni has had an answer of etcd so many seconds ago.
// It prints what the script says.
const living = `
import builtins, http.client, io, json, os, ssl, sys, time
text, leader, distances, ago = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
sys.argv = ["apart.py"] + sys.argv[5:]
hosts = ["psql-etcd-%s:2379" % name for name in distances]
builtins.open = lambda path: io.StringIO(json.dumps({"etcd3": {"hosts": hosts}}))
os.environ["NODE"], os.environ["PATRONI_RESTAPI_CONNECT_ADDRESS"] = "a-1", "patroni"
now = 0
time.monotonic = lambda: now
ids = {"psql-etcd-" + name: str(n) for n, name in enumerate(distances)}

class Context:
    def load_cert_chain(self, *files): pass
ssl.create_default_context = lambda cafile: Context()

class Connection:
    def __init__(self, host, port=0, timeout=0, context=None):
        self.host, self.status = host, 200
    def request(self, method, path, body=None):
        global now, leader
        if self.host == "patroni":
            self.answer = {"dcs_last_seen": time.time() - ago if ago >= 0 else 0}
            return
        distance = distances[self.host[len("psql-etcd-"):]]
        if distance is None:
            raise TimeoutError()
        now += distance
        self.answer = {"header": {"member_id": ids[self.host]}}
        if leader:
            self.answer["leader"] = ids["psql-etcd-" + leader]
        if path.endswith("transfer-leadership"):
            if self.host != "psql-etcd-" + leader:
                self.status = 503
                return
            to = {i: n for n, i in ids.items()}[json.loads(body)["targetID"]]
            print(self.host, "hands over to", to)
            leader = to[len("psql-etcd-"):]
        elif not path.endswith("status"):
            self.status = 404
    def getresponse(self):
        self.read = io.StringIO(json.dumps(self.answer)).read
        return self
http.client.HTTPSConnection = Connection
exec(text)
`

// etcd's leader goes to the nearest other cloud, and only if that is of use.
func TestLeadersLiveApart(t *testing.T) {
	script, err := scripts.ReadFile("scripts/pod/apart.py")
	if err != nil {
		t.Fatal(err)
	}
	const moved = "etcd's leader moves from psql-etcd-%from to psql-etcd-%to\npsql-etcd-%from hands over to psql-etcd-%to"
	for name, c := range map[string]struct{ leader, distances, from, to string }{
		"in the same cloud":     {"a", `{"a": 0.001, "c": 0.14, "b": 0.012}`, "a", "b"},
		"on another continent":  {"c", `{"a": 0.001, "b": 0.012, "c": 0.14}`, "c", "b"},
		"well":                  {"b", `{"a": 0.001, "b": 0.012, "c": 0.14}`, "", ""},
		"a bit farther":         {"c", `{"a": 0.001, "b": 0.012, "c": 0.06}`, "", ""},
		"by a busy link":        {"b", `{"a": 0.001, "b": 0.6, "c": 0.14}`, "", ""},
		"one is away":           {"a", `{"a": 0.001, "b": 0.012, "c": null}`, "", ""},
		"no leader":             {"", `{"a": 0.001, "b": 0.012, "c": 0.14}`, "", ""},
		"the only one":          {"a", `{"a": 0.001}`, "", ""},
		"no member in the same": {"c", `{"b": 0.012, "c": 0.14, "d": 0.013}`, "", ""},
	} {
		want := ""
		if c.to != "" {
			want = strings.NewReplacer("%from", c.from, "%to", c.to).Replace(moved)
		}
		out, err := exec.Command("python3", "-c", living, string(script), c.leader, c.distances, "5", "leader").CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s: %v: %q, want %q", name, err, got, want)
		}
	}
}

// Patroni takes an etcd that began anew for one that lags, until it has had as many leaders as
// the former. Every member sees to that: PostgreSQL may have no leader.
func TestEtcdBeginsAnew(t *testing.T) {
	script, err := scripts.ReadFile("scripts/pod/apart.py")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		leader, distances, ago string
		changes                int
	}{
		"anew":                {"b", `{"a": 0.001, "b": 0.012, "c": 0.14}`, "31", 5},
		"anew, one is away":   {"b", `{"a": null, "b": 0.012, "c": 0.14}`, "31", 5},
		"as before":           {"a", `{"a": 0.001, "b": 0.012, "c": 0.14}`, "29", 0},
		"Patroni begins":      {"b", `{"a": 0.001, "b": 0.012, "c": 0.14}`, "-1", 0},
		"etcd has no leader":  {"", `{"a": 0.001, "b": 0.012, "c": 0.14}`, "31", 0},
		"the leader is away":  {"b", `{"a": 0.001, "b": null, "c": 0.14}`, "31", 0},
		"others are not seen": {"a", `{"a": 0.001, "b": null, "c": null}`, "31", 0},
		"the only one":        {"a", `{"a": 0.001}`, "31", 0},
	} {
		out, err := exec.Command("python3", "-c", living, string(script), c.leader, c.distances, c.ago).CombinedOutput()
		if got := strings.Count(string(out), "hands over"); err != nil || got != c.changes {
			t.Errorf("%s: %v: %d changes, want %d:\n%s", name, err, got, c.changes, out)
		}
	}
}
