package digitalocean

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

type failure = plugin.CheckFailure

// tagged are the droplets that carry a tag.
func tagged(s *cloud.State, name string) []*cloud.Object {
	return slices.DeleteFunc(s.All(typeDroplet), func(o *cloud.Object) bool {
		return !slices.Contains(provider.Strs(o.Props, "tags"), name)
	})
}

func untag(o *cloud.Object, name string) {
	if !slices.Contains(provider.Strs(o.Props, "tags"), name) {
		return
	}
	rest := slices.DeleteFunc(provider.Strs(o.Props, "tags"), func(t string) bool { return t == name })
	o.Props = provider.Merge(o.Props, provider.From(map[string]any{"tags": provider.Any(rest)}))
}

// makeTags creates the tags of a droplet that don't exist yet, as the API does.
// They belong to no resource: they have no URN.
func makeTags(tx *cloud.Tx, p props) {
	for _, name := range provider.Strs(p, "tags") {
		if tx.Get(typeTag, name) == nil {
			tx.Objects[name] = &cloud.Object{
				ID: name, Type: typeTag, Phase: cloud.Ready, Recorded: true,
				Props: provider.From(map[string]any{"name": name}),
			}
		}
	}
}

// wantTags fails for tags that don't exist: a firewall creates none.
func wantTags(tx *cloud.Tx, names []string) error {
	for _, name := range names {
		if tx.Get(typeTag, name) == nil {
			return apiError(422, "tag %q does not exist: tag names must exist in order to be referenced by a firewall", name)
		}
	}
	return nil
}
