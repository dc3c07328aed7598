package cloud

import (
	"context"
	"sync"
	"time"

	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

// Cloud is a simulated vendor.
type Cloud struct {
	Name  string
	Types map[string]*Type
	// Policies returns what the router of each network is to enforce.
	Policies func(c *Cloud, s *State) map[string]vm.Policy
	// Publish writes what others read of the state, into the cloud's folder, with
	// each change. It must bear being called again, and be quick. Optional.
	Publish func(s *State, dir string) error
	// NotFound is the vendor's error for a reference to nothing.
	NotFound func(r Ref) error
	// InUse is the vendor's error for deleting what others need.
	InUse func(o *Object, by []*Object) error
	// Patience is how long a Delete waits for those in the way, where the
	// vendor's provider does (theirs wait up to 20 minutes), and Grace how
	// long before it takes them for orphans of an interrupted deployment.
	Patience, Grace time.Duration

	store *Store
	dir   string
	open  Opener

	mu   sync.Mutex
	host Hypervisor
}

// The defaults of a cloud's Patience and Grace.
const (
	defaultPatience = time.Minute
	defaultGrace    = 5 * time.Second
)

// Attach gives a cloud its file, in the folder dir, and its hypervisor.
func (c *Cloud) Attach(dir string, open Opener) *Cloud {
	c.dir, c.store, c.open = dir, NewStore(dir, c.Name), open
	if c.Publish != nil {
		c.store.publish = func(s *State) error { return c.Publish(s, dir) }
	}
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	if c.Grace == 0 {
		c.Grace = defaultGrace
	}
	return c
}

// Dir is the folder of the clouds' files.
func (c *Cloud) Dir() string { return c.dir }

// View shows the cloud's state to a function.
func (c *Cloud) View(see func(*State) error) error { return c.store.View(see) }

func (c *Cloud) hypervisor(ctx context.Context) (Hypervisor, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.host == nil {
		host, err := c.open(ctx)
		if err != nil {
			return nil, err
		}
		c.host = host
	}
	return c.host, nil
}

// Resources returns the types as the provider serves them.
func (c *Cloud) Resources() map[string]*provider.Resource {
	out := map[string]*provider.Resource{}
	for token, t := range c.Types {
		out[token] = &provider.Resource{
			Schema: t.Schema,
			Check:  t.Check,
			Create: func(call *provider.Call, in Props) (string, Props, error) {
				return c.create(call, token, t, in)
			},
			Read: func(call *provider.Call, id string) (Props, error) { return c.read(call, token, t, id) },
			Update: func(call *provider.Call, id string, _, in Props) (Props, error) {
				return c.update(call, call.Config, token, t, id, in)
			},
			Delete:   func(call *provider.Call, id string, _ Props) error { return c.delete(call, token, id) },
			Recorded: c.recorded,
		}
	}
	return out
}

// recorded remembers that the engine knows an ID.
func (c *Cloud) recorded(id string) error {
	known := true
	err := c.store.View(func(s *State) error {
		if o := s.Objects[id]; o != nil {
			known = o.Recorded
		}
		return nil
	})
	if err != nil || known {
		return err
	}
	return c.store.Update(func(s *State) error {
		if o := s.Objects[id]; o != nil {
			o.Recorded = true
		}
		return nil
	})
}

// view returns an object's properties with those that follow from others.
func (c *Cloud) view(s *State, o *Object) Props {
	if t := c.Types[o.Type]; t.View != nil {
		return provider.Merge(o.Props, t.View(s, o))
	}
	return provider.Merge(o.Props)
}
