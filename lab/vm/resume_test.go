package vm

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

func TestSwitchOn(t *testing.T) {
	e := &engine{}
	for id, state := range map[string]string{
		"half": container.StateCreated, "going": container.StateRemoving, "dead": container.StateDead,
		"on": container.StateRunning, "off": container.StateExited, "off-too": container.StateExited,
	} {
		e.add(kindMachine, id, state)
	}
	e.add(kindRouter, "router", container.StateExited)
	e.add(kindRouter, "half-router", container.StateCreated)
	got, err := e.open(t).switchOn(t.Context())
	if err != nil {
		t.Error(err)
	}
	if want := []string{"router router-name", "machine off-name", "machine off-too-name"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if asked := e.asked("POST", "/start"); len(asked) != 3 || asked[0] != "POST /containers/router/start" {
		t.Errorf("started %q, want those three, the router first", asked)
	}
	if ready := e.asked("EXEC", "lab-router ready"); len(ready) != 1 {
		t.Error("the router was not waited for")
	}
}

// Docker may not freeze all of a machine's processes at its first try.
func TestPauseTriesAgain(t *testing.T) {
	e := &engine{}
	e.add(kindMachine, "busy", container.StateRunning)
	refusals := 2
	e.before = func(request string) int {
		if strings.HasSuffix(request, "/pause") && refusals > 0 {
			refusals--
			return http.StatusInternalServerError
		}
		return 0
	}
	if err := e.open(t).PauseMachine(t.Context(), "busy"); err != nil {
		t.Error(err)
	}
	if state := e.containers[0].State; state != container.StatePaused {
		t.Errorf("the machine is %s", state)
	}
}

func TestSwitchOnFails(t *testing.T) {
	e := &engine{}
	e.add(kindMachine, "broken", container.StateExited)
	e.add(kindMachine, "gone", container.StateExited)
	e.add(kindMachine, "going", container.StateExited)
	e.add(kindMachine, "off", container.StateExited)
	e.before = func(request string) int {
		switch request {
		case "POST /containers/broken/start":
			return http.StatusInternalServerError
		case "POST /containers/gone/start": // removed since it was listed
			e.mu.Lock()
			defer e.mu.Unlock()
			e.containers = slices.DeleteFunc(e.containers, func(c container.Summary) bool { return c.ID == "gone" })
		case "POST /containers/going/start":
			e.mu.Lock()
			defer e.mu.Unlock()
			i := slices.IndexFunc(e.containers, func(c container.Summary) bool { return c.ID == "going" })
			e.containers[i].State = container.StateRemoving
			return http.StatusConflict
		}
		return 0
	}
	got, err := e.open(t).switchOn(t.Context())
	if err == nil || !strings.Contains(err.Error(), "machine broken-name: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got error %v, want one, about the machine that doesn't start", err)
	}
	if want := []string{"machine off-name"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
