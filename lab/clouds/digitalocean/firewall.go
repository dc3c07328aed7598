package digitalocean

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi-digitalocean/sdk/v4/go/digitalocean"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

// The API's limits per firewall.
const (
	maxDroplets = 10
	maxTags     = 5
)

// direction is what differs between inbound and outbound rules.
type direction struct {
	rules, addresses, tags, droplets string // property names
}

var (
	inbound  = direction{"inboundRules", "sourceAddresses", "sourceTags", "sourceDropletIds"}
	outbound = direction{"outboundRules", "destinationAddresses", "destinationTags", "destinationDropletIds"}
)

func firewall() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: digitalocean.FirewallArgs{}, Outputs: digitalocean.Firewall{}, Name: "name",
			Supported: []string{"dropletIds", "inboundRules", "name", "outboundRules", "tags"},
			Unsupported: []string{
				"inboundRules.sourceKubernetesIds", "inboundRules.sourceLoadBalancerUids",
				"outboundRules.destinationKubernetesIds", "outboundRules.destinationLoadBalancerUids",
			},
			Defaults: map[string]any{"dropletIds": []any{}, "inboundRules": []any{}, "outboundRules": []any{}, "tags": []any{}},
			Sets:     []string{"dropletIds", "inboundRules", "outboundRules", "tags"},
		},
		Check: func(_ *provider.Call, in props) failures {
			f := append(checkTagNames(in, "tags"), checkRules(in, inbound)...)
			f = append(f, checkRules(in, outbound)...)
			if !provider.Filled(in, inbound.rules) && !provider.Filled(in, outbound.rules) {
				f = append(f, provider.Failure(inbound.rules, "at least one rule must be specified"))
			}
			if n := len(provider.Strs(in, "tags")); n > maxTags {
				f = append(f, provider.Failure("tags", "422 a firewall has at most %d tags, found %d", maxTags, n))
			}
			if n := len(provider.Ints(in, "dropletIds")); n > maxDroplets {
				f = append(f, provider.Failure("dropletIds", "422 a firewall has at most %d droplets, found %d: use tags", maxDroplets, n))
			}
			return f
		},
		Refs: func(p props) []cloud.Ref {
			var refs []cloud.Ref
			ref := func(property string, ids []int) {
				for _, id := range ids {
					refs = append(refs, cloud.Ref{Property: property, Type: typeDroplet, ID: strconv.Itoa(id), Weak: true})
				}
			}
			ref("dropletIds", provider.Ints(p, "dropletIds"))
			return refs
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			id := cloud.NewUUID()
			if other := tx.Find(typeFirewall, "name", provider.Str(in, "name")); other != nil {
				return "", nil, apiError(409, "duplicate name %q: firewall %s has it", provider.Str(in, "name"), other.ID)
			}
			return id, provider.Merge(in, provider.From(map[string]any{
				"createdAt": createdAt, "status": "succeeded", "pendingChanges": []any{},
			})), wantAllTags(tx, in)
		},
		Change: func(tx *cloud.Tx, _ *cloud.Object, all props) (props, error) {
			return all, wantAllTags(tx, all)
		},
	}
}

func wantAllTags(tx *cloud.Tx, p props) error {
	names := provider.Strs(p, "tags")
	for _, d := range []direction{inbound, outbound} {
		for _, r := range provider.Objs(p, d.rules) {
			names = append(names, provider.Strs(r, d.tags)...)
		}
	}
	return wantTags(tx, names)
}

func checkRules(in props, d direction) (f failures) {
	for i, r := range provider.Objs(in, d.rules) {
		path := fmt.Sprintf("%s[%d].", d.rules, i)
		protocol := provider.Str(r, "protocol")
		if provider.Known(r, "protocol") && !slices.Contains([]string{"tcp", "udp", "icmp"}, protocol) {
			f = append(f, provider.Failure(path+"protocol", "expected protocol to be one of [\"tcp\" \"udp\" \"icmp\"], got %s", protocol))
		}
		ranged := provider.Set(r, "portRange")
		switch _, _, err := ports(provider.Str(r, "portRange")); {
		case provider.Known(r, "protocol") && protocol != "icmp" && !ranged:
			f = append(f, provider.Failure(path+"portRange", "`port_range` of %s is required if protocol is `tcp` or `udp`", d.rules))
		case protocol == "icmp" && ranged:
			f = append(f, provider.Failure(path+"portRange", "422 ports are invalid for protocol icmp: leave portRange out"))
		case provider.Known(r, "portRange") && err != nil:
			f = append(f, provider.Failure(path+"portRange", "422 %v", err))
		}
		if !provider.Filled(r, d.addresses) && !provider.Filled(r, d.tags) && !provider.Filled(r, d.droplets) {
			f = append(f, provider.Failure(path+d.addresses, "422 a rule needs at least one of %s, %s, %s", d.addresses, d.tags, d.droplets))
		}
		for j, a := range provider.Strs(r, d.addresses) {
			if !isAddress(a) {
				f = append(f, provider.Failure(fmt.Sprintf("%s%s[%d]", path, d.addresses, j), "422 invalid address %q: want an address or a CIDR, IPv4 or IPv6", a))
			}
		}
		f = append(f, checkTagNames(r, d.tags)...)
	}
	return f
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	if err != nil {
		_, err = netip.ParsePrefix(text)
	}
	return err == nil
}

// ports parses a port, a range, or one of the API's words for all ports.
func ports(text string) (from, to int, err error) {
	if text == "all" || text == "0" {
		return 0, 0, nil
	}
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	from, err = strconv.Atoi(first)
	if err == nil {
		to, err = strconv.Atoi(last)
	}
	if err != nil || from < 1 || to > 65535 || from > to {
		return 0, 0, fmt.Errorf("invalid port range %q: want a port, a range such as 8000-9000, or all", text)
	}
	return from, to, nil
}
