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
	if t.Starts != nil && t.Starts(before, after) {
		host, err := c.hypervisor(ctx)
		if err != nil {
			return nil, err
		}
		if err := host.StartMachine(ctx, VMID(id)); err != nil {
			return nil, err
		}
	}
	return c.changed(ctx, id)
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
