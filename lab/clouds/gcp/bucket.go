package gcp

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/serviceaccount"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/storage"

	"hybrid/lab/buckets"
	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

const (
	typeBucket       = "gcp:storage/bucket:Bucket"
	typeBucketMember = "gcp:storage/bucketIAMMember:BucketIAMMember"
	typeAccount      = "gcp:serviceaccount/account:Account"
	typeHmacKey      = "gcp:storage/hmacKey:HmacKey"
)

// bucketName is Cloud Storage's rule for names without dots, see
// https://cloud.google.com/storage/docs/buckets#naming.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$`)

// bucket is one of Cloud Storage's. What is in it is kept by the lab's S3 server.
func bucket() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: storage.BucketArgs{}, Outputs: storage.Bucket{}, Name: "name",
			Supported: []string{"forceDestroy", "labels", "location", "name", "project", "publicAccessPrevention", "storageClass", "uniformBucketLevelAccess"},
			ForceNew:  []string{"location", "name", "project"},
			Computed:  []string{"project", "publicAccessPrevention", "rpo", "uniformBucketLevelAccess", "softDeletePolicy", "versioning", "website"},
			Defaults:  map[string]any{"forceDestroy": false, "storageClass": "STANDARD"},
		},
		Check: func(_ *provider.Call, in props) failures {
			f := append(checkConfig(in), oneOf(in, "publicAccessPrevention", "enforced", "inherited")...)
			if name := provider.Str(in, "name"); provider.Known(in, "name") && (!bucketName.MatchString(name) || strings.HasPrefix(name, "goog")) {
				f = append(f, provider.Failure("name", "%q is no name of a bucket: 3 to 63 of a-z, 0-9, - and _, and not beginning with goog", name))
			}
			if where := provider.Str(in, "location"); provider.Known(in, "location") && !regionName.MatchString(strings.ToLower(where)) {
				f = append(f, provider.Failure("location", "the specified location constraint is not valid: %s", where))
			}
			return f
		},
		Ready: withProject,
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			if _, err := setting(tx.Config, in, "project"); err != nil {
				return "", nil, err
			}
			name := provider.Str(in, "name")
			if tx.Get(typeBucket, name) != nil {
				return "", nil, fmt.Errorf("googleapi: Error 409: Your previous request to create the named bucket succeeded and you already own it., conflict")
			}
			all := labels(in)
			delete(all, "labelFingerprint")
			return name, provider.Merge(provider.From(map[string]any{"publicAccessPrevention": "inherited", "uniformBucketLevelAccess": false}), in, all, provider.From(map[string]any{
				"location": strings.ToUpper(provider.Str(in, "location")), "selfLink": "https://www.googleapis.com/storage/v1/b/" + name, "url": "gs://" + name,
				"projectNumber": 123456789012, "rpo": "",
			})), nil
		},
		Leave: func(tx *cloud.Tx, o *cloud.Object) error {
			return buckets.Leave(tx.Cloud.Dir(), o.ID, provider.Bool(o.Props, "forceDestroy", false), fmt.Errorf("error trying to delete bucket %s containing objects without `force_destroy` set to true", o.ID))
		},
	}
}

// account is one of a program's.
func account() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: serviceaccount.AccountArgs{}, Outputs: serviceaccount.Account{},
			Supported: []string{"accountId", "description", "displayName", "project"},
			ForceNew:  []string{"accountId", "project"},
			Computed:  []string{"project"},
		},
		Check: func(_ *provider.Call, in props) (f failures) {
			f = checkConfig(in)
			if id := provider.Str(in, "accountId"); provider.Known(in, "accountId") && (len(id) < 6 || len(id) > 30 || !resourceName.MatchString(id)) {
				f = append(f, provider.Failure("accountId", "%q: expected 6 to 30 of a-z, 0-9 and -, beginning with a letter", id))
			}
			return f
		},
		Ready: withProject,
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			project, err := setting(tx.Config, in, "project")
			if err != nil {
				return "", nil, err
			}
			email := provider.Str(in, "accountId") + "@" + project + ".iam.gserviceaccount.com"
			id := "projects/" + project + "/serviceAccounts/" + email
			return id, provider.Merge(in, provider.From(map[string]any{
				"email": email, "member": "serviceAccount:" + email, "name": id, "uniqueId": strconv.Itoa(tx.NewNumber(1_000_000)),
			})), place(tx, typeAccount, id)
		},
	}
}

