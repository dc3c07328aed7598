package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hybrid/lab/buckets"
	"hybrid/lab/system/paths"
)

// Limits of what is promised of backups.
const (
	// backupLimit is from the database's first day to its first backup.
	backupLimit = 3 * time.Minute
	// restoreLimit is the time until the database of a moment, of 1 GB, leads, and
	// followLimit that until all others follow: they copy what they lack through the mesh.
	restoreLimit = 3 * time.Minute
	followLimit  = 15 * time.Minute
	// keysLimit is from new keys to a backup with them.
	keysLimit = 3 * time.Minute
	// awayFor is how long the bucket is away, and catchUpLimit the time after that until all
	// that was missed is there.
	awayFor, catchUpLimit = 10 * time.Minute, 5 * time.Minute
	// lostLimit is how much of the last changes a stack that ends without a backup may lose.
	lostLimit = 5 * time.Minute
)

// canary is a row whose value must be nowhere in the bucket.
const canary = "canary-4b1f0c6e"

// TestLongBackup goes through the life of a database's backups.
func TestLongBackup(t *testing.T) {
	l := open(t)
	l.steps(t, []part{
		{name: "up", run: func(l *lab) { l.up(l.backedUp(nil)) }},
		{name: "a first backup", run: firstBackup},
		{name: "nothing is in the clear", run: nothingInTheClear},
		{name: "a damaged backup is refused", run: damagedBackup},
		{name: "a table that was dropped", run: droppedTable},
		{name: "other keys", run: otherKeys},
		{name: "the bucket is away", run: bucketAway},
		{name: "destroyed without a clean end", run: destroyedAtOnce},
		{name: "destroyed after a backup", run: destroyedAfterBackup},
	})
}

// backedUp is a variant of the lab's settings with backups.
func (l *lab) backedUp(change func(backup, postgres map[string]any)) string {
	return l.config(func(settings map[string]any) {
		backup, postgres := settings["hybrid:backup"].(map[string]any), settings["hybrid:postgres"].(map[string]any)
		backup["enabled"] = true
		if change != nil {
			change(backup, postgres)
		}
	})
}

// backupsSaid is what `hybrid postgres backups --json` prints.
type backupsSaid struct {
	Backups   []struct{ Label, Type string }
	Error     string
	Lag       float64 // seconds
	Dropped   bool
	Rehearsed int64 // Unix time
	Unfit     string
}

func (l *lab) backups(args ...string) (backupsSaid, error) {
	out, err := l.ask(append([]string{"postgres", "backups", "--json"}, args...)...)
	var b backupsSaid
	if err == nil {
		err = json.Unmarshal([]byte(out), &b)
	}
	return b, err
}

func firstBackup(l *lab) {
	start := time.Now()
	l.eventually(backupLimit, func() error {
		b, err := l.backups()
		if err == nil && len(b.Backups) == 0 {
			err = fmt.Errorf("there is no backup: %+v", b)
		}
		return err
	})
	fmt.Printf("the first backup is there %s after pulumi up\n", time.Since(start).Round(time.Second))
}

// bucket calls a function with each file of the S3 server's, of objects and of what it
// knows of them.
func (l *lab) bucket(see func(path string)) {
	l.Helper()
	root := filepath.Join(l.stack.State, paths.Clouds, buckets.Folder, buckets.Data)
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files++
			see(path)
		}
		return err
	})
	if err != nil || files == 0 {
		l.Fatalf("found %d objects: %v", files, err)
	}
}

