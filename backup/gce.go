package backup

import (
	"hybrid/clouds"

	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/serviceaccount"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/storage"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// google makes a bucket in Cloud Storage, which is entered by its S3 interface, see
// https://cloud.google.com/storage/docs/interoperability. It has all that pgBackRest and restic
// ask for: signatures of version 4 for the region "auto" (pgBackRest) and of version 2 (restic),
// lists by list-type=2, uploads in parts, and deletions of many objects at once.
func (m *maker) google() (err error) {
	m.Endpoint, m.Region = "storage.googleapis.com", "auto"
	project := clouds.GoogleProject(m.ctx)
	m.provider, err = clouds.GoogleProvider(m.ctx, m.named(clouds.GCE), gcp.ProviderArgs{Region: pulumi.String(m.args.In.Region)}, pulumi.Parent(m))
	if err != nil {
		return err
	}
	m.Bucket = pulumi.String(m.args.Existing).ToStringOutput()
	if m.args.Existing == "" {
		bucket, err := storage.NewBucket(m.ctx, m.named("bucket"), &storage.BucketArgs{
			Location: pulumi.String(m.args.In.Region), Project: project,
			UniformBucketLevelAccess: pulumi.Bool(true), PublicAccessPrevention: pulumi.String("enforced"),
			ForceDestroy: pulumi.Bool(m.args.OnDestroy == Delete),
		}, m.bucketOpts()...)
		if err != nil {
			return err
		}
		m.Bucket = bucket.Name
	}
	account, err := serviceaccount.NewAccount(m.ctx, m.named("account"), &serviceaccount.AccountArgs{
		AccountId: pulumi.String("hybrid-" + m.ctx.Stack() + "-backup"), Project: project,
	}, m.opts()...)
	if err != nil {
		return err
	}
	access := []pulumi.Resource{}
	allow := func(name string, bucket pulumi.StringInput, role string) error {
		member, err := storage.NewBucketIAMMember(m.ctx, m.named(name), &storage.BucketIAMMemberArgs{
			Bucket: bucket, Role: pulumi.String(role), Member: account.Member,
		}, m.opts()...)
		access = append(access, member)
		return err
	}
	if err := allow("access", m.Bucket, "roles/storage.objectAdmin"); err != nil {
		return err
	}
	for _, other := range m.others() {
		if err := allow("access-"+other, pulumi.String(other), "roles/storage.objectViewer"); err != nil {
			return err
		}
	}
	key, err := storage.NewHmacKey(m.ctx, m.keys(), &storage.HmacKeyArgs{
		ServiceAccountEmail: account.Email, Project: project,
	}, m.opts(pulumi.DependsOn(access))...)
	if err != nil {
		return err
	}
	m.AccessKey, m.SecretKey = secret(key.AccessId), secret(key.Secret)
	return nil
}
