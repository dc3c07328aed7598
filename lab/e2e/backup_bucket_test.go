package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"hybrid/lab/buckets"
	"hybrid/lab/system/docker"
	"hybrid/lab/system/paths"
)

// What bucketAway sets, and what may be on the leader's disk of the log, in MB: what waits for
// the bucket; what is written until pgBackRest looks again, which it does each minute or two;
// and what PostgreSQL keeps in any case.
const (
	maxWAL    = 64
	wroteMost = 200
	keptWAL   = 8 + 16 // max_wal_size and wal_keep_size
)

// otherBounds are settings with other keys, and with bounds that ten minutes of a test reach.
func (l *lab) otherBounds() string {
	return l.backedUp(func(backup, _ map[string]any) {
		backup["keyGeneration"], backup["maxWal"], backup["maxLagMinutes"] = 2, strconv.Itoa(maxWAL)+"MB", 2
	})
}

// cloudHas is what a cloud has of buckets and keys.
func (l *lab) cloudHas(cloud string) buckets.Cloud {
	l.Helper()
	has, err := buckets.Read(filepath.Join(l.stack.State, paths.Clouds), cloud)
	if err != nil {
		l.Fatal(err)
	}
	return has
}

// enter reads the bucket from the leader's pod, with given keys.
func (l *lab) enter(access, secret string) error {
	cluster, pod := l.leader()
	_, err := l.kube("export PGBACKREST_REPO1_S3_KEY="+access+" PGBACKREST_REPO1_S3_KEY_SECRET="+secret+
		"\npgbackrest --config=/etc/psql/backup/pgbackrest.conf --stanza=psql repo-ls archive/psql >&2",
		cluster, "exec", "-i", pod, "-c", "postgres", "--", "sh")
	return err
}

// otherKeys has the access keys exchanged under load.
func otherKeys(l *lab) {
	old := l.cloudHas("aws").Keys
	if len(old) == 0 {
		l.Fatal("the cloud has no keys")
	}
	for access, secret := range old {
		if err := l.enter(access, secret); err != nil {
			l.Fatalf("the keys that count don't open the bucket: %v", err)
		}
	}
	l.acked()
	w := l.startWriter(l.written())
	l.up(l.otherBounds())
	start := time.Now()
	for access := range l.cloudHas("aws").Keys {
		if old[access] != "" {
			l.Errorf("the cloud knows the key %s still", access)
		}
		cluster, pod := l.leader()
		l.eventually(keysLimit, func() error {
			_, err := l.kube("", cluster, "exec", pod, "-c", "postgres", "--", "grep", "-q", access, "/etc/psql/backup/pgbackrest.conf")
			return err
		})
	}
	l.wellBackedUp(keysLimit)
	if _, err := l.backups("--now=incr"); err != nil {
		l.Error(err)
	}
	fmt.Printf("--- a backup by the new keys was there %s after pulumi up\n", time.Since(start).Round(time.Second))
	rows, _ := w.end("the keys were exchanged", bystanderLimit)
	l.everywhere(rows)
	for access, secret := range old {
		if err := l.enter(access, secret); err == nil || !strings.Contains(err.Error(), "403") {
			l.Errorf("with the old keys: %v, want 403", err)
		}
	}
}

// wellBackedUp waits until the bucket has all but the last minute, without a gap.
func (l *lab) wellBackedUp(within time.Duration) {
	l.Helper()
	l.eventually(within, func() error {
		b, err := l.backups()
		if err == nil && (b.Error != "" || b.Dropped || b.Lag > 60) {
			err = fmt.Errorf("the backups are %+v", b)
		}
		return err
	})
}

// holdBucket pauses the S3 server. The function that it returns lets it go on.
func (l *lab) holdBucket() (release func()) {
	l.Helper()
	client, err := docker.Connect(l.ctx)
	if err == nil {
		err = client.ContainerPause(l.ctx, "hybrid-lab-s3")
	}
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		client.ContainerUnpause(context.Background(), "hybrid-lab-s3") // unless it goes on already
		client.Close()
	})
	return func() {
		l.Helper()
		if err := client.ContainerUnpause(l.ctx, "hybrid-lab-s3"); err != nil {
			l.Fatal(err)
		}
	}
}

// bucketAway holds the bucket for ten minutes under load.
func bucketAway(l *lab) {
	l.eventually(2*time.Minute, func() error { _, err := l.ask("status"); return err })
	before, err := l.backups()
	if err != nil {
		l.Fatal(err)
	}
	metrics := scrape(l.TB.(*testing.T), l)
	cluster, pod := l.acked()
	if out, err := l.psql(cluster, pod, "CREATE TABLE load (word text)"); err != nil {
		l.Fatal(err, out)
	}
	w := l.startWriter(l.written())
	release := l.holdBucket()
	start, red, most, wrote := time.Now(), false, 0, 0
	for time.Since(start) < awayFor {
		// Some 13 MB of the log, and the same few on the disks.
		sizes, err := l.psql(cluster, pod, `BEGIN; TRUNCATE load; INSERT INTO load SELECT md5(random()::text) FROM generate_series(1, 150000); COMMIT;
SELECT (sum(size) / 1048576)::integer, (pg_current_wal_lsn() - '0/0') / 1048576 FROM pg_ls_waldir()`)
		if err != nil {
			l.Fatal(err)
		}
		has, at, _ := strings.Cut(sizes, "|")
		waldir, wrong := strconv.Atoi(has)
		position, alsoWrong := strconv.ParseFloat(at, 64)
		if err := errors.Join(wrong, alsoWrong); err != nil {
			l.Fatal(sizes, err)
		}
		if most = max(most, waldir); wrote == 0 {
			wrote = -int(position)
		}
		if !red && time.Since(start) > 4*time.Minute {
			red = true
			l.says("postgresql: what was committed ")
			metrics.shows(l, "PostgreSQLArchiveLags")
		}
		if time.Since(start) > awayFor-10*time.Second {
			wrote += int(position)
		}
		l.rest(5 * time.Second)
	}
	l.says("postgresql: ")
	metrics.shows(l, "PostgreSQLArchiveLags")
	release()
	back := time.Now()
	fmt.Printf("--- without a bucket for %s: %d MB of the log were written, at most %d were on the disk\n", time.Since(start).Round(time.Second), wrote, most)
	if limit := maxWAL + wroteMost + keptWAL; most > limit || wrote < limit {
		l.Errorf("at most %d MB of the log were on the disk of %d that were written: want at most %d, of more", most, wrote, limit)
	}
	l.eventually(catchUpLimit, func() error {
		b, err := l.backups()
		if err == nil && (b.Error != "" || b.Dropped || b.Lag > 60 || len(b.Backups) <= len(before.Backups)) {
			err = fmt.Errorf("what was missed isn't there: %+v", b)
		}
		return err
	})
	fmt.Printf("--- all is in the bucket again, with a backup over what was dropped, after %s\n", time.Since(back).Round(time.Second))
	l.eventually(time.Minute, func() error { _, err := l.ask("status"); return err })
	metrics.healthy(l)
	rows, _ := w.end("the bucket was away", bystanderLimit)
	l.everywhere(rows)
	l.rehearsal()
}

// shows waits until a problem of a kind is there.
func (s *scraped) shows(l *lab, kind string) {
	l.Helper()
	l.eventually(shownLimit, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, ok := s.problems[kind]; !ok {
			return fmt.Errorf("the exporter shows no %s: %v", kind, s.problems)
		}
		return nil
	})
}
