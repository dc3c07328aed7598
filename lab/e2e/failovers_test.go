package e2e

import (
	"fmt"
	"testing"
	"time"
)

// What is promised of the pause of writes when the leader's cloud is lost is a median: of as
// many losses in a row.
const (
	failovers   = 10
	medianPause = 22 * time.Second
)

// TestLongFailovers loses the leader's cloud again and again, in all ways. `make e2e-long` runs
// it.
func TestLongFailovers(t *testing.T) {
	l := open(t)
	l.steps(t, []part{
		{name: "up", run: postgresUp},
		{name: "cut off", run: func(l *lab) { failOver(l, "cut off", cut) }},
		{name: "powered off", run: func(l *lab) { failOver(l, "powered off", powerOff) }},
		{name: "cut off, far from each other", run: func(l *lab) {
			l.command("link", "far")
			defer l.command("link", "near")
			failOver(l, "cut off, far from each other", cut)
		}},
	})
}

func failOver(l *lab, what string, lose func(*lab, string) (end func())) {
	var pauses []time.Duration
	for i := range failovers {
		if l.Failed() {
			return
		}
		pauses = append(pauses, leaderLost(l, fmt.Sprintf("%s, %d of %d", what, i+1, failovers), lose))
	}
	if m := median(pauses); m > medianPause {
		l.Errorf("%s: the median of the pauses is %s, want at most %s: %v", what, m, medianPause, pauses)
	} else {
		say("%s: the median of the pauses is %s: %v", what, m, pauses)
	}
}
