package e2e

import (
	"fmt"
	"maps"
	"time"
)

// leaderCut cuts the leader's cloud off: another leads, nothing is lost, and what comes
// back follows without a copy.
func leaderCut(l *lab) {
	leaderLost(l, "the leader's cloud was cut off", cut)
	// A failover is no change of settings.
	l.must("preview", "--expect-no-changes")
}

// leaderOff powers it off.
func leaderOff(l *lab) {
	leaderLost(l, "the leader's cloud was powered off", powerOff)
	l.must("preview", "--expect-no-changes")
}

// cut cuts a cluster's cloud off, until the returned function is called.
func cut(l *lab, cluster string) (end func()) {
	network := l.machines(cluster)[0].NetworkID
	if err := l.host.Cut(l.ctx, network); err != nil {
		l.Fatal(err)
	}
	return func() {
		if err := l.host.Mend(l.ctx, network); err != nil {
			l.Fatal(err)
		}
	}
}

func powerOff(l *lab, cluster string) (end func()) { return l.off(cluster+"-1", cluster+"-2") }

// leaderLost takes the leader's cloud away, and returns how long writes paused.
func leaderLost(l *lab, what string, lose func(*lab, string) (end func())) time.Duration {
	old, _ := l.leader()
	copies := l.copies()
	w := l.startWriter(l.written())
	l.rest(5 * time.Second)
	lost := time.Now()
	w.since = lost
	end := lose(l, old)
	w.again(lost.Add(5*time.Second), pauseLimit+10*time.Second)
	// The old leader may not take any meanwhile.
	l.rest(10 * time.Second)
	rows, pause := w.end(what, pauseLimit)
	now, pod := l.leader()
	if now == old {
		l.Errorf("%s leads still", now)
	}
	if err := l.has(now, pod, rows); err != nil {
		l.Error(err)
	}
	end()
	l.streamAgain(what, "", seeds)
	l.everywhere(rows)
	if after := l.copies(); !maps.Equal(after, copies) {
		l.Errorf("%s: what came back has taken a copy: the members' files are\n%v, want\n%v", what, after, copies)
	}
	return pause
}

// lossReported cuts the leader's cloud off while commits wait for no replica. What clients
// beside it write until it gives up is lost, and status says how much that is.
func lossReported(l *lab) {
	l.up(l.postgres(map[string]any{"durability": "none"}))
	old, pod := l.leader()
	w := l.startWriterIn(old, l.written())
	l.rest(5 * time.Second)
	end := cut(l, old)
	l.eventually(pauseLimit, func() error {
		r, err := l.replication()
		if err == nil && (r.Leader == nil || r.Leader.Cluster == old) {
			err = fmt.Errorf("no other cluster leads: %v", r.Problems)
		}
		return err
	})
	end()
	l.streamAgain("the leader's cloud was cut off, and commits wait for no replica", "", seeds)
	var rows []int
	for _, r := range w.stop() {
		rows = append(rows, r.n)
	}
	lost, err := l.lacks(old, pod, rows)
	if err != nil {
		l.Fatal(err)
	}
	r, err := l.replication()
	if err != nil {
		l.Fatal(err)
	}
	// It may have committed one that its client didn't hear of.
	if n := len(lost); n == 0 || len(r.Losses) != 1 || r.Losses[0].Cluster != old || r.Losses[0].Commits < n || r.Losses[0].Commits > n+1 {
		l.Errorf("%d confirmed rows are lost; status says %+v", n, r.Losses)
	}
	say("%d of %d confirmed rows are lost, and status says %+v", len(lost), len(rows), r.Losses)
	l.up()
}

// otherCut cuts a cloud off in which no member leads.
func otherCut(l *lab) {
	old, _ := l.leader()
	for _, cluster := range []string{"london", "frankfurt"} {
		if cluster == old {
			continue
		}
		w := l.startWriter(l.written())
		l.rest(5 * time.Second)
		end := cut(l, cluster)
		l.rest(20 * time.Second)
		end()
		l.streamAgain(cluster+" was cut off", old, seeds)
		rows, _ := w.end(cluster+" was cut off", bystanderLimit)
		l.everywhere(rows)
	}
}

// awayTooLong cuts a cloud off until the leader has removed the log that its members need. These
// members take new copies by themselves, and the others keep theirs.
func awayTooLong(l *lab) {
	l.up(l.parameter("max_slot_wal_keep_size", "16MB"))
	leads, leader := l.leader()
	away := elsewhere(l)
	before := l.copies()
	end := cut(l, away)
	// 60 MB, which the others have before the leader looks what may go.
	for _, sql := range []string{"CREATE TABLE away AS SELECT n, repeat(md5(n::text), 30) FROM generate_series(1, 60000) n", "CHECKPOINT", "DROP TABLE away; CHECKPOINT"} {
		if out, err := l.psql(leads, leader, sql); err != nil {
			l.Fatal(err, out)
		}
	}
	written, err := l.psql(leads, leader, "SELECT pg_current_wal_lsn()")
	if err != nil {
		l.Fatal(err)
	}
	l.eventually(streamLimit, func() error {
		kept, err := l.psql(leads, leader, "SELECT count(*) FROM pg_replication_slots WHERE wal_status <> 'lost' AND restart_lsn < '"+written+"'")
		if err == nil && kept != "0" {
			err = fmt.Errorf("%s still keeps what %s members lack", leader, kept)
		}
		return err
	})
	end()
	l.eventually(2*streamLimit, func() error { return l.follow(leads, seeds) })
	after, at := l.copies(), l.databasePods()
	for member := range at {
		if renewed := after[member[1]] != before[member[1]]; renewed != (member[0] == away) {
			l.Errorf("%s of %s has taken a copy: %t", member[1], member[0], renewed)
		}
	}
	l.up()
}

// leaderDrained evicts the leader: it hands over first.
func leaderDrained(l *lab) {
	cluster, pod := l.leader()
	w := l.startWriter(l.written())
	l.rest(5 * time.Second)
	if _, err := l.kube("", cluster, "delete", "pod", pod, "--wait=false"); err != nil {
		l.Fatal(err)
	}
	l.rest(15 * time.Second)
	rows, _ := w.end("the leader's pod was drained", plannedLimit)
	l.streamAgain("the leader's pod was drained", "", seeds)
	l.everywhere(rows)
}