// bucketRoles are what those with a role may do: read a bucket, and write into it.
var bucketRoles = map[string]func(string, []string) []buckets.Statement{
	"roles/storage.objectViewer": buckets.Reading,
	"roles/storage.objectAdmin":  buckets.Writing,
}

// bucketMember lets an account into a bucket.
func bucketMember() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: storage.BucketIAMMemberArgs{}, Outputs: storage.BucketIAMMember{},
			Supported: []string{"bucket", "member", "role"},
			ForceNew:  []string{"bucket", "member", "role"},
		},
		Check: func(_ *provider.Call, in props) (f failures) {
			if role := provider.Str(in, "role"); provider.Known(in, "role") && bucketRoles[role] == nil {
				f = append(f, provider.Failure("role", "the lab doesn't simulate %s", role))
			}
			if member := provider.Str(in, "member"); provider.Known(in, "member") && !strings.HasPrefix(member, "serviceAccount:") {
				f = append(f, provider.Failure("member", "the lab has accounts of programs only, found %s", member))
			}
			return f
		},
		Refs: func(p props) []cloud.Ref {
			// A bucket and an account go with what they may do.
			return []cloud.Ref{{Property: "bucket", Type: typeBucket, ID: provider.Str(p, "bucket"), Weak: true}}
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			email := strings.TrimPrefix(provider.Str(in, "member"), "serviceAccount:")
			if tx.Find(typeAccount, "email", email) == nil {
				return "", nil, fmt.Errorf("googleapi: Error 400: Service account %s does not exist., invalid", email)
			}
			id := strings.Join([]string{"b/" + provider.Str(in, "bucket"), provider.Str(in, "role"), provider.Str(in, "member")}, "/")
			return id, provider.Merge(in, provider.From(map[string]any{"etag": "CAE="})), nil
		},
	}
}

// mostHmacKeys is how many keys an account may have, see
// https://cloud.google.com/storage/quotas.
const mostHmacKeys = 10

// hmacKey is by what an account is known to the S3 interface.
func hmacKey() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: storage.HmacKeyArgs{}, Outputs: storage.HmacKey{},
			Supported: []string{"project", "serviceAccountEmail"},
			ForceNew:  []string{"project", "serviceAccountEmail"},
			Computed:  []string{"project"},
			Defaults:  map[string]any{"state": "ACTIVE"},
			Secret:    []string{"secret"},
		},
		Check: func(_ *provider.Call, in props) failures { return checkConfig(in) },
		Ready: withProject,
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			email := provider.Str(in, "serviceAccountEmail")
			if tx.Find(typeAccount, "email", email) == nil {
				return "", nil, fmt.Errorf("googleapi: Error 404: Service Account '%s' not found., notFound", email)
			}
			if len(keysOf(tx.State, email)) >= mostHmacKeys {
				return "", nil, fmt.Errorf("googleapi: Error 429: the maximum number of HMAC keys of %s has been reached, rateLimitExceeded", email)
			}
			access := "GOOG1E" + strings.ToUpper(cloud.RandomHex(55))
			return "projects/" + provider.Str(in, "project") + "/hmacKeys/" + access, provider.Merge(in, provider.From(map[string]any{
				"accessId": access, "secret": cloud.RandomHex(40), "timeCreated": created, "updated": created,
			})), nil
		},
	}
}

// keysOf are the access keys of an account.
func keysOf(s *cloud.State, email string) (keys []string) {
	for _, o := range s.All(typeHmacKey) {
		if provider.Str(o.Props, "serviceAccountEmail") == email {
			keys = append(keys, provider.Str(o.Props, "accessId"))
		}
	}
	slices.Sort(keys)
	return keys
}

// publishBuckets says what there is of buckets, and who may enter them.
func publishBuckets(s *cloud.State, dir string) error {
	has := buckets.New()
	for _, o := range s.All(typeHmacKey) {
		has.Keys[provider.Str(o.Props, "accessId")] = provider.Str(o.Props, "secret")
	}
	for _, o := range s.All(typeBucket) {
		has.Buckets[o.ID] = nil
	}
	for _, o := range s.All(typeBucketMember) {
		name := provider.Str(o.Props, "bucket")
		keys := keysOf(s, strings.TrimPrefix(provider.Str(o.Props, "member"), "serviceAccount:"))
		has.Allow(name, bucketRoles[provider.Str(o.Props, "role")](name, keys)...)
	}
	return buckets.Write(dir, "gcp", has)
}
