package cloud

import (
	"context"
	"errors"
	"fmt"

	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

// read returns an object's properties as they are now, or nil if it is gone.
func (c *Cloud) read(call *provider.Call, token string, t *Type, id string) (Props, error) {
	var o *Object
	var related []string
	err := c.store.View(func(s *State) error {
		if o = s.Objects[id]; o == nil || o.Type != token {
			o = nil
			return nil
		}
		related = append(related, id)
		for _, r := range t.refs(o.Props) { // what is attached to a machine may go with it
			related = append(related, r.ID)
		}
		return nil
	})
	if err != nil || o == nil {
		return nil, err
	}
	if o.Phase == Deleting { // a vendor's deletes go on when who asked for them is gone
		return nil, c.remove(call, id, false)
	}
	for _, r := range related {
		if err := c.reconcile(call, r); err != nil {
			return nil, err
		}
	}
	return c.current(call, id)
}

// reconcile drops an object whose container has been removed.
func (c *Cloud) reconcile(ctx context.Context, id string) error {
	var o *Object
	if err := c.store.View(func(s *State) error { o = s.Objects[id]; return nil }); err != nil || o == nil || o.Phase != Ready {
		return err
	}
	t := c.Types[o.Type]
	if t.Network == nil && t.Machine == nil {
		return nil
	}
	host, err := c.hypervisor(ctx)
	if err != nil {
		return err
	}
	if t.Network != nil {
		_, err = host.Network(ctx, VMID(id))
	} else {
		_, err = host.Machine(ctx, VMID(id))
	}
	if errors.Is(err, vm.ErrNotFound) {
		return c.remove(ctx, id, true)
	}
	return err
}

// changed returns the properties of an object that was created or updated.
func (c *Cloud) changed(ctx context.Context, id string) (Props, error) {
	all, err := c.current(ctx, id)
	if err == nil && all == nil {
		err = fmt.Errorf("%s was deleted meanwhile: `pulumi up --refresh` makes it again", id)
	}
	return all, err
}

// current returns an object's properties as they are now, or nil.
func (c *Cloud) current(ctx context.Context, id string) (Props, error) {
	var o *Object
	var all Props
	err := c.store.View(func(s *State) error {
		if o = s.Objects[id]; o != nil {
			all = c.view(s, o)
		}
		return nil
	})
	if err != nil || o == nil {
		return nil, err
	}
	t := c.Types[o.Type]
	if t.Machine == nil || t.Running == nil {
		return all, nil
	}
	host, err := c.hypervisor(ctx)
	if err != nil {
		return nil, err
	}
	status, err := host.Machine(ctx, VMID(id))
	if errors.Is(err, vm.ErrNotFound) {
		return nil, nil // another refresh, of its network for instance, is dropping it right now
	}
	if err != nil {
		return nil, fmt.Errorf("looking at machine %s: %w", id, err)
	}
	return provider.Merge(all, t.Running(status.Running)), nil
}
