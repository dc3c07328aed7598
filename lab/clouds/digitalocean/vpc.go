package digitalocean

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"github.com/pulumi/pulumi-digitalocean/sdk/v4/go/digitalocean"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

var (
	vpcName = regexp.MustCompile(`^[a-zA-Z0-9.-]+$`)
	// rfc1918 are the ranges that a VPC may be in, and taken those that the
	// vendor uses itself in all regions (see "VPC limits" in its documentation).
	rfc1918 = cidrs("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
	taken   = cidrs("10.229.0.0/16", "10.244.0.0/16", "10.245.0.0/16", "10.246.0.0/24")
)

func cidrs(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

func vpc() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: digitalocean.VpcArgs{}, Outputs: digitalocean.Vpc{}, Name: "name",
			Supported: []string{"description", "ipRange", "name"},
			ForceNew:  []string{"ipRange", "region"},
			Computed:  []string{"ipRange"},
		},
		Waits: true,
		Check: func(_ *provider.Call, in props) failures {
			f := checkRegion(in)
			if n := provider.Str(in, "name"); provider.Known(in, "name") && !vpcName.MatchString(n) {
				f = append(f, provider.Failure("name", "422 name %q: may only contain alphanumeric characters, dashes, and periods", n))
			}
			if len(provider.Str(in, "description")) > 255 {
				f = append(f, provider.Failure("description", "expected length of description to be in the range (0 - 255)"))
			}
			if provider.Known(in, "ipRange") {
				f = append(f, checkRange(provider.Str(in, "ipRange"))...)
			}
			return f
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			id, name := cloud.NewUUID(), provider.Str(in, "name")
			if tx.Find(typeVpc, "name", name) != nil {
				return "", nil, apiError(409, "a VPC with the name %q already exists in your account", name)
			}
			cidr, err := chooseRange(tx.State, provider.Str(in, "ipRange"))
			return id, provider.Merge(in, provider.From(map[string]any{
				"ipRange": cidr.String(), "vpcUrn": urn("vpc", id), "default": false, "createdAt": createdAt,
			})), err
		},
		Network: func(o *cloud.Object) vm.Network {
			return vm.Network{ID: o.ID, Cloud: "digitalocean", Name: o.Name(), CIDR: prefix(o)}
		},
	}
}

// prefix is the range of a VPC, which Check has found valid.
func prefix(o *cloud.Object) netip.Prefix {
	p, _ := netip.ParsePrefix(provider.Str(o.Props, "ipRange"))
	return p
}

func checkRange(text string) failures {
	fail := func(format string, args ...any) failures {
		return failures{provider.Failure("ipRange", format, args...)}
	}
	p, err := netip.ParsePrefix(text)
	overlaps := func(q netip.Prefix) bool { return q.Overlaps(p) }
	switch {
	case err != nil || !p.Addr().Is4():
		return fail("expected \"ip_range\" to contain a valid IPv4 network, got: %s", text)
	case p != p.Masked():
		return fail("expected \"ip_range\" to contain a network Value, expected %s, got %s", p.Masked(), text)
	case p.Bits() < 16 || p.Bits() > 24:
		return fail("422 the range %s may not be larger than /16 or smaller than /24", text)
	case !slices.ContainsFunc(rfc1918, func(q netip.Prefix) bool { return q.Overlaps(p) && q.Bits() <= p.Bits() }):
		return fail("422 the range %s must be in range of private addresses as defined in RFC1918", text)
	case slices.ContainsFunc(taken, overlaps):
		return fail("422 the range %s overlaps with one that DigitalOcean uses itself", text)
	}
	return nil
}

// chooseRange returns the wanted range, or a free /20 of 10.100.0.0/14.
func chooseRange(s *cloud.State, wanted string) (netip.Prefix, error) {
	conflict := func(p netip.Prefix) bool {
		return slices.ContainsFunc(s.All(typeVpc), func(o *cloud.Object) bool { return prefix(o).Overlaps(p) })
	}
	if wanted != "" {
		p, err := netip.ParsePrefix(wanted)
		if err == nil && conflict(p) {
			err = apiError(422, "this range/size overlaps with another VPC network in your account: %s", wanted)
		}
		return p, err
	}
	for second := 100; second < 104; second++ {
		for third := 0; third < 256; third += 16 {
			if p := netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.0/20", second, third)); !conflict(p) {
				return p, nil
			}
		}
	}
	return netip.Prefix{}, apiError(422, "no range is free: set ipRange")
}
