// Package tls serves the tls package's keys, certificate requests and certificates
// as the vendor's provider does.
package tls

import (
	"time"

	sdk "github.com/pulumi/pulumi-tls/sdk/v5/go/tls"

	"hybrid/lab/plugins/provider"
)

// Package returns the plugin.
func Package() *provider.Package {
	return &provider.Package{
		Name: "tls", Module: "github.com/pulumi/pulumi-tls/sdk/v5", Config: sdk.ProviderArgs{},
		Resources: map[string]*provider.Resource{
			"tls:index/privateKey:PrivateKey":               privateKey(),
			"tls:index/certRequest:CertRequest":             certRequest(),
			"tls:index/selfSignedCert:SelfSignedCert":       selfSignedCert(time.Now),
			"tls:index/locallySignedCert:LocallySignedCert": locallySignedCert(time.Now),
		},
	}
}

// keep is the Update of types whose every change of weight replaces.
func keep(s provider.Schema) func(*provider.Call, string, provider.Props, provider.Props) (provider.Props, error) {
	return func(_ *provider.Call, _ string, old, in provider.Props) (provider.Props, error) {
		return provider.Merge(old, s.WithDefaults(in)), nil
	}
}
