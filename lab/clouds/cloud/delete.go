package cloud

import (
	"context"
	"errors"
	"slices"
	"time"

	"hybrid/lab/vm"
)

// pollInterval is how often a Delete looks whether those in the way are gone.
// Other processes take them out of the file, so there is nothing to wait on.
const pollInterval = 100 * time.Millisecond

// delete deletes an object once nothing is in the way any more.
func (c *Cloud) delete(ctx context.Context, token, id string) error {
	if err := c.recorded(id); err != nil {
		return err
	}
	start := time.Now()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		var o *Object
		var by []*Object
		err := c.store.View(func(s *State) error {
			if o = s.Objects[id]; o != nil && o.Type == token {
				by = c.dependents(s, o)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if o == nil || o.Type != token {
			return nil // another process has
		}
		if len(by) == 0 {
			return c.remove(ctx, id, false)
		}
		waited := time.Since(start)
		leaving := slices.ContainsFunc(by, func(d *Object) bool { return d.Phase == Deleting })
		orphans := !slices.ContainsFunc(by, func(d *Object) bool { return d.Recorded })
		switch {
		case orphans && waited >= c.Grace:
			for _, d := range by {
				if err := c.delete(ctx, d.Type, d.ID); err != nil {
					return err
				}
			}
			continue
		case !orphans && !leaving && !c.Types[token].Waits, waited >= c.Patience:
			return c.InUse(o, by)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), c.InUse(o, by))
		case <-tick.C:
		}
	}
}

// remove deletes an object and its containers, whatever may be in the way.
// gone says that its containers are known to be gone, with all they held.
func (c *Cloud) remove(ctx context.Context, id string, gone bool) error {
	var t *Type
	err := c.store.Update(func(s *State) error {
		o := s.Objects[id]
		if o == nil {
			return nil
		}
		t = c.Types[o.Type]
		if t.Leave != nil {
			if err := t.Leave(&Tx{State: s, Cloud: c}, o); err != nil && !gone {
				return err
			}
		}
		if t.Network == nil && t.Machine == nil {
			s.drop(id)
		} else {
			o.Phase = Deleting
		}
		return nil
	})
	if err != nil || t == nil {
		return err
	}
	if err := c.demolish(ctx, t, id, gone); err != nil {
		return err
	}
	return c.enforce(ctx)
}

// demolish removes an object's containers, then the object.
func (c *Cloud) demolish(ctx context.Context, t *Type, id string, gone bool) error {
	if t.Network == nil && t.Machine == nil {
		return nil
	}
	host, err := c.hypervisor(ctx)
	if err != nil {
		return err
	}
	if t.Network != nil {
		if gone { // no machine outlives its network
			if err := c.evict(ctx, id); err != nil {
				return err
			}
		}
		err = host.DeleteNetwork(ctx, VMID(id))
	} else {
		err = host.DeleteMachine(ctx, VMID(id))
	}
	if err != nil && !errors.Is(err, vm.ErrNotFound) {
		return err
	}
	c.forgetPolicy(id)
	return c.store.Update(func(s *State) error { s.drop(id); return nil })
}

// evict removes the machines of a network.
func (c *Cloud) evict(ctx context.Context, network string) error {
	var machines []string
	err := c.store.View(func(s *State) error {
		for typ, t := range c.Types {
			if t.Machine != nil {
				for _, o := range c.Members(s, typ, network) {
					machines = append(machines, o.ID)
				}
			}
		}
		return nil
	})
	for _, id := range machines {
		err = errors.Join(err, c.remove(ctx, id, true))
	}
	return err
}
