// Package console is the simulated vendors' web console: it shows what is in
// the clouds, and changes it behind Pulumi's back.
package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hybrid/lab/clouds/aws"
	"hybrid/lab/clouds/cloud"
	"hybrid/lab/clouds/digitalocean"
	"hybrid/lab/clouds/gcp"
	"hybrid/lab/system/paths"
)

// Folder is where the clouds' files are, within the lab's state folder.
func Folder(state string) string { return filepath.Join(state, paths.Clouds) }

// Console has access to all clouds.
type Console struct{ clouds map[string]*cloud.Cloud }

// Item is an object as it is listed.
type Item struct {
	Cloud, Type, ID, Name string
	Phase                 cloud.Phase
	Properties            map[string]any
}

// Open returns a console on the clouds of the lab's state folder. The
// hypervisor is opened when the first change needs it.
func Open(state string, open cloud.Opener) *Console {
	c := &Console{map[string]*cloud.Cloud{}}
	for _, one := range []*cloud.Cloud{aws.New(), digitalocean.New(), gcp.New()} {
		c.clouds[one.Name] = one.Attach(Folder(state), open)
	}
	return c
}

// List returns the objects of a cloud, or of all clouds if the name is empty,
// by cloud, type and name.
func (c *Console) List(name string) ([]Item, error) {
	var items []Item
	clouds, err := c.named(name)
	if err != nil {
		return nil, err
	}
	for _, one := range clouds {
		err := one.View(func(s *cloud.State) error {
			for _, o := range s.Objects {
				items = append(items, Item{
					Cloud: one.Name, Type: short(o.Type), ID: o.ID, Name: o.Name(), Phase: o.Phase, Properties: one.Look(s, o).Mappable(),
				})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(a.Cloud, b.Cloud), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return items, nil
}

// Known returns the hypervisor's IDs of all objects: what else it runs belongs to
// no cloud.
func (c *Console) Known() ([]string, error) {
	items, err := c.List("")
	var ids []string
	for _, i := range items {
		ids = append(ids, cloud.VMID(i.ID))
	}
	return ids, err
}

func short(token string) string { return token[strings.LastIndex(token, ":")+1:] }

func (c *Console) named(name string) ([]*cloud.Cloud, error) {
	if one, ok := c.clouds[name]; ok {
		return []*cloud.Cloud{one}, nil
	}
	if name != "" {
		return nil, fmt.Errorf("there is no cloud %q: there are aws, digitalocean and gcp", name)
	}
	return []*cloud.Cloud{c.clouds["aws"], c.clouds["digitalocean"], c.clouds["gcp"]}, nil
}

// find returns the object that has an ID, or a name that no other object of the
// cloud has. An ID of several parts may be given by its last one.
func (c *Console) find(name, object string) (*cloud.Cloud, *cloud.Object, error) {
	clouds, err := c.named(name)
	if err != nil {
		return nil, nil, err
	}
	type match struct {
		cloud  *cloud.Cloud
		object *cloud.Object
	}
	var exact, loose []match
	for _, one := range clouds {
		err = errors.Join(err, one.View(func(s *cloud.State) error {
			for id, o := range s.Objects {
				switch {
				case id == object:
					exact = append(exact, match{one, o})
				case o.Name() == object || strings.HasSuffix(id, "/"+object):
					loose = append(loose, match{one, o})
				}
			}
			return nil
		}))
	}
	if err != nil {
		return nil, nil, err
	}
	found := exact
	if len(found) == 0 {
		found = loose
	}
	switch len(found) {
	case 0:
		return nil, nil, fmt.Errorf("there is no object %q: `lab cloud ls` lists them", object)
	case 1:
		return found[0].cloud, found[0].object, nil
	}
	var ids []string
	for _, m := range found {
		ids = append(ids, m.cloud.Name+" "+m.object.ID)
	}
	slices.Sort(ids)
	return nil, nil, fmt.Errorf("several objects are called %q, say which by its ID: %s", object, strings.Join(ids, ", "))
}

// Remove deletes an object, by its ID or name, as the vendor would: not while
// others need it. cloud may be empty.
func (c *Console) Remove(ctx context.Context, cloud, object string) error {
	one, o, err := c.find(cloud, object)
	if err != nil {
		return err
	}
	return one.Remove(ctx, o.ID)
}

// Set changes one property of an object, such as tags.Name or
// inboundRules[0].portRange. The value is JSON, or else a string as it stands;
// null takes the property away. Firewalls have their new rules at once.
func (c *Console) Set(ctx context.Context, cloud, object, path, value string) error {
	one, o, err := c.find(cloud, object)
	if err != nil {
		return err
	}
	parsed, err := resource.ParsePropertyPath(path)
	if err != nil || len(parsed) == 0 {
		return fmt.Errorf("%q is no path to a property, such as tags.Name or inboundRules[0].portRange", path)
	}
	var v any = value
	var decoded any
	if json.Unmarshal([]byte(value), &decoded) == nil {
		v = decoded
	}
	return one.Edit(ctx, o.ID, parsed, resource.NewPropertyValue(v))
}
