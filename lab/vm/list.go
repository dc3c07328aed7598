package vm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"hybrid/lab/docker"
	"hybrid/lab/lock"

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

// Networks lists the IDs of all networks, with a router or without.
func (h *Host) Networks(ctx context.Context) ([]string, error) {
	found, err := h.docker.NetworkList(ctx, network.ListOptions{Filters: labelFilter(kindNetwork, "")})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, n := range found {
		ids = append(ids, n.Labels[labelID])
	}
	return ids, nil
}

// Resume starts what a lab with networks has for everybody, and the machines that
// are off, as after the host's reboot. It returns their names.
func (h *Host) Resume(ctx context.Context) ([]string, error) {
	if err := h.resumeServers(ctx); err != nil {
		return nil, err
	}
	machines, err := h.Machines(ctx)
	if err != nil {
		return nil, err
	}
	var started []string
	var errs []error
	for _, m := range machines {
		if m.Running {
			continue
		}
		if err := h.StartMachine(ctx, m.ID); err != nil {
			errs = append(errs, err)
			continue
		}
		started = append(started, m.Name)
	}
	return started, errors.Join(errs...)
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
