package e2e

import (
	"time"
)

// leaderCut cuts the leader's cloud off: another leads, nothing is lost, and what comes
// back follows without a copy.
func leaderCut(l *lab) {
	old, _ := l.leader()
	l.leaderLost("the leader's cloud was cut off", func() (end func()) {
		network := l.machines(old)[0].NetworkID
		if err := l.host.Cut(l.ctx, network); err != nil {
			l.Fatal(err)
		}
		return func() {
			if err := l.host.Mend(l.ctx, network); err != nil {
				l.Fatal(err)
			}
		}
	})
}

// leaderOff powers it off.
func leaderOff(l *lab) {
	old, _ := l.leader()
	l.leaderLost("the leader's cloud was powered off", func() (end func()) { return l.off(old+"-1", old+"-2") })
}

func (l *lab) leaderLost(what string, lose func() (end func())) {
	l.Helper()
	old, _ := l.leader()
	w := l.startWriter(l.written())
	l.rest(5 * time.Second)
	end := lose()
	l.rest(pauseLimit + 10*time.Second)
	rows := w.end(what, pauseLimit)
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
	// A failover is no change of settings.
	l.must("preview", "--expect-no-changes")
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
		network := l.machines(cluster)[0].NetworkID
		if err := l.host.Cut(l.ctx, network); err != nil {
			l.Fatal(err)
		}
		l.rest(20 * time.Second)
		if err := l.host.Mend(l.ctx, network); err != nil {
			l.Fatal(err)
		}
		l.streamAgain(cluster+" was cut off", old, seeds)
		l.everywhere(w.end(cluster+" was cut off", bystanderLimit))
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
	rows := w.end("the leader's pod was drained", plannedLimit)
	l.streamAgain("the leader's pod was drained", "", seeds)
	l.everywhere(rows)
}
