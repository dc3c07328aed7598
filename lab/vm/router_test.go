package vm

import (
	"context"
	"errors"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// A policy that has begun to be applied is applied.
func TestApplyPolicyInterrupted(t *testing.T) {
	e := &engine{networks: []network.Summary{{ID: "n", Labels: thing(kindNetwork, "n")}}}
	e.add(kindRouter, "n", container.StateRunning)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e.before = func(request string) int {
		if request == "PUT /containers/n/archive" {
			cancel()
		}
		return 0
	}
	h := e.open(t)
	if err := h.ApplyPolicy(ctx, "n", Policy{}); err != nil {
		t.Error(err)
	}
	if applied := e.asked("EXEC", "lab-router apply"); len(applied) != 1 {
		t.Error("the policy wasn't applied")
	}
	if err := h.ApplyPolicy(ctx, "n", Policy{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the interruption: got %v, want %v", err, context.Canceled)
	}
}
