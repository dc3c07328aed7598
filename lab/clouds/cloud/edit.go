package cloud

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hybrid/lab/plugins/provider"
)

// Look returns an object's properties with those that follow from others.
func (c *Cloud) Look(s *State, o *Object) Props { return c.view(s, o) }

// Remove deletes an object behind the engine's back, unless others need it.
func (c *Cloud) Remove(ctx context.Context, id string) error {
	err := c.store.View(func(s *State) error {
		if o := s.Objects[id]; o != nil {
			if by := c.dependents(s, o); len(by) > 0 {
				return c.InUse(o, by)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.remove(ctx, id, false)
}

// Edit changes a property of an object behind the engine's back; null removes
// it. The object must still be one that the vendor takes.
func (c *Cloud) Edit(ctx context.Context, id string, path resource.PropertyPath, value resource.PropertyValue) error {
	var o *Object
	err := c.store.View(func(s *State) error { o = s.Objects[id]; return nil })
	if err != nil {
		return err
	}
	if o == nil {
		return fmt.Errorf("there is no object %s", id)
	}
	t := c.Types[o.Type]
	in := t.asked(o.Props, path)
	if err := put(resource.NewObjectProperty(in), path, value); err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	failures := t.Validate(in)
	if t.Check != nil && len(failures) == 0 {
		failures = t.Check(&provider.Call{Context: ctx, Config: o.Config}, in)
	}
	var errs []error
	for _, f := range failures {
		errs = append(errs, fmt.Errorf("%s: %s", f.Property, f.Reason))
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	_, err = c.update(ctx, o.Config, o.Type, t, id, in)
	return err
}

// asked returns the inputs that would have made an object: without those that
// the vendor has chosen, unless the path leads to them.
func (t *Type) asked(all Props, path resource.PropertyPath) Props {
	in := Props{}
	for k, v := range all {
		if t.Settable(string(k)) && (!slices.Contains(t.Computed, string(k)) || path[0] == string(k)) {
			in[k] = v
		}
	}
	return in
}

// put sets the value at a path, or removes it if it is null.
func put(all resource.PropertyValue, path resource.PropertyPath, value resource.PropertyValue) error {
	if value.IsNull() {
		if !path.Delete(all) {
			return fmt.Errorf("there is no property %s to remove", path)
		}
		return nil
	}
	if _, ok := path.Add(all, value); !ok {
		return fmt.Errorf("there is no place for a property %s", path)
	}
	return nil
}
