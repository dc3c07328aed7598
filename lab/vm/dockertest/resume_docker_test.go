package dockertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hybrid/lab/vm"

	"github.com/docker/docker/api/types/container"
)

// TestResume takes a lab up again in which a router and a machine have been stopped,
// where a machine doesn't start any more, and another never has.
func TestResume(t *testing.T) {
	l := Open(t)
	ctx := t.Context()
	l.must(l.CreateNetwork(ctx, translated))
	a := l.Machine(vm.Machine{Name: "a", Cloud: "aws", NetworkID: translated.ID, PrivateIP: addr("10.20.0.11")}, "")
	l.must(l.ApplyPolicy(ctx, translated.ID, policy(translated, []vm.PublicAddress{{Public: addr(aPublic), Private: a.PrivateIP}}, a)))
	l.Booted(a)

	unstarted, broken := l.half("machine", "unstarted", "none"), l.half("machine", "broken", "none")
	l.must(l.Docker.ContainerStart(ctx, broken, container.StartOptions{})) // its entrypoint lacks everything
	l.must(Eventually(30*time.Second, func() error { return l.is(broken, container.StateExited) }))
	l.must(l.Docker.ContainerStop(ctx, "hybrid-lab-router-"+translated.ID, container.StopOptions{})) // which Docker leaves off
	l.must(l.Docker.ContainerKill(ctx, "hybrid-lab-a", "KILL"))

	started, err := l.Resume(ctx)
	if fmt.Sprint(started) != "[router a machine a]" {
		t.Errorf("switched on %q, want the router and the machine", started)
	}
	if err == nil || !strings.Contains(err.Error(), "machine broken: ") || strings.Contains(err.Error(), "machine unstarted") {
		t.Errorf("got error %v, want one about the machine that doesn't start", err)
	}
	l.must(l.is(unstarted, container.StateCreated))
	l.listen(a)
	for port, open := range map[int]bool{fromAll: true, fromNobody: false} {
		if err := Eventually(patience(open), func() error { return reaches(aPublic, port, open) }); err != nil {
			t.Errorf("by the router's policy: %v", err)
		}
	}
}

// is wants a container in a state.
func (l *Lab) is(name, state string) error {
	c, err := l.Docker.ContainerInspect(l.Context(), name)
	if err == nil && c.State.Status != state {
		err = fmt.Errorf("%s: got it %s, want %s", name, c.State.Status, state)
	}
	return err
}
