package gcp

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/compute"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

func address() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: compute.AddressArgs{}, Outputs: compute.Address{}, Name: "name",
			Supported: []string{"addressType", "description", "labels", "name", "networkTier", "project", "region"},
			ForceNew:  []string{"addressType", "description", "name", "networkTier", "project", "region"},
			Computed:  []string{"address", "networkTier", "prefixLength", "project", "purpose", "region", "subnetwork"},
			Defaults:  map[string]any{"addressType": "EXTERNAL"},
		},
		Check: func(_ *provider.Call, in props) failures {
			f := append(checkCommon(in), oneOf(in, "addressType", "EXTERNAL")...) // the lab has no internal ones
			return append(f, oneOf(in, "networkTier", "PREMIUM", "STANDARD")...)
		},
		Ready: withProject,
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			project, err := setting(tx.Config, in, "project")
			if err != nil {
				return "", nil, err
			}
			where, err := region(tx.Config, in)
			if err != nil {
				return "", nil, err
			}
			id := fmt.Sprintf("projects/%s/regions/%s/addresses/%s", project, where, provider.Str(in, "name"))
			if err := place(tx, typeAddress, id); err != nil {
				return "", nil, err
			}
			a, err := tx.LeasePublic(publicPool, id)
			if err != nil {
				return "", nil, fmt.Errorf("googleapi: Error 403: quota 'STATIC_ADDRESSES' exceeded: %w", err)
			}
			return id, provider.Merge(provider.From(map[string]any{"networkTier": "PREMIUM"}), in, labels(in), provider.From(map[string]any{
				"address": a.String(), "project": project, "region": where, "selfLink": api + id, "creationTimestamp": created,
				"prefixLength": 0, "purpose": "", "subnetwork": "",
			})), nil
		},
		Change: func(_ *cloud.Tx, _ *cloud.Object, all props) (props, error) {
			return provider.Merge(all, labels(all)), nil
		},
		View: func(s *cloud.State, o *cloud.Object) props {
			users := []any{}
			for _, i := range usersOf(s, o) {
				users = append(users, api+i.ID)
			}
			return provider.From(map[string]any{"users": users})
		},
		Blocks: usersOf,
	}
}

// usersOf are the instances that have a reserved address.
func usersOf(s *cloud.State, o *cloud.Object) (out []*cloud.Object) {
	for _, i := range s.All(typeInstance) {
		if a := natIP(i); a.IsValid() && a.String() == provider.Str(o.Props, "address") {
			out = append(out, i)
		}
	}
	return out
}
