package vm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"hybrid/lab/system/docker"
	"hybrid/lab/system/lock"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// Machines lists all machines, running or not, by name.
func (h *Host) Machines(ctx context.Context) ([]Status, error) {
	found, err := h.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: labelFilter(kindMachine, "")})
	if err != nil {
		return nil, err
	}
	var machines []Status
	for _, c := range found {
		s := Status{Running: c.State == container.StateRunning}
		if err := json.Unmarshal([]byte(c.Labels[labelSpec]), &s.Machine); err != nil {
			return nil, fmt.Errorf("container %s: label %s: %w", c.ID[:12], labelSpec, err)
		}
		machines = append(machines, s)
	}
	slices.SortFunc(machines, func(a, b Status) int { return cmp.Compare(a.Name, b.Name) })
	return machines, nil
}

// Networks lists the IDs of all networks, with a router or without, and of routers
// whose network is gone.
func (h *Host) Networks(ctx context.Context) ([]string, error) {
	networks, err := h.docker.NetworkList(ctx, network.ListOptions{Filters: labelFilter(kindNetwork, "")})
	if err != nil {
		return nil, err
	}
	routers, err := h.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: labelFilter(kindRouter, "")})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, n := range networks {
		ids = append(ids, n.Labels[labelID])
	}
	for _, r := range routers {
		ids = append(ids, r.Labels[labelID])
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// Resume starts what a lab with networks has for everybody, and the routers and
// machines that are off, as after the host's reboot. It returns which those are, also
// if others fail.
func (h *Host) Resume(ctx context.Context) ([]string, error) {
	servers := h.resumeServers(ctx)
	started, err := h.switchOn(ctx)
	return started, errors.Join(servers, err)
}

// switchOn starts routers, then the machines, which boot with a network.
func (h *Host) switchOn(ctx context.Context) ([]string, error) {
	routers, routersErr := h.switchOnKind(ctx, kindRouter, routerReady)
	machines, machinesErr := h.switchOnKind(ctx, kindMachine, bootWait)
	return append(routers, machines...), errors.Join(routersErr, machinesErr)
}

// switchOnKind starts what has run before, as it was: what was never started is half
// made, and what is being removed is soon gone.
func (h *Host) switchOnKind(ctx context.Context, kind string, ready []string) (started []string, err error) {
	off := labelFilter(kind, "")
	off.Add("status", container.StateExited)
	found, err := h.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: off})
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, c := range found {
		var spec struct{ Name string } // of a Machine, or a router's Network
		if err := json.Unmarshal([]byte(c.Labels[labelSpec]), &spec); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: label %s: %w", kind, c.Labels[labelID], labelSpec, err))
			continue
		}
		name := kind + " " + spec.Name
		if err := h.start(ctx, c.ID, ready...); err == nil {
			started = append(started, name)
		} else if !h.gone(ctx, c.ID) {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	slices.Sort(started)
	return started, errors.Join(errs...)
}

// gone says whether a container has been removed, or is about to be.
func (h *Host) gone(ctx context.Context, id string) bool {
	c, err := h.docker.ContainerInspect(ctx, id)
	if err != nil {
		return errdefs.IsNotFound(err)
	}
	return c.State.Status == container.StateRemoving || c.State.Status == container.StateDead
}

func (h *Host) resumeServers(ctx context.Context) error {
	unlock, err := lock.Take(internetLock)
	if err != nil {
		return err
	}
	defer unlock()
	networks, err := h.Networks(ctx)
	if err != nil || len(networks) == 0 {
		return err
	}
	return h.ensureInternet(ctx)
}

// Exec runs a program in a machine and returns its output. It fails if the
// program does.
func (h *Host) Exec(ctx context.Context, id string, argv ...string) (string, error) {
	found, err := h.container(ctx, kindMachine, id)
	if err != nil {
		return "", err
	}
	return h.run(ctx, found.ID, argv...)
}

// Container is the name of a machine's container, for the docker command.
func (h *Host) Container(ctx context.Context, id string) (string, error) {
	found, err := h.container(ctx, kindMachine, id)
	if err != nil {
		return "", err
	}
	return found.Names[0][1:], nil // Docker's begin with a slash
}

// Purge is [Host.Purge] of everything, also where no image has been built.
func Purge(ctx context.Context) error {
	cli, err := docker.Connect(ctx)
	if err != nil {
		return err
	}
	h := &Host{docker: cli}
	return errors.Join(h.Purge(ctx, false), h.Close())
}
