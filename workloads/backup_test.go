package workloads

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"hybrid/backup"
	"hybrid/internal/mockcloud"
	"hybrid/internal/scripttest"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Members enter the bucket by a Secret, which all clusters with members get; without
// backups there is none, and pods are the same.
func TestBackupsOfDatabase(t *testing.T) {
	without := world(t, false, nil)
	r := world(t, false, func(a *PostgresArgs) {
		a.RestoreFrom = RestoreFrom{Bucket: "another", To: "2026-11-26T14:05:00Z"}
		a.Backup = &Backup{Settings: backup.DefaultSettings(), RestoreKey: pulumi.String("the-other-key"), Store: &backup.Store{
			Bucket: pulumi.String("mine").ToStringOutput(), Endpoint: "s3.example.org", Region: "eu", Authority: "CA",
			AccessKey: pulumi.ToSecret(pulumi.String("access")).(pulumi.StringOutput), SecretKey: pulumi.ToSecret(pulumi.String("sesame")).(pulumi.StringOutput),
			StackKey: pulumi.ToSecret(pulumi.String("the-key")).(pulumi.StringOutput),
		}}
	})
	secret := r.Find(t, "psql-psql-backup")
	if plain := mockcloud.Plain(secret.Inputs); strings.Contains(plain, "sesame") || strings.Contains(plain, "the-key") {
		t.Errorf("keys are in the clear:\n%s", plain)
	}
	data := at(resource.NewProperty(secret.Inputs), "stringData")
	for file, want := range map[string][]string{
		"pgbackrest.conf": {
			"repo1-s3-bucket=mine\n", "repo1-s3-endpoint=s3.example.org\n", "repo1-s3-region=eu\n", "repo1-s3-key=access\n", "repo1-s3-key-secret=sesame\n",
			"repo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass=" + derived("the-key") + "\n", "repo1-storage-ca-file=/etc/psql/backup/ca.crt\n", "repo1-retention-full=2\n",
		},
		"max-wal":      {"4096"},
		"restore.conf": {"repo1-s3-bucket=another\n", "repo1-cipher-pass=" + derived("the-other-key") + "\n"},
		"restore-to":   {"2026-11-26T14:05:00Z"},
		"ca.crt":       {"CA"},
	} {
		got := show(at(data, file))
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s lacks %q:\n%s", file, w, got)
			}
		}
		if strings.Contains(got, "${") {
			t.Errorf("%s has a name that nothing is put in for:\n%s", file, got)
		}
	}
	if got := show(at(inputs(t, r, "psql-psql-shared-policy"), "spec", "resourceSelectors")); !strings.Contains(got, "name:psql-backup") {
		t.Errorf("the Secret goes nowhere: %s", got)
	}
	for _, name := range []string{"psql-psql-master kubernetes:apps/v1:StatefulSet", "psql-psql-replica kubernetes:apps/v1:ReplicaSet"} {
		if a, b := show(without.Made[name].Inputs["spec"]), show(r.Made[name].Inputs["spec"]); a != b || !strings.Contains(a, "psql-backup") {
			t.Errorf("%s is another one with backups:\n%s\n%s", name, a, b)
		}
	}
	if _, ok := without.Made["psql-psql-backup kubernetes:core/v1:Secret"]; ok {
		t.Error("there is a Secret without backups")
	}
}

// derived is the database's key, made of a stack's.
func derived(key string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte("postgres"))
	return fmt.Sprintf("%x", mac.Sum(nil))
}

