package clouds

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-digitalocean/sdk/v4/go/digitalocean"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/compute"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// The clouds' names in the settings.
const (
	DigitalOcean = "digitalocean"
	AWS          = "aws"
	GCE          = "gce"
)

// Clouds are the names of all clouds.
var Clouds = []string{DigitalOcean, AWS, GCE}

// diskGiB is the size of a machine's disk, in GiB (2^30 bytes) as AWS and GCE have it:
// half is used by system and images. DigitalOcean's machine types bring their own.
const diskGiB = 30

// userData is every machine's first boot. It is public by nature (each process
// on a machine can read it), so it holds no secret, and it is the same for all.
//
//go:embed cloud-config.yaml
var userData string

// builder is what the steps of one cluster share: where its resources belong and
// how they are named.
type builder struct {
	ctx     *pulumi.Context
	cluster string
	args    *ClusterArgs
	parent  pulumi.Resource
	// provider is the cluster's own on its cloud; login sets it.
	provider pulumi.ProviderResource
}

// newCloud returns the steps for the cluster's cloud.
func newCloud(s *builder) (cloud, error) {
	switch s.args.Cloud {
	case DigitalOcean:
		return &digitalOcean{builder: s, addresses: map[string]*digitalocean.ReservedIp{}}, nil
	case AWS:
		return &amazon{builder: s, addresses: map[string]*ec2.Eip{}}, nil
	case GCE:
		return &google{builder: s, addresses: map[string]*compute.Address{}}, nil
	}
	return nil, fmt.Errorf("cloud is %q: expected one of %s", s.args.Cloud, strings.Join(Clouds, ", "))
}

// named names a resource of the cluster.
func (s *builder) named(suffix string) string { return s.cluster + "-" + suffix }

// opts are the options of each resource on the cloud.
func (s *builder) opts(more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return append([]pulumi.ResourceOption{pulumi.Parent(s.parent), pulumi.Provider(s.provider)}, more...)
}

// nodeNames names the control plane and the workers. Nodes are numbered so that
// one more or one fewer leaves the others alone.
func nodeNames(cluster string, workers int) []string {
	names := make([]string, workers+1)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d", cluster, i+1)
	}
	return names
}

// setDefault sets a string that was left open.
func setDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

// ProviderSetting is a setting of a vendor's own namespace that the clusters' providers
// are given.
type ProviderSetting struct {
	// Key is the setting's in the stack's config.
	Key string
	// Secret says that it must not be there in the clear.
	Secret bool
}

// ProviderSettings are all that the explicit providers are given of the stack's
// config: they read none themselves. What else there is comes from their environment.
var ProviderSettings = []ProviderSetting{
	{"digitalocean:token", true},
	{"aws:accessKey", false},
	{"aws:secretKey", true},
	{"aws:token", true},
	{"aws:profile", false},
	{projectKey, false},
	{"gcp:credentials", true},
	{"gcp:accessToken", true},
}

// plain reads a setting of a cloud's own namespace for an explicit provider,
// which unlike the default one doesn't read stack config itself. Nil if unset:
// the provider then looks at its environment.
func plain(ctx *pulumi.Context, namespace, key string) pulumi.StringPtrInput {
	if v := config.Get(ctx, namespace+":"+key); v != "" {
		return pulumi.String(v)
	}
	return nil
}

// secret reads a setting as plain does, and keeps it secret.
func secret(ctx *pulumi.Context, namespace, key string) pulumi.StringPtrInput {
	v, err := config.New(ctx, namespace).TrySecret(key)
	if err != nil {
		return nil
	}
	return v
}
