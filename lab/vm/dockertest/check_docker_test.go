package dockertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hybrid/lab/system/paths"
	"hybrid/lab/vm"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
)

// lab runs the lab's command, which make builds, with a state folder.
func (l *Lab) lab(state string, args ...string) (string, error) {
	l.Helper()
	cache, err := paths.Cache()
	l.must(err)
	cmd := exec.CommandContext(l.Context(), filepath.Join(cache, "bin", "lab"), args...)
	cmd.Env = append(os.Environ(), "HYBRID_LAB_STATE="+state)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// things are the IDs of all containers and networks of any lab, sorted: Docker lists networks
// in any order.
func (l *Lab) things() string {
	l.Helper()
	label := filters.NewArgs(filters.Arg("label", vm.Label))
	containers, err := l.Docker.ContainerList(l.Context(), container.ListOptions{All: true, Filters: label})
	l.must(err)
	networks, err := l.Docker.NetworkList(l.Context(), network.ListOptions{Filters: label})
	l.must(err)
	var ids []string
	for _, c := range containers {
		ids = append(ids, c.ID)
	}
	for _, n := range networks {
		ids = append(ids, n.ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// The lab's command refuses, before it makes or removes anything, to work beside another
// lab; and what its own tests have left it clears away.
func TestOtherStateIsRefused(t *testing.T) {
	l := Open(t)
	l.must(l.CreateNetwork(t.Context(), direct))
	tests := os.Getenv("HYBRID_LAB_STATE")
	own, before := filepath.Dir(tests), l.things()
	for _, command := range []string{"preview", "up", "destroy", "down"} {
		other := t.TempDir()
		out, err := l.lab(other, command)
		if err == nil || !strings.Contains(out, "`HYBRID_LAB_STATE="+own+" make down`") {
			t.Errorf("lab %s with another state: %v: want whose lab it is, found\n%s", command, err, out)
		}
		if strings.Contains(out, "start the lab") {
			t.Errorf("lab %s with another state: the first check doesn't end it:\n%s", command, out)
		}
	}
	if now := l.things(); now != before {
		t.Errorf("there are %s, want %s as before", now, before)
	}
	if out, err := l.lab(own, "down"); err != nil || l.things() != "" {
		t.Errorf("lab down: %v, left are %q\n%s", err, l.things(), out)
	}
}

// Docker itself would say only that addresses overlap, when half is made.
func TestTakenRangeIsNamed(t *testing.T) {
	l := Open(t)
	const name = "hybrid-test-taken"
	made, err := l.Docker.NetworkCreate(t.Context(), name, network.CreateOptions{
		IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: direct.CIDR.String()}}},
	})
	l.must(err)
	defer func() { l.must(l.Docker.NetworkRemove(t.Context(), made.ID)) }()
	out, err := l.lab(filepath.Dir(os.Getenv("HYBRID_LAB_STATE")), "preview")
	if err == nil || !strings.Contains(out, "`docker network rm "+name+"`") || strings.Contains(out, "start the lab") {
		t.Errorf("lab preview: %v: want the network's name from the first check, found\n%s", err, out)
	}
	if err := l.CreateNetwork(t.Context(), direct); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("making the network: got %v, want which other has its addresses", err)
	}
}
