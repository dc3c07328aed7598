package cloud

import (
	"context"
	"strings"

	"hybrid/lab/vm"
)

// Hypervisor is what the clouds ask of the machine that runs their VMs. The
// deletes succeed if there is nothing to delete, CreateNetwork if it is there;
// the lookups return vm.ErrNotFound.
type Hypervisor interface {
	CreateNetwork(ctx context.Context, n vm.Network) error
	DeleteNetwork(ctx context.Context, id string) error
	Network(ctx context.Context, id string) (*vm.Network, error)
	CreateMachine(ctx context.Context, m vm.Machine) error
	DeleteMachine(ctx context.Context, id string) error
	Machine(ctx context.Context, id string) (*vm.Status, error)
	StartMachine(ctx context.Context, id string) error
	StopMachine(ctx context.Context, id string) error
	ApplyPolicy(ctx context.Context, networkID string, p vm.Policy) error
}

// Opener opens the hypervisor when something needs it: a preview doesn't, and
// must work where Docker isn't running.
type Opener func(context.Context) (Hypervisor, error)

// VMID is what the hypervisor calls an object. It makes names of containers and
// networks of it, which take no slashes; Google's IDs have them.
func VMID(id string) string { return strings.ReplaceAll(id, "/", "_") }
