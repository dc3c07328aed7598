package e2e

import (
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
