package digitalocean

import (
	"fmt"

	"github.com/pulumi/pulumi-digitalocean/sdk/v4/go/digitalocean"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

func reservedIP() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: digitalocean.ReservedIpArgs{}, Outputs: digitalocean.ReservedIp{},
			Supported: []string{}, // assigned by ReservedIpAssignment alone
			ForceNew:  []string{"ipAddress", "region"},
			Computed:  []string{"dropletId", "ipAddress"},
		},
		Check: func(_ *provider.Call, in props) failures { return checkRegion(in) },
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			// The ID is the address, which is leased to itself.
			a, err := tx.LeasePublic(reservedPool, "")
			if err != nil {
				return "", nil, apiError(422, "%w", err)
			}
			id := a.String()
			tx.Leases[id] = id
			return id, provider.Merge(in, provider.From(map[string]any{"ipAddress": id, "reservedIpUrn": urn("reservedip", id)})), nil
		},
		View: func(s *cloud.State, o *cloud.Object) props {
			if a := s.Find(typeAssignment, "ipAddress", o.ID); a != nil {
				return provider.From(map[string]any{"dropletId": provider.Int(a.Props, "dropletId", 0)})
			}
			return nil
		},
		// An assigned address can be released: the droplet loses it.
		Leave: func(tx *cloud.Tx, o *cloud.Object) error {
			if a := tx.Find(typeAssignment, "ipAddress", o.ID); a != nil {
				delete(tx.Objects, a.ID)
			}
			return nil
		},
	}
}

func assignment() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: digitalocean.ReservedIpAssignmentArgs{}, Outputs: digitalocean.ReservedIpAssignment{},
			ForceNew: []string{"dropletId", "ipAddress"},
		},
		Refs: func(p props) []cloud.Ref {
			return []cloud.Ref{
				{Property: "ipAddress", Type: typeReserved, ID: provider.Str(p, "ipAddress"), Weak: true},
				{Property: "dropletId", Type: typeDroplet, ID: dropletOf(p, "dropletId"), Weak: true},
			}
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			reserved, droplet := tx.Get(typeReserved, provider.Str(in, "ipAddress")), tx.Get(typeDroplet, dropletOf(in, "dropletId"))
			if a, b := provider.Str(reserved.Props, "region"), provider.Str(droplet.Props, "region"); a != b {
				return "", nil, apiError(422, "the IP %s is not in the same region (%s) as the droplet (%s)", reserved.ID, a, b)
			}
			// The address leaves its former droplet, and the droplet its former address.
			for _, other := range tx.All(typeAssignment) {
				if provider.Str(other.Props, "ipAddress") == reserved.ID || dropletOf(other.Props, "dropletId") == droplet.ID {
					delete(tx.Objects, other.ID)
				}
			}
			return fmt.Sprintf("%s-%s-%s", droplet.ID, reserved.ID, cloud.RandomHex(8)), in, nil
		},
	}
}
