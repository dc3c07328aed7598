package gcp

import (
	"fmt"
	"net/netip"

	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/compute"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

// defaultMTU is that of networks which don't say otherwise, in bytes (see
// https://cloud.google.com/vpc/docs/mtu). All of the lab's have it.
const defaultMTU = 1460

func network() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: compute.NetworkArgs{}, Outputs: compute.Network{}, Name: "name",
			Supported: []string{"autoCreateSubnetworks", "description", "name", "project", "routingMode"},
			ForceNew:  []string{"autoCreateSubnetworks", "description", "name", "project"},
			Computed:  []string{"internalIpv6Range", "mtu", "project", "routingMode"},
			Defaults: map[string]any{
				"deleteDefaultRoutesOnCreate": false, "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
			},
		},
		Check: func(_ *provider.Call, in props) failures {
			f := append(checkCommon(in), oneOf(in, "routingMode", "REGIONAL", "GLOBAL")...)
			if provider.Bool(in, "autoCreateSubnetworks", true) { // the vendor's default is true
				f = append(f, provider.Failure("autoCreateSubnetworks", "the lab doesn't simulate networks in auto mode: set it to false"))
			}
			return f
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			project, err := setting(tx.Config, in, "project")
			if err != nil {
				return "", nil, err
			}
			id := fmt.Sprintf("projects/%s/global/networks/%s", project, provider.Str(in, "name"))
			return id, provider.Merge(provider.From(map[string]any{
				"mtu": defaultMTU, "routingMode": "REGIONAL", "project": project, "selfLink": api + id, "gatewayIpv4": "",
				"internalIpv6Range": "", "numericId": fmt.Sprint(tx.NewNumber(1_000_000)),
			}), in), place(tx, typeNetwork, id)
		},
	}
}

func subnetwork() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: compute.SubnetworkArgs{}, Outputs: compute.Subnetwork{}, Name: "name",
			Supported: []string{"description", "name", "privateIpGoogleAccess", "project", "purpose", "region", "stackType"},
			ForceNew:  []string{"description", "name", "network", "project", "purpose", "region"},
			Replaces: func(before, after props) []string {
				if widens(provider.Str(before, "ipCidrRange"), provider.Str(after, "ipCidrRange")) {
					return nil
				}
				return []string{"ipCidrRange"}
			},
			Computed: []string{
				"allowSubnetCidrRoutesOverlap", "externalIpv6Prefix", "privateIpGoogleAccess", "privateIpv6GoogleAccess",
				"project", "purpose", "region", "secondaryIpRanges", "stackType",
			},
			Equal: sameLink,
		},
		Check: func(_ *provider.Call, in props) failures {
			f := append(checkCommon(in), oneOf(in, "purpose", "PRIVATE", "PRIVATE_RFC_1918")...)
			f = append(f, oneOf(in, "stackType", "IPV4_ONLY")...)
			if text := provider.Str(in, "ipCidrRange"); provider.Known(in, "ipCidrRange") {
				p, err := netip.ParsePrefix(text)
				if err != nil || !p.Addr().Is4() || p != p.Masked() || p.Bits() < 4 || p.Bits() > 29 {
					f = append(f, provider.Failure("ipCidrRange", "invalid value for field 'resource.ipCidrRange': '%s': must be a CIDR address range that is contained in a valid subnet range, /4 to /29", text))
				}
			}
			return f
		},
		Refs: func(p props) []cloud.Ref {
			return []cloud.Ref{{Property: "network", Type: typeNetwork, ID: expand(provider.Str(p, "network"), provider.Str(p, "project"), "global", "networks")}}
		},
		Ready: withProject,
		Place: placeSubnetwork,
		Change: func(_ *cloud.Tx, o *cloud.Object, all props) (props, error) {
			if was, wanted := provider.Str(o.Props, "ipCidrRange"), provider.Str(all, "ipCidrRange"); was != wanted {
				return nil, fmt.Errorf("the lab doesn't widen a subnetwork in place, from %s to %s: Docker can't", was, wanted)
			}
			return provider.Merge(all, props{"network": o.Props["network"], "project": o.Props["project"], "region": o.Props["region"]}), nil
		},
		Network: func(o *cloud.Object) vm.Network {
			return vm.Network{ID: o.ID, Cloud: "gcp", Name: o.Name(), CIDR: prefix(o), MTU: defaultMTU}
		},
	}
}

// widens says whether a range holds another: those are the changes that the API
// makes in place.
func widens(before, after string) bool {
	a, err := netip.ParsePrefix(before)
	b, berr := netip.ParsePrefix(after)
	return err == nil && berr == nil && b.Bits() <= a.Bits() && b.Contains(a.Addr())
}

// prefix is the range of a subnetwork, which Check has found valid.
func prefix(o *cloud.Object) netip.Prefix {
	p, _ := netip.ParsePrefix(provider.Str(o.Props, "ipCidrRange"))
	return p
}

// withProject adds the provider's project to inputs that leave it out: names
// are looked up in it.
func withProject(config, in props) props {
	if project, err := setting(config, in, "project"); err == nil {
		return provider.Merge(in, provider.From(map[string]any{"project": project}))
	}
	return in
}

func placeSubnetwork(tx *cloud.Tx, in props) (string, props, error) {
	project, err := setting(tx.Config, in, "project")
	if err != nil {
		return "", nil, err
	}
	where, err := region(tx.Config, in)
	if err != nil {
		return "", nil, err
	}
	home := expand(provider.Str(in, "network"), project, "global", "networks")
	id := fmt.Sprintf("projects/%s/regions/%s/subnetworks/%s", project, where, provider.Str(in, "name"))
	cidr, err := netip.ParsePrefix(provider.Str(in, "ipCidrRange"))
	if err != nil {
		return "", nil, err
	}
	for _, other := range tx.All(typeSubnetwork) {
		if strip(provider.Str(other.Props, "network")) != home {
			continue
		}
		if prefix(other).Overlaps(cidr) {
			return "", nil, fmt.Errorf("googleapi: Error 400: invalid IPCidrRange: %s conflicts with existing subnetwork '%s', invalid", cidr, other.ID)
		}
		if other.URN == tx.URN {
			continue // which it replaces: it will be gone soon
		}
		// One router has one network behind it.
		return "", nil, fmt.Errorf("the lab simulates one subnetwork per network, and %s has %s: use that", home, other.ID)
	}
	return id, provider.Merge(provider.From(map[string]any{
		"purpose": "PRIVATE", "stackType": "IPV4_ONLY", "privateIpGoogleAccess": false, "privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS",
		"allowSubnetCidrRoutesOverlap": false, "secondaryIpRanges": []any{}, "externalIpv6Prefix": "", "internalIpv6Prefix": "", "ipv6CidrRange": "",
	}), in, provider.From(map[string]any{
		"project": project, "region": where, "selfLink": api + id, "network": api + home,
		"gatewayAddress": cidr.Addr().Next().String(), "creationTimestamp": created, "fingerprint": "",
	})), place(tx, typeSubnetwork, id)
}
