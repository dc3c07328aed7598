package clouds

import (
	"net/netip"
	"slices"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Short names for what tests look for.
const (
	privateKey = mockcloud.PrivateKey
	token      = mockcloud.Token
	clientKey  = mockcloud.ClientKey
	adminConf  = mockcloud.AdminConf
)

var caHash = mockcloud.CAHash

// args are a cluster's for tests.
func args(cloud string) *ClusterArgs {
	regions := map[string]string{DigitalOcean: "lon1", AWS: "eu-central-1", GCE: "us-west1"}
	a := &ClusterArgs{
		Settings: Settings{
			Cloud: cloud, Region: regions[cloud], Workers: 1,
			NetworkCIDR: netip.MustParsePrefix("10.10.0.0/24"), ServiceCIDR: netip.MustParsePrefix("10.96.0.0/16"),
		},
		Shared: DefaultShared(),
	}
	a.AdminCIDRs = []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32"), netip.MustParsePrefix("203.0.113.0/24")}
	return a
}

// build makes a cluster and returns what it asked for. check, if not nil, runs
// as part of the program.
func build(t *testing.T, name string, args *ClusterArgs, preview bool, check func(*Cluster)) *mockcloud.Record {
	t.Helper()
	r, err := mockcloud.Run(preview, nil, func(ctx *pulumi.Context) error {
		c, err := NewCluster(ctx, name, args)
		if err == nil && check != nil {
			check(c)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// eachCloud runs a test for every cloud.
func eachCloud(t *testing.T, f func(t *testing.T, cloud string)) {
	for _, cloud := range Clouds {
		t.Run(cloud, func(t *testing.T) { f(t, cloud) })
	}
}

// plainText collects all strings of a value that are not secret.
func plainText(v resource.PropertyValue) []string {
	switch {
	case v.IsSecret(), v.IsOutput() && v.OutputValue().Secret:
		return nil
	case v.IsOutput():
		return plainText(v.OutputValue().Element)
	case v.IsString():
		return []string{v.StringValue()}
	case v.IsArray():
		var out []string
		for _, e := range v.ArrayValue() {
			out = append(out, plainText(e)...)
		}
		return out
	case v.IsObject():
		var out []string
		for _, e := range v.ObjectValue() {
			out = append(out, plainText(e)...)
		}
		return out
	}
	return nil
}

// text is a string input, secret or not.
func text(a pulumi.MockResourceArgs, k string) string {
	v := a.Inputs[resource.PropertyKey(k)]
	for v.IsSecret() || v.IsOutput() {
		if v.IsSecret() {
			v = v.SecretValue().Element
		} else {
			v = v.OutputValue().Element
		}
	}
	if !v.IsString() {
		return ""
	}
	return v.StringValue()
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
