package aws

import (
	"fmt"
	"regexp"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"

	"hybrid/lab/buckets"
	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

// bucketName is S3's rule, see
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// bucket is one of S3's. What is in it is kept by the lab's S3 server.
func bucket() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: s3.BucketV2Args{}, Outputs: s3.BucketV2{}, Name: "bucket",
			Supported: []string{"bucket", "forceDestroy", "tags"},
			ForceNew:  []string{"bucket"},
			Computed:  []string{"acl", "bucketPrefix", "objectLockEnabled", "policy", "requestPayer", "accelerationStatus"},
			Defaults:  map[string]any{"forceDestroy": false},
		},
		Check: func(_ *provider.Call, in props) failures {
			f := checkTags(in)
			if name := provider.Str(in, "bucket"); provider.Known(in, "bucket") && !bucketName.MatchString(name) {
				f = append(f, provider.Failure("bucket", "InvalidBucketName: The specified bucket is not valid: %s", name))
			}
			return f
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			r, err := region(tx.Config)
			if err != nil {
				return "", nil, err
			}
			name := provider.Str(in, "bucket")
			if tx.Get(typeBucket, name) != nil {
				return "", nil, fmt.Errorf("BucketAlreadyOwnedByYou: Your previous request to create the named bucket succeeded and you already own it: %s", name)
			}
			return name, provider.Merge(in, tagsAll(in), provider.From(map[string]any{
				"arn": "arn:aws:s3:::" + name, "region": r, "bucketDomainName": name + ".s3.amazonaws.com",
				"bucketRegionalDomainName": name + ".s3." + r + ".amazonaws.com", "hostedZoneId": "Z21DNDUVLTQW6Q",
				"acl": "private", "bucketPrefix": "", "objectLockEnabled": false, "policy": "", "requestPayer": "BucketOwner", "accelerationStatus": "",
			})), nil
		},
		Change: retag,
		Leave: func(tx *cloud.Tx, o *cloud.Object) error {
			return buckets.Leave(tx.Cloud.Dir(), o.ID, provider.Bool(o.Props, "forceDestroy", false), fmt.Errorf("BucketNotEmpty: The bucket you tried to delete is not empty: %s", o.ID))
		},
	}
}
