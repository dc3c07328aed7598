package e2e

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// TestWithoutMembers loses one member cluster after the other, and destroys the stack at
// last. The file's name is the last one in this folder: all other tests share a stack.
func TestWithoutMembers(t *testing.T) {
	l := adopt(t)
	l.steps(t, []part{
		{name: "a member dies", run: memberDies},
		{name: "a dead member leaves", run: deadLeaves, long: true},
		{name: "destroy with dead members", run: destroyDead},
	})
}

// noticed bounds the time until the federation says that a member is gone.
const noticed = time.Minute

func memberDies(l *lab) {
	l.standing()
	l.place(idle("kept", 6), twoToOne)
	l.spread("kept", map[string]int{"frankfurt": 4, "london": 2})
	before, err := l.placed("kept")
	if err != nil {
		l.Fatal(err)
	}
	start := time.Now()
	for _, m := range l.machines("frankfurt") {
		if err := l.host.StopMachine(l.ctx, m.ID); err != nil {
			l.Fatal(err)
		}
	}
	l.eventually(noticed-time.Since(start), func() error {
		members, err := l.members()
		if err == nil && members["frankfurt"].ready {
			err = errors.New("frankfurt is shown Ready")
		}
		return err
	})
	fmt.Printf("--- shown NotReady after %s\n", time.Since(start).Round(100*time.Millisecond))
	l.holds(30*time.Second, func() error {
		members, err := l.members()
		if err != nil {
			return err
		}
		if members["frankfurt"].ready || !members["london"].ready || !members["america"].ready {
			return fmt.Errorf("of the members %v only frankfurt is dead", members)
		}
		now, err := l.placed("kept")
		if err != nil {
			return err
		}
		if !maps.Equal(now, before) {
			return fmt.Errorf("replicas were placed as %v, now as %v", before, now)
		}
		pods, err := l.running("london", "kept")
		if err == nil && len(pods) != 2 {
			err = fmt.Errorf("london runs %d replicas, want the 2 that it had", len(pods))
		}
		return err
	})
}

// deadLeaves takes the dead member out by config.
func deadLeaves(l *lab) {
	l.unchanged(func() { l.refused("frankfurt", updating...) })
	l.up(lost(l, "frankfurt"))
	if err := errors.Join(l.membersReady("london", "america"), l.meshed(remaining("frankfurt-1", "frankfurt-2"))); err != nil {
		l.Error(err)
	}
	l.must("preview", "--expect-no-changes", lost(l, "frankfurt"))
	l.must("preview", "--expect-no-changes", "--run-program", "--refresh", lost(l, "frankfurt"))
	l.up(without(l, "frankfurt"))
}

// destroyDead destroys the rest: frankfurt is off or has left, and now london's
// machines are gone.
func destroyDead(l *lab) {
	for _, m := range l.machines("london") {
		if err := l.host.DeleteMachine(l.ctx, m.ID); err != nil {
			l.Fatal(err)
		}
	}
	l.unchanged(func() { l.refused("london", destroying...) })
	settings := strings.TrimPrefix(lost(l, "frankfurt", "london"), "--config-file=")
	l.Setenv("HYBRID_CONFIG_FILE", settings)
	l.must(destroying...)
	l.empty()
}