// inPod runs a script of the members' pods in a folder of its own.
func inPod(t *testing.T, m *scripttest.Machine, script string, args ...string) (string, error) {
	t.Helper()
	text, err := scripts.ReadFile("scripts/pod/" + script)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", append([]string{"-c", string(text), script}, args...)...)
	cmd.Dir, cmd.Env = m.Dir, []string{"PATH=" + m.Dir + "/bin:/usr/bin", "ETC=" + m.Dir, "ROOT=" + m.Dir}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// What waits for a bucket that can't be reached is bounded: the oldest is dropped.
func TestLogIsBounded(t *testing.T) {
	for waiting, sent := range map[int]bool{1: true, 2: true, 3: false} {
		m := scripttest.New(t)
		m.Program("pgbackrest", "exit 7")
		m.File("backup/pgbackrest.conf", "")
		m.File("backup/max-wal", "8\n")
		m.File("pg_wal/segment", strings.Repeat("x", 4<<20))
		m.File("pg_wal/00000002.history", "1\t0/3000000\n")
		for i := range waiting {
			m.File(fmt.Sprintf("pg_wal/archive_status/%d.ready", i), "")
		}
		out, err := inPod(t, m, "pgbackrest-push.sh", "pg_wal/segment")
		if called := err != nil; called != sent || sent == strings.Contains(out, "pg_wal/segment is dropped") {
			t.Errorf("%d of 4 MB wait, 8 MB may: %v: %s", waiting, err, out)
		}
		if _, err := inPod(t, m, "pgbackrest-push.sh", "pg_wal/00000002.history"); err == nil {
			t.Errorf("%d wait: the history of timelines is dropped", waiting)
		}
	}
	m := scripttest.New(t)
	m.Program("pgbackrest", "exit 7")
	if out, err := inPod(t, m, "pgbackrest-push.sh", "pg_wal/segment"); err != nil {
		t.Errorf("without backups: %v: %s", err, out)
	}
}

// A new database that is to come from a bucket is never an empty one, also if its pod
// starts before it can enter the bucket.
func TestFirstComesFromTheBucket(t *testing.T) {
	m := scripttest.New(t, "pgbackrest", "initdb")
	m.Program("pg_isready", "exit 2")
	m.File("config/restore-from", "another")
	m.File("backup/restore-to", "latest")
	// It is there at the second look.
	m.Program("sleep", ": >"+m.Dir+"/backup/restore.conf")
	if out, err := inPod(t, m, "first.sh"); err != nil {
		t.Fatal(err, out)
	}
	calls, err := os.ReadFile(m.Dir + "/calls")
	if said := string(calls); err != nil || !strings.Contains(said, "sleep 1") || strings.Contains(said, "initdb") || !strings.Contains(said, "--stanza=psql --type=default restore") {
		t.Errorf("%v: called %s", err, said)
	}
}

// lacking runs backup.py's missing with what the bucket has, as paths by folder, and with
// what waits for it, and prints the numbers of segments.
const lacking = `
import json, sys
scope = {"__name__": "test"}
exec(sys.argv[1], scope)
bucket, scope["waits"] = json.loads(sys.argv[2]), sys.argv[3].split()
scope["sql"] = lambda text: str(4 << 20)
scope["listed"] = lambda path: bucket[path]
scope["glob"].glob = lambda path: ["/x/%s.ready" % name for name in scope["waits"]]
print(*sorted(scope["missing"]({"until": "000000010000000000000003"})))
`

// A gap is a segment of the log after the last backup that the bucket lacks although it has
// later ones, and that no member will still send. Leaders may have changed in between.
func TestGaps(t *testing.T) {
	script, err := scripts.ReadFile("scripts/pod/backup.py")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ has, waits, want string }{
		"whole":               {"1-3 1-4 1-5", "", ""},
		"nothing since":       {"1-3", "", ""},
		"before the backup":   {"1-1 1-3 1-4", "", ""},
		"one was dropped":     {"1-3 1-5", "", "4"},
		"one is still coming": {"1-3 1-5", "000000010000000000000004", ""},
		"the end isn't there": {"1-3 1-4", "", ""},
		"another leads":       {"1-3 1-4 2-5 2-6", "", ""},
		"it lacks some":       {"1-3 2-6", "", "4 5"},
	} {
		bucket := map[string][]string{"archive/psql": {"archive.info", "17-1"}, "archive/psql/17-1": {"00000002.history"}}
		for _, one := range strings.Fields(c.has) {
			var timeline, n int
			if _, err := fmt.Sscanf(one, "%d-%d", &timeline, &n); err != nil {
				t.Fatal(err)
			}
			part := fmt.Sprintf("%08X%08X", timeline, n/1024)
			if path := "archive/psql/17-1/" + part; bucket[path] == nil {
				bucket["archive/psql/17-1"] = append(bucket["archive/psql/17-1"], part)
			}
			bucket["archive/psql/17-1/"+part] = append(bucket["archive/psql/17-1/"+part], fmt.Sprintf("%s%08X-0a1b.zst", part, n%1024))
		}
		text, err := json.Marshal(bucket)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("python3", "-c", lacking, string(script), string(text), c.waits).CombinedOutput()
		got := strings.TrimSpace(string(out))
		if err != nil || got != c.want {
			t.Errorf("%s: %v: lacks %q, want %q", name, err, got, c.want)
		}
	}
}
