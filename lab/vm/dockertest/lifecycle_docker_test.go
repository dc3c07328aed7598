package dockertest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"hybrid/lab/system/docker"
	"hybrid/lab/vm"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"
)

// left lists everything in Docker that has the lab's label.
func (l *Lab) left() []string {
	l.Helper()
	ctx, label := context.Background(), filters.NewArgs(filters.Arg("label", docker.Label))
	var out []string
	containers, err := l.Docker.ContainerList(ctx, container.ListOptions{All: true, Filters: label})
	l.must(err)
	for _, c := range containers {
		out = append(out, "container "+strings.Join(c.Names, ","))
	}
	networks, err := l.Docker.NetworkList(ctx, network.ListOptions{Filters: label})
	l.must(err)
	for _, n := range networks {
		out = append(out, "network "+n.Name)
	}
	volumes, err := l.Docker.VolumeList(ctx, volume.ListOptions{Filters: label})
	l.must(err)
	for _, v := range volumes.Volumes {
		out = append(out, "volume "+v.Name)
	}
	slices.Sort(out)
	return out
}

func (l *Lab) wantNothingLeft(after string) {
	l.Helper()
	if left := l.left(); len(left) > 0 {
		l.Errorf("after %s: left are %q", after, left)
	}
}

func TestLifecycle(t *testing.T) {
	l := Open(t)
	ctx := t.Context()
	machine := vm.Machine{ID: "i-1", Name: "one", Cloud: "aws", NetworkID: translated.ID, PrivateIP: addr("10.20.0.11"),
		UserData: "#cloud-config\n{}\n", MetaData: "instance-id: i-1\n"}

	t.Run("what isn't there", func(t *testing.T) {
		_, noNetwork := l.Network(ctx, "none")
		_, noMachine := l.Host.Machine(ctx, "none")
		for what, err := range map[string]error{
			"Network": noNetwork, "Machine": noMachine, "StartMachine": l.StartMachine(ctx, "none"),
			"ApplyPolicy": l.ApplyPolicy(ctx, "none", vm.Policy{}), "CreateMachine": l.CreateMachine(ctx, machine),
			"Cut": l.Cut(ctx, "none"),
		} {
			if !errors.Is(err, vm.ErrNotFound) {
				t.Errorf("%s: got %v, want %v", what, err, vm.ErrNotFound)
			}
		}
		l.must(l.DeleteNetwork(ctx, "none"))
		l.must(l.DeleteMachine(ctx, "none"))
		l.wantNothingLeft("all that")
	})
	t.Run("network", func(t *testing.T) {
		l.must(l.CreateNetwork(ctx, translated))
		l.must(l.CreateNetwork(ctx, translated))
		if n, err := l.Network(ctx, translated.ID); err != nil || *n != translated {
			t.Errorf("got %+v, %v, want %+v", n, err, translated)
		}
		other := translated
		other.CIDR = prefix("10.99.0.0/16")
		if err := l.CreateNetwork(ctx, other); err == nil || !strings.Contains(err.Error(), "exists with the range 10.20.0.0/16") {
			t.Errorf("another range: got %v", err)
		}
		overlapping := vm.Network{ID: "subnet-o", CIDR: prefix("10.20.128.0/20")}
		if err := l.CreateNetwork(ctx, overlapping); err == nil || !strings.Contains(err.Error(), "10.20.128.0/20") {
			t.Errorf("an overlapping range: got %v", err)
		}
		l.must(l.Docker.ContainerRemove(ctx, "hybrid-lab-router-"+translated.ID, container.RemoveOptions{Force: true}))
		if _, err := l.Network(ctx, translated.ID); !errors.Is(err, vm.ErrNotFound) {
			t.Errorf("a network without its router: got %v, want %v", err, vm.ErrNotFound)
		}
		l.must(l.CreateNetwork(ctx, translated)) // repairs it
	})
	t.Run("machine", func(t *testing.T) {
		l.must(l.CreateMachine(ctx, machine))
		if s, err := l.Host.Machine(ctx, machine.ID); err != nil || s.Machine != machine || !s.Running {
			t.Errorf("got %+v, %v, want %+v, running", s, err, machine)
		}
		if err := l.CreateMachine(ctx, machine); err == nil || !strings.Contains(err.Error(), "exists already") {
			t.Errorf("the same ID: got %v", err)
		}
		before := fmt.Sprint(l.left())
		clash := machine
		clash.ID, clash.Name = "i-2", "two"
		if err := l.CreateMachine(ctx, clash); err == nil {
			t.Error("the same address: got no error")
		}
		outside := clash
		outside.PrivateIP = addr("10.21.0.11")
		if err := l.CreateMachine(ctx, outside); err == nil || !strings.Contains(err.Error(), "want one in 10.20.0.0/16") {
			t.Errorf("an address outside: got %v", err)
		}
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		if err := l.CreateMachine(canceled, clash); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: got %v", err)
		}
		if after := fmt.Sprint(l.left()); after != before {
			t.Errorf("what failed left something: got %s, want %s", after, before)
		}
		// A run that was killed between making and starting.
		_, err := l.Docker.ContainerCreate(ctx, &container.Config{Image: "hybrid-lab-vm:current", Labels: map[string]string{
			docker.Label: docker.LabelValue, docker.Label + ".kind": "machine", docker.Label + ".id": "i-4", docker.Label + ".spec": "{}",
		}}, nil, nil, nil, "hybrid-lab-four")
		l.must(err)
		if _, err := l.Host.Machine(ctx, "i-4"); !errors.Is(err, vm.ErrNotFound) {
			t.Errorf("a machine that was never started: got %v, want %v", err, vm.ErrNotFound)
		}
		four := machine
		four.ID, four.Name, four.PrivateIP = "i-4", "four", addr("10.20.0.14")
		l.must(l.CreateMachine(ctx, four))
		l.must(l.DeleteMachine(ctx, four.ID))
		same := machine
		same.ID, same.PrivateIP = "i-3", addr("10.20.0.13")
		l.must(l.CreateMachine(ctx, same)) // a name may occur twice
		l.must(l.DeleteMachine(ctx, same.ID))
		l.must(l.Docker.ContainerKill(ctx, "hybrid-lab-one", "KILL"))
		if err := l.DeleteNetwork(ctx, translated.ID); err == nil || !strings.Contains(err.Error(), "machine i-1 is in it") {
			t.Errorf("deleting a network with a machine: got %v", err)
		}
		if _, err := l.Network(ctx, translated.ID); err != nil {
			t.Errorf("a network that can't be deleted: got %v, want it whole", err)
		}
		l.must(l.DeleteMachine(ctx, machine.ID))
		l.must(l.DeleteNetwork(ctx, translated.ID))
		l.wantNothingLeft("the last network")
	})
	t.Run("side by side", func(t *testing.T) {
		for range 2 {
			var clouds errgroup.Group
			for i := range 3 {
				clouds.Go(func() error {
					host, err := vm.Open(ctx) // as another process would
					if err != nil {
						return err
					}
					defer host.Close()
					n := vm.Network{ID: fmt.Sprintf("subnet-%d", i), CIDR: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(100 + i), 0, 0}), 16)}
					if err := host.CreateNetwork(ctx, n); err != nil {
						return err
					}
					return host.DeleteNetwork(ctx, n.ID)
				})
			}
			l.must(clouds.Wait())
			l.wantNothingLeft("all networks")
		}
	})
	t.Run("purge", func(t *testing.T) {
		l.must(l.CreateNetwork(ctx, translated))
		l.must(l.CreateMachine(ctx, machine))
		// What a killed run may leave: made, not started.
		_, err := l.Docker.ContainerCreate(ctx, &container.Config{Image: "hybrid-lab-vm:current", Labels: map[string]string{docker.Label: docker.LabelValue}}, nil, nil, nil, "hybrid-lab-half")
		l.must(err)
		l.must(l.Purge(ctx, true))
		if left := l.left(); len(left) != 4 {
			t.Errorf("keeping the servers: got %q, want the registry, the name server, the object storage and their network", left)
		}
		l.must(l.Purge(ctx, false))
		l.wantNothingLeft("the purge")
	})
}
