// Package digitalocean simulates DigitalOcean for the lab: exactly the
// resources that the program uses, with the API's rules and its words for
// breaking them.
package digitalocean

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-digitalocean/sdk/v4/go/digitalocean"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

type (
	props    = provider.Props
	failures = provider.Failures
)

// The types' tokens.
const (
	typeVpc        = "digitalocean:index/vpc:Vpc"
	typeSSHKey     = "digitalocean:index/sshKey:SshKey"
	typeTag        = "digitalocean:index/tag:Tag"
	typeFirewall   = "digitalocean:index/firewall:Firewall"
	typeDroplet    = "digitalocean:index/droplet:Droplet"
	typeReserved   = "digitalocean:index/reservedIp:ReservedIp"
	typeAssignment = "digitalocean:index/reservedIpAssignment:ReservedIpAssignment"
)

// This cloud's addresses of the lab's internet: those on the droplets' own NICs,
// and the reserved ones.
var (
	dropletPool  = netip.MustParsePrefix("198.18.32.0/20")
	reservedPool = netip.MustParsePrefix("198.18.48.0/20")
)

// regions are the slugs of the data centers.
var regions = []string{
	"ams2", "ams3", "atl1", "blr1", "fra1", "lon1", "nyc1", "nyc2", "nyc3",
	"sfo1", "sfo2", "sfo3", "sgp1", "syd1", "tor1",
}

// anchors are the ranges of the droplets' anchor addresses, by region; otherAnchors is
// the lab's for regions of which it isn't known.
var (
	anchors = map[string]netip.Prefix{
		"ams3": netip.MustParsePrefix("10.18.0.0/16"), "blr1": netip.MustParsePrefix("10.47.0.0/16"),
		"fra1": netip.MustParsePrefix("10.19.0.0/16"), "nyc2": netip.MustParsePrefix("10.13.0.0/16"),
		"lon1": netip.MustParsePrefix("10.16.0.0/16"), "nyc1": netip.MustParsePrefix("10.10.0.0/16"),
		"nyc3": netip.MustParsePrefix("10.17.0.0/16"), "sfo1": netip.MustParsePrefix("10.12.0.0/16"),
		"sfo2": netip.MustParsePrefix("10.46.0.0/16"), "sfo3": netip.MustParsePrefix("10.48.0.0/16"),
		"syd1": netip.MustParsePrefix("10.49.0.0/16"), "tor1": netip.MustParsePrefix("10.20.0.0/16"),
	}
	otherAnchors = netip.MustParsePrefix("10.13.0.0/16")
)

// New returns the cloud. It is used once it is attached.
func New() *cloud.Cloud {
	return &cloud.Cloud{
		Name: "digitalocean",
		Types: map[string]*cloud.Type{
			typeVpc: vpc(), typeSSHKey: sshKey(), typeTag: tag(), typeFirewall: firewall(),
			typeDroplet: droplet(), typeReserved: reservedIP(), typeAssignment: assignment(),
			typeSpacesBucket: spacesBucket(), typeSpacesKey: spacesKey(),
		},
		Policies: policies,
		Publish:  publish,
		NotFound: func(r cloud.Ref) error {
			return apiError(404, "the resource you were accessing could not be found: there is no %s %s", kind(r.Type), r.ID)
		},
		InUse: func(o *cloud.Object, by []*cloud.Object) error {
			ids := make([]string, len(by))
			for i, d := range by {
				ids[i] = kind(d.Type) + " " + d.ID
			}
			return apiError(403, "cannot delete %s with members: %s", kind(o.Type), strings.Join(ids, ", "))
		},
	}
}

// Package returns the plugin of an attached cloud.
func Package(c *cloud.Cloud) *provider.Package {
	return &provider.Package{
		Name: "digitalocean", Module: "github.com/pulumi/pulumi-digitalocean/sdk/v4",
		Config: digitalocean.ProviderArgs{}, Resources: c.Resources(),
	}
}

// apiError is an error as the vendor's provider shows the API's.
func apiError(status int, format string, args ...any) error {
	return fmt.Errorf("%d %w", status, fmt.Errorf(format, args...))
}

// kind is what people call a type.
func kind(token string) string { return token[strings.LastIndex(token, ":")+1:] }

func checkRegion(in props) failures {
	if r := provider.Str(in, "region"); provider.Known(in, "region") && !slices.Contains(regions, r) {
		return failures{provider.Failure("region", "422 invalid region %q: there are %s", r, strings.Join(regions, ", "))}
	}
	return nil
}

// urn is the vendor's own kind of it.
func urn(kind, id string) string { return "do:" + kind + ":" + id }

// createdAt is the same for all, so that tests and refreshes see no change.
const createdAt = "2026-01-01T00:00:00Z"
