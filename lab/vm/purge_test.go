package vm

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

// remains returns an engine with a container, a network and a volume.
func remains() *engine {
	e := &engine{
		networks: []network.Summary{{ID: "net", Labels: thing(kindNetwork, "net")}},
		volumes:  []*volume.Volume{{Name: "disk"}},
	}
	e.add(kindMachine, "machine", container.StateRunning)
	return e
}

// Docker goes on making a container after the process is killed that has asked for it:
// what is in use is removed with the container when that comes.
func TestPurgeWaits(t *testing.T) {
	for request, refusal := range map[string]int{"DELETE /volumes/disk": http.StatusConflict, "DELETE /networks/net": http.StatusForbidden} {
		t.Run(request, func(t *testing.T) {
			e := remains()
			tries := 0
			e.before = func(r string) int {
				if r != request {
					return 0
				}
				switch tries++; tries {
				case 1:
					return refusal
				case 2:
					e.add(kindMachine, "late", container.StateCreated)
					return refusal
				}
				return 0
			}
			if err := e.open(t).Purge(t.Context(), false); err != nil {
				t.Error(err)
			}
			if len(e.containers)+len(e.networks)+len(e.volumes) != 0 {
				t.Errorf("left are %v, %v, %v", e.containers, e.networks, e.volumes)
			}
		})
	}
}

func TestPurgeReports(t *testing.T) {
	e := remains()
	e.before = func(r string) int {
		if r == "DELETE /volumes/disk" {
			return http.StatusConflict
		}
		return 0
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := e.open(t).Purge(ctx, false); err == nil {
		t.Error("got no error for a volume that stays in use")
	}
	if tries := len(e.asked("GET", "/volumes")); tries < 2 {
		t.Errorf("%d tries, want several", tries)
	}
}

// Another process removes a container, and fails.
func TestRemovalElsewhereFails(t *testing.T) {
	e := remains()
	e.before = func(r string) int {
		if r == "DELETE /containers/machine" {
			return http.StatusConflict
		}
		return 0
	}
	err := e.open(t).removeContainer(t.Context(), "machine")
	if err == nil || !strings.Contains(err.Error(), "container machine: device or resource busy") {
		t.Errorf("got %v, want why it is still there", err)
	}
}
