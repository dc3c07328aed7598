package digitalocean

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-digitalocean/sdk/v4/go/digitalocean"

	"hybrid/lab/buckets"
	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

const (
	typeSpacesBucket = "digitalocean:index/spacesBucket:SpacesBucket"
	typeSpacesKey    = "digitalocean:index/spacesKey:SpacesKey"
)

// spacesRegions are those of [regions] that have Spaces, see
// https://docs.digitalocean.com/platform/regional-availability/.
var spacesRegions = []string{"ams3", "atl1", "blr1", "fra1", "lon1", "nyc3", "sfo2", "sfo3", "sgp1", "syd1", "tor1"}

// bucketName is Spaces' rule, which is S3's.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)

// spacesBucket is one of Spaces'. What is in it is kept by the lab's S3 server. It is made
// by S3's own API, and so with a key.
func spacesBucket() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: digitalocean.SpacesBucketArgs{}, Outputs: digitalocean.SpacesBucket{}, Name: "name",
			Supported: []string{"acl", "forceDestroy", "name", "region"},
			ForceNew:  []string{"name", "region"},
			Defaults:  map[string]any{"acl": "private", "forceDestroy": false, "region": "nyc3"},
		},
		Check: func(_ *provider.Call, in props) (f failures) {
			if r := provider.Str(in, "region"); provider.Known(in, "region") && !slices.Contains(spacesRegions, r) {
				f = append(f, provider.Failure("region", "expected region to be one of %q, got %s", spacesRegions, r))
			}
			if acl := provider.Str(in, "acl"); provider.Known(in, "acl") && acl != "private" {
				f = append(f, provider.Failure("acl", "the lab has private buckets only, found %s", acl))
			}
			if name := provider.Str(in, "name"); provider.Known(in, "name") && !bucketName.MatchString(name) {
				f = append(f, provider.Failure("name", "InvalidBucketName: %s", name))
			}
			return f
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			access, secret := provider.Str(tx.Config, "spacesAccessId"), provider.Str(tx.Config, "spacesSecretKey")
			if access == "" || secret == "" {
				return "", nil, errors.New("the Spaces API has no credentials: set spacesAccessId and spacesSecretKey on the provider")
			}
			owner := tx.Get(typeSpacesKey, access)
			if owner == nil || provider.Str(owner.Props, "secretKey") != secret {
				return "", nil, apiError(403, "InvalidAccessKeyId: %s", access)
			}
			if !slices.Contains(permissions(owner), fullAccess) {
				return "", nil, apiError(403, "AccessDenied: the key %s is not for all buckets", access)
			}
			name, region := provider.Str(in, "name"), provider.Str(in, "region")
			if tx.Get(typeSpacesBucket, name) != nil {
				return "", nil, apiError(409, "BucketAlreadyExists: %s", name)
			}
			return name, provider.Merge(in, provider.From(map[string]any{
				"bucketUrn": urn("space", name), "bucketDomainName": name + "." + region + ".digitaloceanspaces.com", "endpoint": region + ".digitaloceanspaces.com",
			})), nil
		},
		Leave: func(tx *cloud.Tx, o *cloud.Object) error {
			return buckets.Leave(tx.Cloud.Dir(), o.ID, provider.Bool(o.Props, "forceDestroy", false), apiError(409, "BucketNotEmpty: %s", o.ID))
		},
	}
}

// fullAccess is the permission for all buckets.
const fullAccess = "fullaccess"

// grantees are what those with a permission may do in a bucket.
var grantees = map[string]func(string, []string) []buckets.Statement{"read": buckets.Reading, "readwrite": buckets.Writing}

// spacesKey enters the buckets that its grants say.
func spacesKey() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: digitalocean.SpacesKeyArgs{}, Outputs: digitalocean.SpacesKey{}, Name: "name",
			Supported: []string{"grants", "name"},
			Secret:    []string{"secretKey"},
		},
		Check: func(_ *provider.Call, in props) (f failures) {
			for i, g := range provider.Objs(in, "grants") {
				path := fmt.Sprintf("grants[%d].permission", i)
				switch permission := provider.Str(g, "permission"); {
				case !provider.Known(g, "permission"):
				case permission == fullAccess && provider.Known(g, "bucket") && provider.Str(g, "bucket") != "":
					f = append(f, provider.Failure(path, "422 fullaccess is for all buckets: the bucket must be empty"))
				case permission != fullAccess && grantees[permission] == nil:
					f = append(f, provider.Failure(path, "422 expected read, readwrite or fullaccess, got %s", permission))
				}
			}
			return f
		},
		Refs: func(p props) (refs []cloud.Ref) {
			for _, g := range provider.Objs(p, "grants") {
				refs = append(refs, cloud.Ref{Property: "grants", Type: typeSpacesBucket, ID: provider.Str(g, "bucket"), Weak: true})
			}
			return refs
		},
		Place: func(_ *cloud.Tx, in props) (string, props, error) {
			access := "DO00" + strings.ToUpper(cloud.RandomHex(16))
			return access, provider.Merge(in, provider.From(map[string]any{"accessKey": access, "secretKey": cloud.RandomHex(43), "createdAt": createdAt})), nil
		},
	}
}

// permissions are those of all grants of a key.
func permissions(key *cloud.Object) (out []string) {
	for _, g := range provider.Objs(key.Props, "grants") {
		out = append(out, provider.Str(g, "permission"))
	}
	return out
}

// publish says what there is of buckets, and who may enter them.
func publish(s *cloud.State, dir string) error {
	has := buckets.New()
	for _, o := range s.All(typeSpacesBucket) {
		has.Buckets[o.ID] = nil
	}
	for _, o := range s.All(typeSpacesKey) {
		has.Keys[o.ID] = provider.Str(o.Props, "secretKey")
		for _, g := range provider.Objs(o.Props, "grants") {
			if allow := grantees[provider.Str(g, "permission")]; allow != nil {
				has.Allow(provider.Str(g, "bucket"), allow(provider.Str(g, "bucket"), []string{o.ID})...)
				continue
			}
			for name := range has.Buckets {
				has.Allow(name, buckets.Writing(name, []string{o.ID})...)
			}
		}
	}
	return buckets.Write(dir, "digitalocean", has)
}
