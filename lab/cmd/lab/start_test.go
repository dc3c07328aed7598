package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

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
