// Package random serves the random package's RandomPassword and RandomId as the
// vendor's provider does.
package random

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"

	sdk "github.com/pulumi/pulumi-random/sdk/v4/go/random"

	"hybrid/lab/plugins/provider"
)

// Package returns the plugin.
func Package() *provider.Package {
	return &provider.Package{
		Name: "random", Module: "github.com/pulumi/pulumi-random/sdk/v4", Config: sdk.ProviderArgs{},
		Resources: map[string]*provider.Resource{
			"random:index/randomPassword:RandomPassword": password(),
			"random:index/randomId:RandomId":             id(),
		},
	}
}

func id() *provider.Resource {
	return &provider.Resource{
		Schema: provider.Schema{
			Args: sdk.RandomIdArgs{}, Outputs: sdk.RandomId{}, ForceNew: []string{"byteLength", "keepers", "prefix"},
		},
		Check: func(_ *provider.Call, in provider.Props) provider.Failures {
			if n := provider.Int(in, "byteLength", 1); n < 1 {
				return provider.Failures{provider.Failure("byteLength", "attribute byte_length value must be at least 1, got: %d", n)}
			}
			return nil
		},
		Create: func(_ *provider.Call, in provider.Props) (string, provider.Props, error) {
			b := make([]byte, provider.Int(in, "byteLength", 1))
			if _, err := rand.Read(b); err != nil {
				return "", nil, fmt.Errorf("reading random bytes: %w", err)
			}
			prefix, url := provider.Str(in, "prefix"), base64.RawURLEncoding.EncodeToString(b)
			return url, provider.Merge(in, provider.From(map[string]any{
				"b64Url": prefix + url, "b64Std": prefix + base64.StdEncoding.EncodeToString(b),
				"hex": prefix + hex.EncodeToString(b), "dec": prefix + new(big.Int).SetBytes(b).String(),
			})), nil
		},
		Update: keep,
	}
}

// keep is the Update of types whose every change replaces.
func keep(_ *provider.Call, _ string, old, in provider.Props) (provider.Props, error) {
	return provider.Merge(old, in), nil
}
