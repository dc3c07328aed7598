package backup

import (
	"encoding/json"

	"hybrid/clouds"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// amazon makes a bucket in S3. New ones are private: AWS blocks public access by itself.
func (m *maker) amazon() (err error) {
	m.Endpoint, m.Region = "s3."+m.args.In.Region+".amazonaws.com", m.args.In.Region
	if m.provider, err = clouds.AmazonProvider(m.ctx, m.named(clouds.AWS), m.args.In.Region, pulumi.Parent(m)); err != nil {
		return err
	}
	m.Bucket = pulumi.String(m.args.Existing).ToStringOutput()
	if m.args.Existing == "" {
		bucket, err := s3.NewBucketV2(m.ctx, m.named("bucket"), &s3.BucketV2Args{
			ForceDestroy: pulumi.Bool(m.args.OnDestroy == Delete),
		}, m.bucketOpts()...)
		if err != nil {
			return err
		}
		m.Bucket = bucket.Bucket
	}
	user, err := iam.NewUser(m.ctx, m.named("user"), nil, m.opts()...)
	if err != nil {
		return err
	}
	policy, err := iam.NewUserPolicy(m.ctx, m.named("policy"), &iam.UserPolicyArgs{
		User: user.Name,
		Policy: m.Bucket.ApplyT(func(bucket string) (string, error) {
			return amazonPolicy(bucket, m.others())
		}).(pulumi.StringOutput),
	}, m.opts()...)
	if err != nil {
		return err
	}
	key, err := iam.NewAccessKey(m.ctx, m.keys(), &iam.AccessKeyArgs{User: user.Name}, m.opts(pulumi.DependsOn([]pulumi.Resource{policy}))...)
	if err != nil {
		return err
	}
	m.AccessKey, m.SecretKey = secret(key.ID().ToStringOutput()), secret(key.Secret)
	return nil
}

// amazonPolicy lets a user write and read a bucket, and read others.
func amazonPolicy(bucket string, others []string) (string, error) {
	type statement struct {
		Effect   string
		Action   []string
		Resource string
	}
	list := []string{"s3:ListBucket", "s3:ListBucketMultipartUploads"}
	write := []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}
	statements := []statement{{"Allow", list, "arn:aws:s3:::" + bucket}, {"Allow", write, "arn:aws:s3:::" + bucket + "/*"}}
	for _, other := range others {
		statements = append(statements, statement{"Allow", list[:1], "arn:aws:s3:::" + other}, statement{"Allow", write[:1], "arn:aws:s3:::" + other + "/*"})
	}
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	return string(text), err
}
