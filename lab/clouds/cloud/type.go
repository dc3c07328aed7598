package cloud

import (
	"slices"
	"strings"

	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

// Type is a type of object.
type Type struct {
	provider.Schema
	// Check finds what the schema can't tell, without a look at the cloud: in
	// previews objects don't exist yet. Optional.
	Check func(c *provider.Call, in Props) provider.Failures
	// Ready completes inputs by what the provider's configuration says, before
	// references are looked up. Optional.
	Ready func(config, in Props) Props
	// Refs lists the objects that one with these properties needs. Optional.
	Refs func(p Props) []Ref
	// Blocks lists objects that keep one from being deleted without a
	// reference of their own. Optional.
	Blocks func(s *State, o *Object) []*Object
	// Place makes room for an object: it finds what clashes, chooses the ID,
	// leases addresses and returns all properties, the inputs (which carry the
	// defaults) among them.
	Place func(tx *Tx, in Props) (id string, all Props, err error)
	// Change returns all properties after an update; all is what they would
	// be: the inputs (with defaults), and the outputs as before. Optional.
	Change func(tx *Tx, o *Object, all Props) (Props, error)
	// Leave takes an object out of others, such as an instance out of its
	// association with an address. It fails if the vendor would. Optional.
	Leave func(tx *Tx, o *Object) error
	// View returns the outputs that follow from other objects. Optional.
	View func(s *State, o *Object) Props
	// Network and Machine are set for what has a container.
	Network func(o *Object) vm.Network
	Machine func(s *State, o *Object) (vm.Machine, error)
	// Running returns the outputs that tell whether a machine runs.
	Running func(running bool) Props
	// Stops says whether an update is made while the machine is stopped, which it is
	// started after. Optional.
	Stops func(before, after Props) bool
	// Starts says whether an update starts a machine that is stopped. Optional.
	Starts func(before, after Props) bool
	// Waits says that the vendor's provider goes on asking for a while when
	// the vendor refuses to delete what is in use.
	Waits bool
}

// Ref is a reference from one object to another.
type Ref struct {
	Property, Type, ID string
	// Weak references don't keep the other from being deleted.
	Weak bool
}

// Tx is a change of a cloud's state under its lock.
type Tx struct {
	*State
	Cloud  *Cloud
	Config Props // the provider's configuration
	// URN is that of the resource that an object is placed for; empty in other changes.
	URN string
}

// refs lists an object's references that are set.
func (t *Type) refs(p Props) []Ref {
	if t.Refs == nil {
		return nil
	}
	return slices.DeleteFunc(t.Refs(p), func(r Ref) bool { return r.ID == "" })
}

// dependents returns the objects that keep one from being deleted.
func (c *Cloud) dependents(s *State, o *Object) []*Object {
	var out []*Object
	if t := c.Types[o.Type]; t.Blocks != nil {
		out = t.Blocks(s, o)
	}
	for typ, t := range c.Types {
		if t.Refs == nil {
			continue
		}
		for id, other := range s.Objects {
			if other.Type == typ && id != o.ID && slices.ContainsFunc(t.refs(other.Props), func(r Ref) bool {
				return !r.Weak && r.Type == o.Type && r.ID == o.ID
			}) {
				out = append(out, other)
			}
		}
	}
	slices.SortFunc(out, func(a, b *Object) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Members returns the objects of a type that refer to another, weakly or not.
func (c *Cloud) Members(s *State, typ, target string) []*Object {
	return slices.DeleteFunc(s.All(typ), func(o *Object) bool {
		return !slices.ContainsFunc(c.Types[typ].refs(o.Props), func(r Ref) bool { return r.ID == target })
	})
}
