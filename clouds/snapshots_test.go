package clouds

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// bucketSettings are those of a machine that sends snapshots.
const bucketSettings = "CLUSTER='london'\nNODE='london-1'\nLIFE='i-1'\nMINUTES='15'\nDAYS='14'\nHOURS='24'\nREGION='eu'\nRESTIC_PASSWORD='sesame'\n"

// sending is a machine with a control plane, which is asked for a snapshot if there is a
// file named asked.
func sending(t *testing.T) *machine {
	m := newMachine(t)
	m.File("var/lib/hybrid/snapshots/settings", bucketSettings)
	for _, f := range []string{"ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.key", "sa.pub", "etcd/ca.crt", "etcd/ca.key"} {
		m.File("etc/kubernetes/pki/"+f, f)
	}
	m.File("etc/kubernetes/hardening/encryption.yaml", "the key")
	m.File("var/lib/etcd/member", "")
	m.Program("restic", `[ "$RESTIC_PASSWORD" = sesame ] || exit 1
		case $* in *"snapshots --json"*) echo '[]' ;; *backup*) cp -r `+m.Dir+`/var/lib/hybrid/snapshots/now `+m.Dir+`/sent ;; *restore*) to=`+m.Dir+`/var/lib/hybrid/snapshots/rehearsal`+m.Dir+`/var/lib/hybrid/snapshots; mkdir -p $to; cp -r `+m.Dir+`/sent $to/now ;; esac`)
	m.Program("kubectl", `case $* in *"snapshot save"*) echo etcd >`+m.Dir+`/var/lib/etcd/hybrid-snapshot.db ;; *jsonpath*) cat `+m.Dir+`/asked 2>/dev/null || true ;; esac`)
	return m
}

// did are the calls of restic and kubectl, without their options.
func did(calls []string) (verbs []string) {
	for _, c := range calls {
		for _, verb := range []string{"cat config", "init", "backup", "forget", "snapshots", "snapshot save", "check", "snapshot restore", "restore", "apply"} {
			if strings.Contains(c+" ", " "+verb+" ") {
				verbs = append(verbs, verb)
				break
			}
		}
	}
	return verbs
}

func TestSnapshotsAreSent(t *testing.T) {
	m := sending(t)
	all := []string{"snapshot save", "cat config", "backup", "forget", "snapshots", "check", "restore", "snapshot restore", "apply"}
	_, stderr, calls, err := m.Run(timed(sender), "", "")
	if got := did(calls); err != nil || !slices.Equal(got, all) {
		t.Fatalf("did %v, want %v: %v %s\n%s", got, all, err, stderr, strings.Join(calls, "\n"))
	}
	for file, want := range map[string]string{"etcd.db": "etcd\n", "pki/ca.key": "ca.key", "pki/etcd/ca.key": "etcd/ca.key", "pki/sa.key": "sa.key", "encryption.yaml": "the key"} {
		if got := m.read("sent/" + file); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
	}
	if _, err := os.Stat(m.Dir + "/var/lib/hybrid/snapshots/now"); err == nil {
		t.Error("the keys are still where they were gathered")
	}
	if line := strings.Join(calls, "\n"); strings.Contains(line, "sesame") || !strings.Contains(line, "--tag life=i-1 --tag why=schedule") {
		t.Errorf("called:\n%s", line)
	}
	if left, _ := os.ReadDir(m.Dir + "/var/lib/hybrid/snapshots/rehearsal"); len(left) > 0 {
		t.Errorf("the rehearsal has left %v", left)
	}
	// It is too early for the next one, until one is asked for.
	if _, _, calls, err = m.Run(timed(sender), "", ""); err != nil || len(did(calls)) > 0 {
		t.Errorf("%v: did %v", err, did(calls))
	}
	m.File("asked", "now")
	if _, _, calls, err = m.Run(timed(sender), "", ""); err != nil || !slices.Contains(did(calls), "backup") || !strings.Contains(strings.Join(calls, "\n"), "why=asked") || !strings.Contains(strings.Join(calls, "\n"), "answers=now") {
		t.Errorf("%v: called %v", err, calls)
	}
	if _, _, calls, err = m.Run(timed(sender), "", ""); err != nil || len(did(calls)) > 0 {
		t.Errorf("what was asked for once: %v: did %v", err, did(calls))
	}
}

// What doesn't get there is said, and tried again by the next run.
func TestSnapshotThatIsNotSent(t *testing.T) {
	m := sending(t)
	m.Program("restic", `echo "no route"; exit 1`)
	for range 2 {
		_, stderr, calls, err := m.Run(timed(sender), "", "")
		if line := strings.Join(calls, "\n"); err == nil || !strings.Contains(stderr, "no route") || !strings.Contains(line, "--from-literal last=0 --from-literal error=no route") {
			t.Errorf("found %v, %s, called\n%s", err, stderr, line)
		}
		if slices.Contains(did(calls), "init") {
			t.Error("a bucket that doesn't answer was taken for an empty one")
		}
	}
	m.Program("restic", `case $* in *"cat config"*) echo "Fatal: unable to open config file: Stat: The specified key does not exist."; exit 1 ;; *"snapshots --json"*) echo '[]' ;; esac`)
	if _, stderr, calls, err := m.Run(timed(sender), "", ""); err != nil || !slices.Contains(did(calls), "init") {
		t.Errorf("an empty bucket: %v %s: did %v", err, stderr, did(calls))
	}
}

// Where the cluster can't be asked the next run sees to it, but an upgrade must not take that
// for a snapshot.
func TestSnapshotWithoutAPI(t *testing.T) {
	m := sending(t)
	m.Program("kubectl", `echo "connection refused" >&2; exit 1`)
	if _, stderr, calls, err := m.Run(timed(sender), "", ""); err != nil || len(did(calls)) > 0 {
		t.Errorf("the timer: %v %s: did %v", err, stderr, did(calls))
	}
	if _, stderr, calls, err := m.Run(timed(sender), "upgrade", ""); err == nil || !strings.Contains(stderr, "no snapshot was made") || len(did(calls)) > 0 {
		t.Errorf("an upgrade: %v %s: did %v", err, stderr, did(calls))
	}
}

// A rehearsal that fails is told, and the snapshot is sent all the same.
func TestRehearsalFails(t *testing.T) {
	for what, x := range map[string][2]string{
		"the bucket": {"restic", `case $* in *"snapshots --json"*) echo '[]' ;; *restore*) echo "ciphertext verification failed"; exit 1 ;; esac`},
		"a key":      {"restic", `case $* in *"snapshots --json"*) echo '[]' ;; esac`},
	} {
		m := sending(t)
		m.Program(x[0], x[1])
		_, stderr, calls, err := m.Run(timed(sender), "", "")
		line := strings.Join(calls, "\n")
		want := map[string]string{"the bucket": "unfit=ciphertext verification failed", "a key": "unfit=the snapshot lacks pki/ca.key"}[what]
		if err != nil || !strings.Contains(line, want) || !strings.Contains(line, "rehearsed=0") || strings.Contains(line, "last=0") {
			t.Errorf("%s: %v %s: called\n%s", what, err, stderr, line)
		}
	}
}
