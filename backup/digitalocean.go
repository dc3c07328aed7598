package backup

import (
	"hybrid/clouds"

	"github.com/pulumi/pulumi-digitalocean/sdk/v4/go/digitalocean"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// withoutSpaces are DigitalOcean's regions that have no Spaces, see
// https://docs.digitalocean.com/products/spaces/details/availability/.
var withoutSpaces = []string{"ams2", "nyc1", "nyc2", "ric1", "sfo1"}

// digitalOcean makes a bucket in Spaces. Buckets are made by S3's own API, which takes no
// token: a key for all of them makes this one, and the keys that are given away enter
// this one only.
func (m *maker) digitalOcean() error {
	m.Endpoint, m.Region = m.args.In.Region+".digitaloceanspaces.com", m.args.In.Region
	account, err := clouds.DigitalOceanProvider(m.ctx, m.named(clouds.DigitalOcean), digitalocean.ProviderArgs{}, pulumi.Parent(m))
	if err != nil {
		return err
	}
	m.provider = account
	m.Bucket = pulumi.String(m.args.Existing).ToStringOutput()
	if m.args.Existing == "" {
		if err := m.space(); err != nil {
			return err
		}
	}
	m.provider = account
	grants := digitalocean.SpacesKeyGrantArray{digitalocean.SpacesKeyGrantArgs{Bucket: m.Bucket, Permission: pulumi.String("readwrite")}}
	for _, other := range m.others() {
		grants = append(grants, digitalocean.SpacesKeyGrantArgs{Bucket: pulumi.String(other), Permission: pulumi.String("read")})
	}
	key, err := digitalocean.NewSpacesKey(m.ctx, m.keys(), &digitalocean.SpacesKeyArgs{Grants: grants}, m.opts(pulumi.AdditionalSecretOutputs([]string{"secretKey"}))...)
	if err != nil {
		return err
	}
	m.AccessKey, m.SecretKey = secret(key.AccessKey), secret(key.SecretKey)
	return nil
}

// space makes the bucket.
func (m *maker) space() error {
	owner, err := digitalocean.NewSpacesKey(m.ctx, m.named("owner"), &digitalocean.SpacesKeyArgs{
		Grants: digitalocean.SpacesKeyGrantArray{digitalocean.SpacesKeyGrantArgs{Bucket: pulumi.String(""), Permission: pulumi.String("fullaccess")}},
	}, m.opts(pulumi.AdditionalSecretOutputs([]string{"secretKey"}))...)
	if err != nil {
		return err
	}
	m.provider, err = clouds.DigitalOceanProvider(m.ctx, m.named("spaces"), digitalocean.ProviderArgs{
		SpacesAccessId: secret(owner.AccessKey), SpacesSecretKey: secret(owner.SecretKey),
	}, pulumi.Parent(m))
	if err != nil {
		return err
	}
	bucket, err := digitalocean.NewSpacesBucket(m.ctx, m.named("bucket"), &digitalocean.SpacesBucketArgs{
		Region: pulumi.String(m.args.In.Region), Acl: pulumi.String("private"), ForceDestroy: pulumi.Bool(m.args.OnDestroy == Delete),
	}, m.bucketOpts()...)
	if err != nil {
		return err
	}
	m.Bucket = bucket.Name
	return nil
}
