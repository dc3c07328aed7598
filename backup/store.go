package backup

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"

	"hybrid/clouds"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Args says what the store is to be. The settings have been validated before.
type Args struct {
	// Settings are the stack's.
	Settings

	// Mandatory.

	// In is the cluster in whose cloud and region the bucket is: see Settings.Place.
	In clouds.Settings
	// Key encrypts what leaves. Secret.
	Key pulumi.StringInput

	// Optional.

	// AccessKey and SecretKey enter the bucket at Endpoint. Secret.
	AccessKey, SecretKey pulumi.StringInput
	// Readable is another bucket of the same cloud and region, to restore from.
	Readable string
}

// Store is a bucket, and what it is entered by.
type Store struct {
	pulumi.ResourceState

	// Bucket is its name.
	Bucket pulumi.StringOutput
	// Endpoint is the name, with a port if it isn't 443, of the S3 service.
	Endpoint string
	// Region is the bucket's, as requests to it are signed for.
	Region string
	// Authority is the certificate, PEM, of who signs the service's; empty: a public one.
	Authority string
	// AccessKey and SecretKey enter this bucket. Secret.
	AccessKey, SecretKey pulumi.StringOutput
	// StackKey is what all keys are made of. Secret.
	StackKey pulumi.StringOutput
}

// Key encrypts what leaves for a purpose, such as "postgres". Secret. It is made of the
// stack's: who has one, such as the database's pods, can't read what is encrypted by
// another.
func (s *Store) Key(purpose string) pulumi.StringOutput { return Derive(s.StackKey, purpose) }

// Derive makes a purpose's key of a stack's: HMAC-SHA-256 (RFC 2104) of the purpose, in
// hexadecimal.
func Derive(key pulumi.StringInput, purpose string) pulumi.StringOutput {
	return secret(key).ApplyT(func(key string) string {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(purpose))
		return hex.EncodeToString(mac.Sum(nil))
	}).(pulumi.StringOutput)
}

// Snapshots says where those of the clusters' etcd go.
func (s *Store) Snapshots(settings Settings) *clouds.Snapshots {
	return &clouds.Snapshots{
		Bucket: s.Bucket, Endpoint: s.Endpoint, Region: s.Region, Authority: s.Authority,
		AccessKey: s.AccessKey, SecretKey: s.SecretKey,
		Key:     func(cluster string) pulumi.StringOutput { return s.Key("etcd/" + cluster) },
		Minutes: settings.SnapshotMinutes, Days: settings.SnapshotDays, Hours: settings.RehearsalHours,
	}
}

// maker is what a cloud does, the same way in each cloud's file.
type maker struct {
	*Store
	ctx  *pulumi.Context
	name string
	args *Args
	// provider is that of the cloud.
	provider pulumi.ProviderResource
}

// NewStore makes the bucket, or takes the one that exists, and keys for it.
func NewStore(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Store, error) {
	s := &Store{Authority: args.Authority}
	if err := ctx.RegisterComponentResource("hybrid:backup:Store", name, s, opts...); err != nil {
		return nil, fmt.Errorf("backups %q: %w", name, err)
	}
	m := &maker{Store: s, ctx: ctx, name: name, args: args}
	if err := m.build(); err != nil {
		return nil, fmt.Errorf("backups %q: %w", name, err)
	}
	s.StackKey = secret(args.Key)
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{"bucket": s.Bucket, "endpoint": pulumi.String(s.Endpoint)})
}

func (m *maker) build() error {
	if m.args.Endpoint != "" {
		u, err := url.Parse(m.args.Endpoint)
		if err != nil {
			return err
		}
		m.Endpoint, m.Region = u.Host, m.args.Region
		m.Bucket = pulumi.String(m.args.Existing).ToStringOutput()
		m.AccessKey, m.SecretKey = secret(m.args.AccessKey), secret(m.args.SecretKey)
		return nil
	}
	switch m.args.In.Cloud {
	case clouds.DigitalOcean:
		return m.digitalOcean()
	case clouds.AWS:
		return m.amazon()
	case clouds.GCE:
		return m.google()
	}
	return errors.New("expected a cluster in whose cloud the bucket is, found none")
}

func secret(s pulumi.StringInput) pulumi.StringOutput {
	return pulumi.ToSecret(s).(pulumi.StringOutput)
}

// named names a resource of the store.
func (m *maker) named(suffix string) string { return m.name + "-" + suffix }

// keys is the name of the resource that access keys are. New ones are made before the old
// ones go.
func (m *maker) keys() string { return m.named(fmt.Sprintf("keys-%d", m.args.KeyGeneration)) }

// opts are the options of each resource on the cloud.
func (m *maker) opts(more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return append([]pulumi.ResourceOption{pulumi.Parent(m), pulumi.Provider(m.provider)}, more...)
}

// bucketOpts keep a bucket that is to be kept.
func (m *maker) bucketOpts() []pulumi.ResourceOption {
	return m.opts(pulumi.RetainOnDelete(m.args.OnDestroy == Keep))
}

// others are the buckets that the keys may read beside the store's own.
func (m *maker) others() []string {
	if m.args.Readable == "" || m.args.Readable == m.args.Existing {
		return nil
	}
	return []string{m.args.Readable}
}
