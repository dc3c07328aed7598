// Package cloudtest has what the clouds' tests need: a hypervisor without
// Docker, and an engine that drives a provider.
package cloudtest

import (
	"context"
	"fmt"
	"sync"

	"hybrid/lab/vm"
)

// Hypervisor keeps networks and machines in memory, as strictly as Docker.
type Hypervisor struct {
	// Before is called before each operation, with its name and ID. An error
	// fails it.
	Before func(ctx context.Context, operation, id string) error

	mu       sync.Mutex
	networks map[string]vm.Network
	machines map[string]*vm.Status
	policies map[string]vm.Policy
	applied  int
}

// NewHypervisor returns one without anything.
func NewHypervisor() *Hypervisor {
	return &Hypervisor{networks: map[string]vm.Network{}, machines: map[string]*vm.Status{}, policies: map[string]vm.Policy{}}
}

func (h *Hypervisor) begin(ctx context.Context, operation, id string) error {
	if h.Before != nil {
		if err := h.Before(ctx, operation, id); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// CreateNetwork makes a network.
func (h *Hypervisor) CreateNetwork(ctx context.Context, n vm.Network) error {
	if err := h.begin(ctx, "CreateNetwork", n.ID); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, other := range h.networks {
		if id != n.ID && other.CIDR.Overlaps(n.CIDR) {
			return fmt.Errorf("pool %s overlaps with %s", n.CIDR, id)
		}
	}
	h.networks[n.ID] = n
	return nil
}

// DeleteNetwork deletes a network that has no machines.
func (h *Hypervisor) DeleteNetwork(ctx context.Context, id string) error {
	if err := h.begin(ctx, "DeleteNetwork", id); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.machines {
		if m.NetworkID == id {
			return fmt.Errorf("network %s has active endpoints: %s", id, m.ID)
		}
	}
	delete(h.networks, id)
	delete(h.policies, id)
	return nil
}

// Network looks a network up.
func (h *Hypervisor) Network(_ context.Context, id string) (*vm.Network, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, ok := h.networks[id]
	if !ok {
		return nil, fmt.Errorf("network %s: %w", id, vm.ErrNotFound)
	}
	return &n, nil
}

// CreateMachine makes a machine that runs.
func (h *Hypervisor) CreateMachine(ctx context.Context, m vm.Machine) error {
	if err := h.begin(ctx, "CreateMachine", m.ID); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n, ok := h.networks[m.NetworkID]
	switch {
	case !ok:
		return fmt.Errorf("machine %s: network %s: %w", m.ID, m.NetworkID, vm.ErrNotFound)
	case !n.CIDR.Contains(m.PrivateIP):
		return fmt.Errorf("machine %s: address %s is not in %s", m.ID, m.PrivateIP, n.CIDR)
	case h.machines[m.ID] != nil:
		return fmt.Errorf("machine %s exists", m.ID)
	}
	h.machines[m.ID] = &vm.Status{Machine: m, Running: true}
	return nil
}

// DeleteMachine deletes a machine.
func (h *Hypervisor) DeleteMachine(ctx context.Context, id string) error {
	if err := h.begin(ctx, "DeleteMachine", id); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.machines, id)
	return nil
}

// Machine looks a machine up.
func (h *Hypervisor) Machine(_ context.Context, id string) (*vm.Status, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, ok := h.machines[id]
	if !ok {
		return nil, fmt.Errorf("machine %s: %w", id, vm.ErrNotFound)
	}
	s := *m
	return &s, nil
}

// StartMachine starts a machine.
func (h *Hypervisor) StartMachine(ctx context.Context, id string) error {
	if err := h.begin(ctx, "StartMachine", id); err != nil {
		return err
	}
	return h.Power(ctx, id, true)
}

// StopMachine stops a machine.
func (h *Hypervisor) StopMachine(ctx context.Context, id string) error {
	if err := h.begin(ctx, "StopMachine", id); err != nil {
		return err
	}
	return h.Power(ctx, id, false)
}

// Power switches a machine on or off.
func (h *Hypervisor) Power(_ context.Context, id string, on bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, ok := h.machines[id]
	if !ok {
		return fmt.Errorf("machine %s: %w", id, vm.ErrNotFound)
	}
	m.Running = on
	return nil
}

// ApplyPolicy takes a policy.
func (h *Hypervisor) ApplyPolicy(ctx context.Context, id string, p vm.Policy) error {
	if err := h.begin(ctx, "ApplyPolicy", id); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.networks[id]; !ok {
		return fmt.Errorf("network %s: %w", id, vm.ErrNotFound)
	}
	h.policies[id] = p
	h.applied++
	return nil
}

// Machines returns the machines by their names.
func (h *Hypervisor) Machines() map[string]vm.Machine {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]vm.Machine{}
	for _, m := range h.machines {
		out[m.Name] = m.Machine
	}
	return out
}

// Networks returns how many networks there are.
func (h *Hypervisor) Networks() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.networks)
}

// Policy returns what a network's router enforces.
func (h *Hypervisor) Policy(id string) vm.Policy {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.policies[id]
}

// Applied returns how many policies were applied.
func (h *Hypervisor) Applied() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.applied
}