func nothingInTheClear(l *lab) {
	cluster, pod := l.leader()
	for _, sql := range []string{
		"CREATE TABLE " + strings.ReplaceAll(canary, "-", "_") + " (word text)",
		"INSERT INTO " + strings.ReplaceAll(canary, "-", "_") + " SELECT '" + canary + "' FROM generate_series(1, 1000)",
		"CHECKPOINT",
	} {
		if out, err := l.psql(cluster, pod, sql); err != nil {
			l.Fatal(err, out)
		}
	}
	if _, err := l.backups("--now=incr"); err != nil {
		l.Fatal(err)
	}
	// It is to be found where it is in the clear.
	if out, err := l.kube("", cluster, "exec", pod, "-c", "postgres", "--", "grep", "-rqa", canary, "/var/lib/psql/data/base"); err != nil {
		l.Fatalf("the canary isn't even in the database's own files: %v: %s", err, out)
	}
	secret := l.secrets()
	l.bucket(func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			l.Error(err)
		}
		for _, word := range append([]string{canary, strings.ReplaceAll(canary, "-", "_")}, secret...) {
			if bytes.Contains(text, []byte(word)) || strings.Contains(path, word) {
				l.Errorf("%s has the canary or a secret in the clear", path)
			}
		}
	})
}

// damagedBackup damages what is largest in the bucket, and sees a rehearsal and a restore
// refuse it, and the database go on.
func damagedBackup(l *lab) {
	mend := l.damage("/backup/psql/")
	for _, args := range [][]string{{"postgres", "backups", "--rehearse"}, {"postgres", "restore", "--to", "latest", "--yes"}} {
		if out, err := l.ask(args...); err == nil || !strings.Contains(err.Error(), "can't be restored") {
			l.Errorf("hybrid %v with a damaged backup: %v: %s", args, err, out)
		}
	}
	l.says("postgresql: the rehearsal of a restore has failed")
	mend()
	l.rehearsal()
	l.streamAgain("a restore was refused", "", seeds)
}

// rehearsedRestore switches backups on, and has a restore of the database rehearsed. The next
// pulumi up switches them off, so the control planes stop trying to send snapshots.
func rehearsedRestore(l *lab) {
	l.up(l.backedUp(nil))
	firstBackup(l)
	l.rehearsal()
	// As docs/backup.md says.
	for cluster := range want {
		l.run(cluster+"-1", "sudo systemctl disable --now hybrid-snapshot.timer && sudo systemctl stop hybrid-snapshot.service; "+
			"sudo kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-system delete --ignore-not-found configmap hybrid-snapshots")
	}
}

// says waits until hybrid status is not healthy for a reason.
func (l *lab) says(reason string) {
	l.Helper()
	l.eventually(time.Minute, func() error {
		out, err := l.ask("status")
		if err != nil && strings.Contains(out, reason) {
			return nil
		}
		return fmt.Errorf("hybrid status doesn't say %q: %v: %s", reason, err, out)
	})
}

// rehearsal has a restore of the database rehearsed.
func (l *lab) rehearsal() {
	l.Helper()
	start := time.Now()
	if _, err := l.backups("--rehearse"); err != nil {
		l.Fatal(err)
	}
	l.eventually(time.Minute, func() error {
		b, err := l.backups()
		if err == nil && (b.Rehearsed < start.Unix()-1 || b.Unfit != "") {
			err = fmt.Errorf("no rehearsal has gone well since %s: %+v", start.UTC().Format(time.TimeOnly), b)
		}
		return err
	})
	fmt.Printf("--- a restore of the database was rehearsed, and known, after %s\n", time.Since(start).Round(time.Second))
}

// damage changes a byte in the middle of the largest object of a part of the
// bucket. The function that it returns puts the object back as it was.
func (l *lab) damage(part string) (mend func()) {
	l.Helper()
	largest, size := "", int64(0)
	l.bucket(func(path string) {
		if info, err := os.Stat(path); err == nil && strings.Contains(path, part) && info.Size() > size {
			largest, size = path, info.Size()
		}
	})
	whole, err := os.ReadFile(largest)
	if err != nil {
		l.Fatal(err)
	}
	damaged := bytes.Clone(whole)
	damaged[len(damaged)/2] ^= 0xff
	if err := os.WriteFile(largest, damaged, 0o600); err != nil {
		l.Fatal(err)
	}
	return func() {
		l.Helper()
		if err := os.WriteFile(largest, whole, 0o600); err != nil {
			l.Fatal(err)
		}
	}
}
