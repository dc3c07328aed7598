// Package gcp simulates Google Compute Engine and Cloud DNS, and of Cloud Storage the buckets
// and who may enter them, for the lab: exactly the resources that the program uses, with the
// API's rules and its words for breaking them.
package gcp

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/dns"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

type (
	props    = provider.Props
	failures = provider.Failures
)

// The types' tokens.
const (
	typeNetwork    = "gcp:compute/network:Network"
	typeSubnetwork = "gcp:compute/subnetwork:Subnetwork"
	typeFirewall   = "gcp:compute/firewall:Firewall"
	typeAddress    = "gcp:compute/address:Address"
	typeInstance   = "gcp:compute/instance:Instance"
)

// publicPool are the addresses that this cloud has of the lab's internet.
var publicPool = netip.MustParsePrefix("198.18.96.0/19")

// api is what IDs become links with.
const api = "https://www.googleapis.com/compute/v1/"

// created is the same for all, so that refreshes see no change.
const created = "2026-01-01T00:00:00.000-07:00"

// New returns the cloud. It is used once it is attached.
func New() *cloud.Cloud {
	return &cloud.Cloud{
		Name: "gcp",
		Types: map[string]*cloud.Type{
			typeNetwork: network(), typeSubnetwork: subnetwork(), typeFirewall: firewall(),
			typeAddress: address(), typeInstance: instance(), typeManagedZone: managedZone(), typeRecordSet: recordSet(),
			typeBucket: bucket(), typeBucketMember: bucketMember(), typeAccount: account(), typeHmacKey: hmacKey(),
		},
		Policies: policies,
		Publish: func(s *cloud.State, dir string) error {
			return errors.Join(publishZones(s, dir), publishBuckets(s, dir))
		},
		NotFound: func(r cloud.Ref) error { return errors.New("googleapi: Error 404: " + notFound(r.ID)) },
		InUse: func(o *cloud.Object, by []*cloud.Object) error {
			if o.Type == typeManagedZone {
				return fmt.Errorf("googleapi: Error 400: the resource 'entity.managedZone' named '%s' cannot be deleted because it contains one or more 'resource records': %s, containerNotEmpty", o.Name(), by[0].ID)
			}
			return fmt.Errorf("googleapi: Error 400: the %s resource '%s' is already being used by '%s', resourceInUseByAnotherResource", kind(o.Type), o.ID, by[0].ID)
		},
	}
}

// Package returns the plugin of an attached cloud.
func Package(c *cloud.Cloud) *provider.Package {
	return &provider.Package{
		Name: "gcp", Module: "github.com/pulumi/pulumi-gcp/sdk/v7",
		Config: gcp.ProviderArgs{}, CheckConfig: checkConfig,
		Resources: c.Resources(),
		Functions: map[string]*provider.Function{
			getManagedZone: {Args: dns.LookupManagedZoneArgs{}, Call: lookupZone(c)},
		},
	}
}

func notFound(id string) string { return fmt.Sprintf("the resource '%s' was not found, notFound", id) }

// The forms of names, as the vendor's provider checks them.
var (
	resourceName = regexp.MustCompile(`^(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)$`)
	projectName  = regexp.MustCompile(`^(?:(?:[-a-z0-9]{1,63}\.)*(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?):)?(?:[0-9]{1,19}|(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?))$`)
	regionName   = regexp.MustCompile(`^[a-z]+-[a-z]+[1-9][0-9]?$`)
	zoneName     = regexp.MustCompile(`^([a-z]+-[a-z]+[1-9][0-9]?)-[a-f]$`)
	labelName    = regexp.MustCompile(`^[a-z][-_a-z0-9]{0,62}$`)
	labelValue   = regexp.MustCompile(`^[-_a-z0-9]{0,63}$`)
)

func checkConfig(in props) (f failures) {
	if provider.Known(in, "project") && !projectName.MatchString(provider.Str(in, "project")) {
		f = append(f, mismatch("project", provider.Str(in, "project"), projectName))
	}
	return append(f, checkPlaces(in)...)
}

func mismatch(key, value string, pattern *regexp.Regexp) plugin.CheckFailure {
	return provider.Failure(key, "%q (%q) doesn't match regexp %q", key, value, pattern)
}

