package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"hybrid/clouds"
	"hybrid/internal/settings"
	"hybrid/internal/shell"

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

// checkKeys notes keys that nothing reads: of the program's own namespace, of the
// vendors', and of namespaces that look like these. Their values are never shown: what
// is misspelt may be a secret.
func (s *Settings) checkKeys(c stack, p *settings.Problems) {
	known := map[string][]string{namespace: s.keys()}
	for _, setting := range clouds.ProviderSettings {
		vendor, key, _ := strings.Cut(setting.Key, ":")
		known[vendor] = append(known[vendor], key)
	}
	for _, key := range c.keys {
		space, name, _ := strings.Cut(key, ":")
		if slices.Contains(known[space], name) {
			continue
		}
		near, meant := "", space
		switch {
		case space == namespace:
			near = settings.Nearest(name, known[space])
			p.Add(key, "%s", s.unknown(name, near))
		case known[space] != nil:
			near = settings.Nearest(name, known[space])
			p.Add(key, "it is not passed on to the clusters' providers: remove it, and use a profile or your environment; supported are %s", strings.Join(prefixed(space, known[space]), ", "))
		default:
			meant = settings.Nearest(space, slices.Sorted(maps.Keys(known)))
			if meant == "" {
				continue // of others
			}
			near = settings.Nearest(name, known[meant])
			p.Add(key, "unknown namespace %q: expected %s", space, meant)
		}
		if (secretLike.MatchString(name) || secretLike.MatchString(near)) && !c.isSecret(key) {
			if near == "" {
				near = name
			}
			p.Add(key, "it looks like a secret, and is in the stack's file in the clear: remove it by pulumi config rm %s, choose another and set it by pulumi config set --secret %s",
				shell.Quote(key), shell.Quote(strings.TrimPrefix(meant+":"+near, namespace+":")))
		}
	}
}

// secretLike are names of what should not be in the clear.
var secretLike = regexp.MustCompile(`(?i)passw|passphrase|secret|token|credential|private|(access|api).?key`)

// keys are those of the program's own settings.
func (s *Settings) keys() []string {
	keys := append([]string{strings.TrimPrefix(clustersKey, namespace+":")}, settings.Keys(s)...)
	for _, secret := range s.secrets() {
		keys = append(keys, strings.TrimPrefix(secret.key, namespace+":"))
	}
	return keys
}

// unknown says that there is no such key, and which is meant: near, if it is not
// empty, or a key within an object.
func (s *Settings) unknown(name, near string) string {
	if within := s.within(name); near == "" && within != "" {
		return fmt.Sprintf("unknown key %q: expected it in %s", name, within)
	}
	text := settings.Unknown(name, s.keys())
	if strings.ContainsAny(name, ".[") {
		text += "; pulumi config set needs --path for what is within a setting"
	}
	return text
}

// within is where an object of the settings has a key like this, if one has.
func (s *Settings) within(name string) string {
	var found []string
	for _, object := range []struct {
		key  string
		keys []string
	}{
		{clustersKey, settings.Keys(clouds.Settings{})}, {"hybrid:mesh", settings.Keys(s.Mesh)}, {"hybrid:zone", settings.Keys(s.Zone)},
		{"hybrid:federation", settings.Keys(s.Federation)}, {"hybrid:postgres", settings.Keys(s.Postgres)}, {"hybrid:backup", settings.Keys(s.Backup)},
		{"hybrid:monitoring", settings.Keys(s.Monitoring)}, {"hybrid:kubeadm", settings.Keys(s.Kubeadm)},
	} {
		if near := settings.Nearest(name, object.keys); near != "" {
			found = append(found, object.key+", as "+near)
		}
	}
	return strings.Join(found, ", or ")
}

// prefixed are keys with their namespace.
func prefixed(space string, keys []string) []string {
	var all []string
	for _, key := range keys {
		all = append(all, space+":"+key)
	}
	return all
}
