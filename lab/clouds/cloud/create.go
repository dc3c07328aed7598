package cloud

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"hybrid/lab/plugins/provider"
	"hybrid/lab/system/lock"
	"hybrid/lab/vm"
)

// CleanupTime is how long undoing may take when time is up or the user has
// interrupted.
const CleanupTime = 30 * time.Second

// create makes an object and what it has of containers.
func (c *Cloud) create(call *provider.Call, token string, t *Type, in Props) (string, Props, error) {
	// The plugin of an engine that was killed goes on with what is under way. What it
	// makes must be there to be found below, not come afterwards.
	unlock, err := lock.Take("create-" + url.PathEscape(token+" "+call.URN.Name()))
	if err != nil {
		return "", nil, err
	}
	defer unlock()
	if err := call.Err(); err != nil {
		return "", nil, err // of an engine that has died meanwhile: the next one's create has its turn
	}
	if err := c.clearOrphans(call, token, string(call.URN)); err != nil {
		return "", nil, fmt.Errorf("clearing what an interrupted deployment left: %w", err)
	}
	o := &Object{Type: token, URN: string(call.URN), Phase: Ready, Config: placesOf(call.Config)}
	if t.Network != nil || t.Machine != nil {
		o.Phase = Creating
	}
	err = c.store.Update(func(s *State) error {
		in := t.ready(call.Config, in)
		if err := c.resolve(s, t, in); err != nil {
			return err
		}
		var err error
		if o.ID, o.Props, err = t.Place(&Tx{State: s, Cloud: c, Config: call.Config, URN: o.URN}, in); err != nil {
			return err
		}
		if s.Objects[o.ID] != nil {
			return fmt.Errorf("%s already exists", o.ID)
		}
		s.Objects[o.ID] = o
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	var all Props
	if err = c.realize(call, t, o); err == nil {
		all, err = c.changed(call, o.ID)
	}
	if err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(call), CleanupTime)
		defer cancel()
		return "", nil, errors.Join(err, c.remove(ctx, o.ID, false))
	}
	return o.ID, all, nil
}

// resolve finds the objects that one with these properties needs. Each must
// exist, and the engine knows them or it couldn't refer to them.
func (c *Cloud) resolve(s *State, t *Type, p Props) error {
	for _, r := range t.refs(p) {
		o := s.Get(r.Type, r.ID)
		if o == nil {
			return c.NotFound(r)
		}
		o.Recorded = true
	}
	return nil
}

// realize makes an object's containers and applies what it changes. No lock is
// held while Docker works.
func (c *Cloud) realize(ctx context.Context, t *Type, o *Object) error {
	if t.Network == nil && t.Machine == nil {
		return c.enforce(ctx)
	}
	host, err := c.hypervisor(ctx)
	if err != nil {
		return err
	}
	if t.Network != nil {
		n := t.Network(o)
		n.ID = VMID(n.ID)
		if err := host.CreateNetwork(ctx, n); err != nil {
			return err
		}
		if err := c.settle(o.ID); err != nil {
			return err
		}
		return c.enforceAnew(ctx, o.ID)
	}
	// The rules come before the machine: it is never on the network without them.
	if err := c.enforce(ctx); err != nil {
		return err
	}
	var m vm.Machine
	if err := c.store.View(func(s *State) (err error) { m, err = t.Machine(s, o); return err }); err != nil {
		return err
	}
	m.ID, m.NetworkID = VMID(m.ID), VMID(m.NetworkID)
	if err := host.CreateMachine(ctx, m); err != nil {
		return err
	}
	return c.settle(o.ID)
}

// settle records that an object's containers are there.
func (c *Cloud) settle(id string) error {
	return c.store.Update(func(s *State) error {
		o := s.Objects[id]
		if o == nil {
			return fmt.Errorf("%s was deleted while it was being created", id)
		}
		o.Phase = Ready
		return nil
	})
}

// clearOrphans deletes what was created for a URN and never recorded by the
// engine (what others refer to was recorded), and what is half deleted.
func (c *Cloud) clearOrphans(ctx context.Context, token, urn string) error {
	var orphans []string
	err := c.store.View(func(s *State) error {
		for id, o := range s.Objects {
			if o.Type != token || o.URN != urn {
				continue
			}
			if o.Phase == Deleting || !o.Recorded && len(c.dependents(s, o)) == 0 {
				orphans = append(orphans, id)
			}
		}
		return nil
	})
	for _, id := range orphans {
		err = errors.Join(err, c.remove(ctx, id, false))
	}
	return err
}
