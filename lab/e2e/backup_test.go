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
	// restoreLimit is the time until the database of a moment leads, and is followed.
	restoreLimit = 3 * time.Minute
)

// canary is a row whose value must be nowhere in the bucket.
const canary = "canary-4b1f0c6e"

// TestBackup goes through the life of a database's backups.
func TestBackup(t *testing.T) {
	l := openLong(t)
	l.steps(t, []part{
		{name: "up", run: backedUp},
		{name: "a first backup", run: firstBackup},
		{name: "nothing is in the clear", run: nothingInTheClear},
		{name: "a damaged backup is refused", run: damagedBackup},
		{name: "a table that was dropped", run: droppedTable},
	})
}

// backedUp makes the stack, with backups.
func backedUp(l *lab) {
	l.up(l.config(func(settings map[string]any) {
		backup := settings["hybrid:backup"].(map[string]any)
		backup["enabled"] = true
	}))
}

// backupsSaid is what `hybrid postgres backups --json` prints.
type backupsSaid struct {
	Backups []struct{ Label, Type string }
	Error   string
	Lag     float64
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

// damagedBackup damages what is largest in the bucket, and sees a restore refuse it, and
// the database go on.
func damagedBackup(l *lab) {
	mend := l.damage("/backup/psql/")
	out, err := l.ask("postgres", "restore", "--to", "latest", "--yes")
	if err == nil || !strings.Contains(err.Error(), "can't be restored") {
		l.Errorf("the restore of a damaged backup: %v: %s", err, out)
	}
	mend()
	l.streamAgain("a restore was refused", "", seeds)
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

// droppedTable drops a table under load, and has the database of the moment before.
func droppedTable(l *lab) {
	cluster, pod := l.leader()
	if out, err := l.psql(cluster, pod, "CREATE TABLE IF NOT EXISTS acked (n integer PRIMARY KEY); INSERT INTO acked VALUES (0) ON CONFLICT DO NOTHING"); err != nil {
		l.Fatal(err, out)
	}
	w := l.startWriter(l.written())
	l.rest(5 * time.Second)
	moment, err := l.psql(cluster, pod, "SET timezone = 'UTC'; SELECT to_json(clock_timestamp())#>>'{}'")
	if err != nil {
		l.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339Nano, moment)
	if err != nil {
		l.Fatal(err)
	}
	l.rest(3 * time.Second)
	if out, err := l.psql(cluster, pod, "DROP TABLE acked"); err != nil {
		l.Fatal(err, out)
	}
	acked := w.stop()
	start := time.Now()
	out, err := l.ask("postgres", "restore", "--to", moment, "--yes")
	if err != nil {
		l.Fatal(err, out)
	}
	took := time.Since(start)
	fmt.Printf("restored to a moment in %s\n%s", took.Round(time.Second), out)
	if took > restoreLimit {
		l.Errorf("the restore took %s, want at most %s", took, restoreLimit)
	}
	cluster, pod = l.leader()
	text, err := l.psql(cluster, pod, "SELECT n FROM acked")
	if err != nil {
		l.Fatal(err)
	}
	rows := map[string]bool{}
	for _, n := range strings.Fields(text) {
		rows[n] = true
	}
	before, after := 0, 0
	for i, row := range acked {
		there := rows[fmt.Sprint(row.n)]
		switch {
		case row.at.Before(at):
			if before++; !there {
				l.Errorf("row %d was confirmed before %s, and is lost", row.n, moment)
			}
		case i > 0 && acked[i-1].at.After(at): // it was begun after that
			if after++; there {
				l.Errorf("row %d is from after %s", row.n, moment)
			}
		}
	}
	if before == 0 || after == 0 {
		l.Errorf("%d rows were written before the moment, and %d after it: want some of both", before, after)
	}
	l.streamAgain("the database was restored", "london", seeds)
	if out, err := l.ask("postgres", "restore", "--confirm"); err != nil {
		l.Error(err, out)
	}
}
