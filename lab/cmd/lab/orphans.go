package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"hybrid/lab/vm"
)

// clearOrphans removes the machines and networks that no simulated cloud knows:
// a state folder that is gone, or half a Docker, has left them.
func (l *lab) clearOrphans(ctx context.Context, host *vm.Host) (cleared []string, err error) {
	known, err := l.known(ctx)
	if err != nil {
		return nil, err
	}
	machines, err := host.Machines(ctx)
	if err != nil {
		return nil, err
	}
	networks, err := host.Networks(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, m := range machines { // before the networks that they are in
		if !slices.Contains(known, m.ID) {
			errs = append(errs, host.DeleteMachine(ctx, m.ID))
			cleared = append(cleared, "removed machine "+m.Name)
		}
	}
	for _, id := range networks {
		if !slices.Contains(known, id) {
			errs = append(errs, host.DeleteNetwork(ctx, id))
			cleared = append(cleared, "removed network "+id)
		}
	}
	return cleared, errors.Join(errs...)
}

// known asks the simulated clouds for the IDs of what they have.
func (l *lab) known(ctx context.Context) ([]string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(l.Cache, "bin", "pulumi-resource-lab"), "console", "known")
	cmd.Env = l.Env()
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("asking the simulated clouds what they have: %w", err)
	}
	return strings.Fields(string(out)), nil
}
