package cloud

import (
	"context"
	"fmt"
	"slices"
)

// update changes an object to have these inputs.
func (c *Cloud) update(ctx context.Context, config Props, token string, t *Type, id string, in Props) (Props, error) {
	var before, after Props
	err := c.store.Update(func(s *State) error {
		o := s.Get(token, id)
		if o == nil {
			return fmt.Errorf("%w: `pulumi refresh` takes note of that", c.NotFound(Ref{Property: "id", Type: token, ID: id}))
		}
		before, after = o.Props, t.applied(o.Props, t.ready(config, in))
		if err := c.resolve(s, t, after); err != nil {
			return err
		}
		if t.Change != nil {
			var err error
			if after, err = t.Change(&Tx{State: s, Cloud: c, Config: config}, o, after); err != nil {
				return err
			}
		}
		o.Props = after
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := c.enforce(ctx); err != nil {
		return nil, err
	}
	if err := c.restart(ctx, t, VMID(id), before, after); err != nil {
		return nil, err
	}
	return c.changed(ctx, id)
}

// restart stops and starts a machine, if an update takes that.
func (c *Cloud) restart(ctx context.Context, t *Type, id string, before, after Props) error {
	stops := t.Stops != nil && t.Stops(before, after)
	if !stops && (t.Starts == nil || !t.Starts(before, after)) {
		return nil
	}
	host, err := c.hypervisor(ctx)
	if err != nil {
		return err
	}
	if stops {
		status, err := host.Machine(ctx, id)
		if err != nil {
			return err
		}
		if status.Running {
			if err := host.StopMachine(ctx, id); err != nil {
				return err
			}
		}
	}
	return host.StartMachine(ctx, id)
}

// applied returns the properties after new inputs: those that are no longer set
// fall back to their defaults, or stay if the vendor has chosen them.
func (t *Type) applied(before, in Props) Props {
	after := before.Copy()
	for k := range before {
		if t.Settable(string(k)) && !slices.Contains(t.Computed, string(k)) {
			delete(after, k)
		}
	}
	for k, v := range in {
		after[k] = v
	}
	return after
}

// ready returns the inputs with all that is known before a look at the cloud.
func (t *Type) ready(config, in Props) Props {
	in = t.WithDefaults(in)
	if t.Ready != nil {
		in = t.Ready(config, in)
	}
	return in
}
