package e2e

import (
	"fmt"
	"testing"
	"time"
)

// What is promised of the pause of writes is a median: of as many in a row, when the leader's
// cloud is lost, when its PostgreSQL dies, and when another one is to lead.
const (
	failovers      = 10
	largeFailovers = 3 // of a large database
	medianLost     = 22 * time.Second
	medianKilled   = 6 * time.Second
	medianChosen   = 5 * time.Second
)

// TestLongFailovers takes the lead from the leader again and again, in all ways. `make e2e-long`
// runs it.
func TestLongFailovers(t *testing.T) {
	l := adopt(t)
	l.steps(t, []part{
		{name: "up", run: postgresUp},
		{name: "nothing waits", run: lossReported},
		{name: "switched over", run: func(l *lab) {
			again(l, "switched over", failovers, medianChosen, func(string) time.Duration { return switchOver(l, elsewhere(l)) })
		}},
		{name: "killed", run: func(l *lab) {
			again(l, "killed", failovers, medianKilled, func(what string) time.Duration { return leaderKilled(l, what) })
		}},
		{name: "cut off", run: func(l *lab) { lostAgain(l, "cut off", failovers, cut) }},
		{name: "powered off", run: func(l *lab) { lostAgain(l, "powered off", failovers, powerOff) }},
		{name: "cut off, far from each other", run: func(l *lab) {
			l.command("link", "far")
			defer l.command("link", "near")
			lostAgain(l, "cut off, far from each other", failovers, cut)
		}},
		{name: "filled", run: filled},
		{name: "cut off with 5 GB", run: func(l *lab) { lostAgain(l, "cut off with 5 GB", largeFailovers, cut) }},
		{name: "powered off with 5 GB", run: func(l *lab) { lostAgain(l, "powered off with 5 GB", largeFailovers, powerOff) }},
		{name: "emptied", run: emptied},
		{name: "switched over to london", run: switchedOver},
	})
	l.leave()
}

func lostAgain(l *lab, what string, times int, lose func(*lab, string) (end func())) {
	again(l, what, times, medianLost, func(what string) time.Duration { return leaderLost(l, what, lose) })
}

// again does the same so many times, and looks at the median of the pauses.
func again(l *lab, what string, times int, most time.Duration, do func(what string) time.Duration) {
	var pauses []time.Duration
	for i := range times {
		if l.Failed() {
			return
		}
		pauses = append(pauses, do(fmt.Sprintf("%s, %d of %d", what, i+1, times)))
	}
	if m := median(pauses); m > most {
		l.Errorf("%s: the median of the pauses is %s, want at most %s: %v", what, m, most, pauses)
	} else {
		say("%s: the median of the pauses is %s: %v", what, m, pauses)
	}
}

// elsewhere is the cluster with members of the database that doesn't lead.
func elsewhere(l *lab) string {
	if now, _ := l.leader(); now == "london" {
		return "frankfurt"
	}
	return "london"
}

// leaderKilled kills the leader's PostgreSQL, as the kernel does where memory is short.
func leaderKilled(l *lab, what string) time.Duration {
	cluster, name := l.leader()
	w := l.startWriter(l.written())
	l.rest(5 * time.Second)
	killed := time.Now()
	if _, err := l.in(pod{cluster: cluster, node: name, name: name}, "kill -9 $(head -n 1 /var/lib/psql/data/postmaster.pid)"); err != nil {
		l.Fatal(err)
	}
	w.again(killed.Add(time.Second), pauseLimit)
	l.rest(5 * time.Second)
	rows, pause := w.end(what, plannedLimit)
	l.streamAgain(what, "", seeds)
	l.everywhere(rows)
	return pause
}