// checkPlaces checks regions and zones.
func checkPlaces(in props) (f failures) {
	if provider.Known(in, "region") && !regionName.MatchString(provider.Str(in, "region")) {
		f = append(f, mismatch("region", provider.Str(in, "region"), regionName))
	}
	if provider.Known(in, "zone") && !zoneName.MatchString(provider.Str(in, "zone")) {
		f = append(f, mismatch("zone", provider.Str(in, "zone"), zoneName))
	}
	return f
}

// checkCommon checks what all types have: name, project, region, zone, labels.
func checkCommon(in props) failures {
	f := checkConfig(in)
	if provider.Known(in, "name") && !resourceName.MatchString(provider.Str(in, "name")) {
		f = append(f, mismatch("name", provider.Str(in, "name"), resourceName))
	}
	for k, v := range provider.StrMap(in, "labels") {
		if !labelName.MatchString(k) || !labelValue.MatchString(v) {
			f = append(f, provider.Failure("labels."+k, "invalid value for field 'resource.labels': %q = %q: lowercase letters, digits, - and _, at most 63", k, v))
		}
	}
	return f
}

// oneOf checks an enumeration as the vendor's provider does.
func oneOf(in props, key string, allowed ...string) failures {
	if v := provider.Str(in, key); provider.Known(in, key) && !slices.Contains(allowed, v) {
		return failures{provider.Failure(key, "expected %s to be one of %q, got %s", key, allowed, v)}
	}
	return nil
}

// kind is what the API calls a type.
func kind(token string) string {
	return strings.ToLower(token[strings.LastIndex(token, ":")+1:])
}

// setting returns an input, or else the provider's setting of the same name.
func setting(config, in props, key string) (string, error) {
	for _, p := range []props{in, config} {
		if v := provider.Str(p, key); v != "" {
			return v, nil
		}
	}
	return "", fmt.Errorf("%s: required field is not set: set it on the resource, on the provider, or with `pulumi config set gcp:%[1]s`", key)
}

// region is the resource's, or the provider's, or that of the provider's zone.
func region(config, in props) (string, error) {
	r, err := setting(config, in, "region")
	if m := zoneName.FindStringSubmatch(provider.Str(config, "zone")); err != nil && m != nil {
		return m[1], nil
	}
	return r, err
}

// strip turns a link into an ID: "projects/p/global/networks/n".
func strip(link string) string {
	if i := strings.Index(link, "projects/"); i >= 0 {
		return link[i:]
	}
	return link
}

// expand turns a name, an ID or a link into an ID. place is "global" or
// "regions/r".
func expand(ref, project, place, collection string) string {
	if ref == "" || strings.Contains(ref, "/") {
		return strip(ref)
	}
	return fmt.Sprintf("projects/%s/%s/%s/%s", project, place, collection, ref)
}

// labels returns the outputs that follow from labels.
func labels(p props) props {
	all := map[string]any{}
	for k, v := range provider.StrMap(p, "labels") {
		all[k] = v
	}
	return provider.From(map[string]any{"effectiveLabels": all, "pulumiLabels": all, "labelFingerprint": "42WmSpB8rSM="})
}

// place checks that a name is free.
func place(tx *cloud.Tx, typ, id string) error {
	if tx.Get(typ, id) != nil {
		return fmt.Errorf("googleapi: Error 409: the resource '%s' already exists, alreadyExists", id)
	}
	return nil
}

// sameLink says whether two references to a network or subnetwork mean the
// same: programs have names, IDs and links, and the API answers in links.
func sameLink(path, a, b string) bool {
	if !strings.HasSuffix(path, "network") {
		return false
	}
	a, b = strip(a), strip(b)
	return a == b || strings.HasSuffix(a, "/"+b) || strings.HasSuffix(b, "/"+a)
}

// located adds the provider's project and zone to inputs that leave them out:
// names are looked up there.
func located(config, in props) props {
	out := provider.Merge(in)
	for _, key := range []string{"project", "zone"} {
		if v, err := setting(config, in, key); err == nil {
			out = provider.Merge(out, provider.From(map[string]any{key: v}))
		}
	}
	return out
}
