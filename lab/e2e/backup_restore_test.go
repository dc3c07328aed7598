package e2e

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// gigabyte is the size of the database that is restored.
const gigabyte = 1_000_000_000

// fill makes the database as large as that: one of 140 MB, and copies of it, which each
// member makes by itself.
func (l *lab) fill() {
	l.Helper()
	cluster, pod := l.leader()
	run := func(sql string) string {
		l.Helper()
		out, err := l.psql(cluster, pod, sql)
		if err != nil {
			l.Fatal(err)
		}
		return out
	}
	run("CREATE DATABASE big")
	run(`\connect big
CREATE TABLE big (a text, b text, c text, d text)`)
	for range 8 { // few at a time: each request to a cluster ends after 30 s
		run(`\connect big
INSERT INTO big SELECT md5(random()::text), md5(random()::text), md5(random()::text), md5(random()::text) FROM generate_series(1, 100000)`)
	}
	for i := range 7 {
		run(fmt.Sprintf("CREATE DATABASE big%d TEMPLATE big STRATEGY FILE_COPY", i))
	}
	size, err := strconv.Atoi(run("SELECT sum(pg_database_size(oid)) FROM pg_database"))
	if err != nil || size < gigabyte {
		l.Fatalf("the database has %d bytes, %v; want %d", size, err, gigabyte)
	}
	fmt.Printf("--- the database has %d MB\n", size/1_000_000)
}

// unfill takes all of that away, from the next restores as well.
func (l *lab) unfill() {
	l.Helper()
	cluster, pod := l.leader()
	drop := "DROP DATABASE big"
	for i := range 7 {
		drop += fmt.Sprintf(";\nDROP DATABASE big%d", i)
	}
	if _, err := l.psql(cluster, pod, drop); err != nil {
		l.Fatal(err)
	}
	if _, err := l.backups("--now=full"); err != nil {
		l.Fatal(err)
	}
}

// droppedTable drops a table under load, and has the database of the second before.
func droppedTable(l *lab) {
	l.fill()
	if _, err := l.backups("--now=incr"); err != nil {
		l.Fatal(err)
	}
	cluster, pod := l.acked()
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
	l.rest(time.Second)
	if out, err := l.psql(cluster, pod, "DROP TABLE acked"); err != nil {
		l.Fatal(err, out)
	}
	acked := w.stop()
	start := time.Now()
	out, err := l.ask("postgres", "restore", "--to", moment, "--yes", "--wait", "1s")
	if err != nil {
		l.Fatal(err, out)
	}
	took := time.Since(start)
	fmt.Printf("restored to a moment in %s\n%s", took.Round(time.Second), out)
	if took > restoreLimit {
		l.Errorf("the restore took %s, want at most %s", took, restoreLimit)
	}
	rows := l.ackedRows()
	before, after := 0, 0
	for i, row := range acked {
		switch {
		case row.at.Before(at):
			if before++; !rows[row.n] {
				l.Errorf("row %d was confirmed before %s, and is lost", row.n, moment)
			}
		case i > 0 && acked[i-1].at.After(at): // it was begun after that
			if after++; rows[row.n] {
				l.Errorf("row %d is from after %s", row.n, moment)
			}
		}
	}
	if before == 0 || after == 0 {
		l.Errorf("%d rows were written before the moment, and %d after it: want some of both", before, after)
	}
	l.eventually(followLimit, func() error { return l.follow("london", seeds) })
	fmt.Printf("--- all members follow %s after the restore was asked for\n", time.Since(start).Round(time.Second))
	if out, err := l.ask("postgres", "restore", "--confirm"); err != nil {
		l.Error(err, out)
	}
	l.unfill()
}

// acked makes the table that writers write into, and returns the leader.
func (l *lab) acked() (cluster, pod string) {
	l.Helper()
	cluster, pod = l.leader()
	if out, err := l.psql(cluster, pod, "CREATE TABLE IF NOT EXISTS acked (n integer PRIMARY KEY); INSERT INTO acked VALUES (0) ON CONFLICT DO NOTHING"); err != nil {
		l.Fatal(err, out)
	}
	return cluster, pod
}

// ackedRows are the numbers of those that the leader has.
func (l *lab) ackedRows() map[int]bool {
	l.Helper()
	cluster, pod := l.leader()
	text, err := l.psql(cluster, pod, "SELECT n FROM acked")
	if err != nil {
		l.Fatal(err)
	}
	rows := map[int]bool{}
	for _, word := range strings.Fields(text) {
		n, err := strconv.Atoi(word)
		if err != nil {
			l.Fatal(err)
		}
		rows[n] = true
	}
	return rows
}

// destroyedAtOnce ends the stack without a last backup.
func destroyedAtOnce(l *lab) {
	l.acked()
	w := l.startWriter(l.written())
	l.rest(90 * time.Second) // more than a segment of the log may wait to be sent
	l.reborn(w.stop(), lostLimit)
}

// destroyedAfterBackup ends it after one.
func destroyedAfterBackup(l *lab) {
	w := l.startWriter(l.written())
	l.rest(20 * time.Second)
	acked := w.stop()
	if _, err := l.backups("--now"); err != nil {
		l.Fatal(err)
	}
	l.reborn(acked, 0)
}

// storeBucket is the name of the stack's bucket.
func (l *lab) storeBucket() string {
	l.Helper()
	out, err := l.stack.Output(l.ctx, "stack", "output", "backup", "--json")
	var store struct{ Bucket string }
	if err == nil {
		err = json.Unmarshal(out, &store)
	}
	if err != nil || store.Bucket == "" {
		l.Fatalf("the stack's outputs don't say what its bucket is: %v: %s", err, out)
	}
	return store.Bucket
}

// reborn destroys the stack, makes it again from its bucket, and checks that it has the
// rows that were acknowledged, but for those of so long before the end.
func (l *lab) reborn(acked []row, may time.Duration) {
	l.Helper()
	bucket, end := l.storeBucket(), time.Now()
	l.must("destroy", "--yes", "--skip-preview")
	l.up(l.backedUp(func(backup, postgres map[string]any) {
		backup["existing"] = bucket
		postgres["restoreFrom"] = map[string]any{"bucket": bucket}
	}))
	l.streamAgain("restored from the bucket", "london", seeds)
	rows := l.ackedRows()
	lost, since := 0, end
	for _, row := range acked {
		if rows[row.n] {
			continue
		}
		if lost++; row.at.Before(since) {
			since = row.at
		}
	}
	fmt.Printf("--- of %d rows that were acknowledged %d are lost, from the last %s before the end\n", len(acked), lost, end.Sub(since).Round(time.Second))
	if lost > 0 && end.Sub(since) > may {
		l.Errorf("a row that was acknowledged %s before the end is lost: want none of more than %s", end.Sub(since), may)
	}
	// It goes on where the other has ended: in the same bucket.
	l.eventually(backupLimit, func() error {
		b, err := l.backups()
		if err == nil && (len(b.Backups) == 0 || b.Error != "") {
			err = fmt.Errorf("the backups are %+v", b)
		}
		return err
	})
	l.rehearsal()
}
