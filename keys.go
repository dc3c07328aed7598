package main

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"

	"hybrid/clouds"
	"hybrid/internal/settings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// configKeys are the keys of the stack's whole config. Pulumi's library answers for
// single keys only, out of this.
func configKeys() []string {
	var config map[string]string
	if err := json.Unmarshal([]byte(os.Getenv(pulumi.EnvConfig)), &config); err != nil {
		return nil // a unit test: Pulumi always has one
	}
	return slices.Sorted(maps.Keys(config))
}

// checkVendors notes settings of the vendors' own namespaces that no provider is given:
// who has set a role means another account than the one that would be used.
func (c stack) checkVendors(p *settings.Problems) {
	supported := map[string][]string{}
	for _, s := range clouds.ProviderSettings {
		vendor, _, _ := strings.Cut(s.Key, ":")
		supported[vendor] = append(supported[vendor], s.Key)
	}
	for _, key := range c.keys {
		vendor, _, _ := strings.Cut(key, ":")
		if known := supported[vendor]; known != nil && !slices.Contains(known, key) {
			p.Add(key, "it is not passed on to the clusters' providers: remove it, and use a profile or your environment; supported are %s", strings.Join(known, ", "))
		}
	}
}
