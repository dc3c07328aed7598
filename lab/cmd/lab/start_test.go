package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"hybrid/lab/stack"
	"hybrid/lab/system/paths"
)

// Where nothing is built more is to be written, and what makes room is never refused.
func TestDisk(t *testing.T) {
	project, err := paths.Project()
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{Stack: &stack.Stack{Project: project, Cache: t.TempDir()}}
	for leaving, want := range map[bool]uint64{false: machinesDisk + buildDisk, true: 0} {
		if got, err := l.disk(leaving); err != nil || got != want {
			t.Errorf("leaving is %v: got %d, %v, want %d", leaving, got, err, want)
		}
	}
}

// The lab can be removed although a machine doesn't start.
func TestResume(t *testing.T) {
	broken := errors.New("machine b: no space left on device")
	switchOn := func(context.Context) ([]string, error) { return []string{"machine a"}, broken }
	did, err := resume(t.Context(), switchOn, false)
	if !errors.Is(err, broken) || !slices.Equal(did, []string{"switched on machine a"}) {
		t.Errorf("to use the lab: got %q, %v, want what was done and the error", did, err)
	}
	did, err = resume(t.Context(), switchOn, true)
	if err != nil || len(did) != 2 || !strings.Contains(did[1], broken.Error()) {
		t.Errorf("to remove the lab: got %q, %v, want no error but a word of it", did, err)
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = resume(interrupted, switchOn, true); err == nil {
		t.Error("interrupted: got no error")
	}
}
