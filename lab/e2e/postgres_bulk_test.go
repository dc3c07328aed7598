package e2e

import (
	"fmt"
	"maps"
	"time"
)

const (
	// bulkRows of 1 KB are 2 GB.
	bulkRows = 2_000_000
	// bulkLimit is how long these may take to be confirmed. 8 GB go to another cloud, and the
	// lab's mesh carries some 5 MB a second on two cores that do all the rest, too.
	bulkLimit = 50 * time.Minute
	// levelLimit is the time from there to all replicas having all of it.
	levelLimit = 3 * time.Minute
)

// bulkInserted writes far more at once than replicas can follow. None of them takes a copy,
// and what `hybrid postgres status` says meanwhile of their lag is so.
func bulkInserted(l *lab) {
	cluster, leader := l.leader()
	before, seen := l.copies(), 0
	start := time.Now()
	inserted := make(chan error, 1)
	go func() {
		_, err := l.in(pod{cluster: cluster, node: leader, name: leader}, fmt.Sprintf(
			`psql -X -q -v ON_ERROR_STOP=1 -U postgres -c "CREATE TABLE bulk AS SELECT n, repeat(md5(n::text), 30) FROM generate_series(1, %d) n"`, bulkRows))
		inserted <- err
	}()
	deadline := time.After(bulkLimit)
wait:
	for {
		select {
		case err := <-inserted:
			if err != nil {
				l.Fatal(err)
			}
			break wait
		case <-deadline:
			l.Fatalf("2 GB: not confirmed after %s", bulkLimit)
		case <-time.After(30 * time.Second): // a look takes several seconds of the same cores
			seen = max(seen, l.lagIsTrue())
		}
	}
	say("2 GB were confirmed after %s; a replica was up to %d MB behind", time.Since(start).Round(time.Second), seen>>20)
	if seen == 0 {
		l.Error("no replica has ever been behind: this shows nothing")
	}
	start = time.Now()
	end := l.positions()[leader]
	l.eventually(levelLimit, func() error {
		for name, at := range l.positions() {
			if at < end {
				return fmt.Errorf("%s lacks %d MB", name, (end-at)>>20)
			}
		}
		return l.follow("", seeds)
	})
	say("all replicas were level %s later", time.Since(start).Round(time.Second))
	if after := l.copies(); !maps.Equal(after, before) {
		l.Errorf("a replica has taken a copy: the members' files are\n%v, want\n%v", after, before)
	}
	if _, err := l.psql(cluster, leader, "DROP TABLE bulk"); err != nil {
		l.Error(err)
	}
}

// lagIsTrue compares what status says of the replicas' lag with where they are just before
// and after, and returns the greatest, in bytes.
func (l *lab) lagIsTrue() (greatest int) {
	l.Helper()
	_, leader := l.leader()
	before := l.positions()
	r, err := l.replication()
	if err != nil {
		l.Fatal(err)
	}
	after := l.positions()
	for _, x := range r.Replicas {
		from, ok := before[x.Pod]
		if !ok || x.LagBytes == nil {
			l.Errorf("%s of %s: status doesn't know how far it is behind: %+v, %v", x.Pod, x.Cluster, x, r.Problems)
			continue
		}
		if least, most := before[leader]-after[x.Pod], after[leader]-from; *x.LagBytes < least || *x.LagBytes > most {
			l.Errorf("%s of %s: status says that it lacks %d bytes, want %d to %d", x.Pod, x.Cluster, *x.LagBytes, least, most)
		}
		if *x.LagBytes > 0 && (x.LagSeconds == nil || *x.LagSeconds <= 0) {
			l.Errorf("%s of %s: it lacks %d bytes, and status doesn't say how old its rows are", x.Pod, x.Cluster, *x.LagBytes)
		}
		greatest = max(greatest, *x.LagBytes)
	}
	return greatest
}

// positions are where the members are in the log, in bytes: of the leader what is written,
// of the others what has been replayed.
func (l *lab) positions() map[string]int {
	l.Helper()
	return l.numbers("SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0'::pg_lsn")
}
