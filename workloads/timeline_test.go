package workloads

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// promoting runs timeline.py in a member whose log is in a folder, with members of etcd that
// know which numbers are taken. "down" are those that don't answer.
const promoting = `
import base64, builtins, http.client, io, json, os, ssl, sys
text, wal, taken, down, leader = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4].split(), sys.argv[5]
sys.argv[1:] = ["pod"]
os.environ["NODE"] = "b-1"
os.environ.pop("PATRONI_NAME", None) # Patroni takes it away
real = open
builtins.open = lambda path, mode="r": io.StringIO(json.dumps({"etcd3": {"hosts": ["psql-etcd-%s:2379" % n for n in "abc"]}})) if path.endswith("stack.yml") else real(path, mode)

class Context:
    def load_cert_chain(self, *files): pass
ssl.create_default_context = lambda cafile: Context()

class Connection:
    def __init__(self, host, port, timeout, context):
        self.host, self.status = host[len("psql-etcd-"):], 200
    def request(self, method, path, body):
        print("asks", self.host)
        if self.host in down:
            raise TimeoutError()
        body = json.loads(body)
        (leads, free), put = body["compare"], body["success"][0]["request_put"]
        assert free["target"] == "CREATE" and free["create_revision"] == "0" and free["key"] == put["key"]
        assert leads["target"] == "VALUE" and base64.b64decode(leads["key"]) == b"/service/psql/leader"
        number = int(base64.b64decode(put["key"]).rpartition(b"/")[2])
        value = base64.b64encode(leader.encode()).decode()
        if number not in taken and leads["value"] == value:
            self.answer = {"succeeded": True}
        else:
            self.answer = {"responses": [{"response_range": {"kvs": [{"value": value}]} if leader else {}}]}
    def getresponse(self):
        self.read = io.StringIO(json.dumps(self.answer)).read
        return self
http.client.HTTPSConnection = Connection
exec(text.replace('"/var/lib/psql/data/pg_wal/"', repr(wal)).replace("/run/psql/promoting", wal + "promoting"))
`

// No two members begin a timeline with the same number.
func TestTimelinesAreReserved(t *testing.T) {
	script, err := scripts.ReadFile("scripts/pod/timeline.py")
	if err != nil {
		t.Fatal(err)
	}
	const before = "1\t0/3000000\tno recovery target specified\n"
	for name, c := range map[string]struct {
		knows       string // the history of timeline 2
		taken, down string
		leader      string // in etcd
		says        string
		third       string // the history of timeline 3
		fails       bool
	}{
		"the first":            {"", "[]", "", "pod", "asks b", "", false},
		"the next":             {before, "[2]", "", "pod", "asks b", "", false},
		"taken":                {before, "[2, 3]", "", "pod", "asks b timeline 3 is another member's asks b", before + "2\t0/1\tanother member has begun it\n", false},
		"two are taken":        {before, "[3, 4]", "", "pod", "asks b timeline 3 is another member's asks b timeline 4 is another member's asks b", before + "2\t0/1\tanother member has begun it\n", false},
		"taken, another leads": {before, "[2, 3]", "", "else", "asks b this member does not lead any more", "", true},
		"its own etcd is away": {before, "[2]", "b", "pod", "asks b psql-etcd-b: asks a", "", false},
		"no etcd":              {before, "[2]", "a b c", "pod", "asks b psql-etcd-b: asks a psql-etcd-a: asks c psql-etcd-c: etcd reserves no timeline", "", true},
		"another leads":        {before, "[2]", "", "else", "asks b this member does not lead any more", "", true},
		"no leader":            {before, "[2]", "", "", "asks b this member does not lead any more", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			wal := t.TempDir() + "/"
			if c.knows != "" {
				if err := os.WriteFile(wal+"00000002.history", []byte(c.knows), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("python3", "-uc", promoting, string(script), wal, c.taken, c.down, c.leader)
			out, err := cmd.CombinedOutput()
			third, _ := os.ReadFile(filepath.Join(wal, "00000003.history"))
			if got := strings.Join(strings.Fields(string(out)), " "); (err != nil) != c.fails || got != c.says || string(third) != c.third {
				t.Errorf("%v: says %q, want %q; the third timeline's history is %q, want %q", err, got, c.says, third, c.third)
			}
		})
	}
}

// A server doesn't start with the histories of timelines that were to be passed over, unless one
// of its own is newer.
func TestNoServerWaitsForWhatItPassesOver(t *testing.T) {
	const own, passed = "2\t0/3000000\tno recovery target specified\n", "2\t0/1\tanother member has begun it\n"
	for name, c := range map[string]struct {
		before []string // of timelines 2 and so on
		after  int      // how many of them remain
	}{
		"none":        {nil, 0},
		"its own":     {[]string{own}, 1},
		"two passed":  {[]string{own, passed, passed}, 1},
		"all passed":  {[]string{passed}, 0},
		"promoted":    {[]string{own, passed, passed, own}, 4},
		"once before": {[]string{own, passed, own, passed}, 3},
	} {
		root := t.TempDir()
		log, programs := filepath.Join(root, "var/lib/psql/data/pg_wal"), filepath.Join(root, "bin")
		if err := errors.Join(os.MkdirAll(log, 0o700), os.Mkdir(programs, 0o700),
			os.WriteFile(filepath.Join(programs, "postgres"), []byte("#!/bin/sh\necho starts $*\n"), 0o700)); err != nil {
			t.Fatal(err)
		}
		for i, text := range c.before {
			if err := os.WriteFile(filepath.Join(log, fmt.Sprintf("%08X.history", i+2)), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("sh", "scripts/pod/server.sh", "-D", "data")
		cmd.Env = append(os.Environ(), "ROOT="+root, "PATH="+programs+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		left, _ := os.ReadDir(log)
		if err != nil || string(out) != "starts -D data\n" || len(left) != c.after {
			t.Errorf("%s: %v: %q, %d histories, want %d", name, err, out, len(left), c.after)
		}
	}
}
