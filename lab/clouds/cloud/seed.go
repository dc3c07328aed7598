package cloud

import (
	"encoding/json"
	"strings"
)

// MetaData returns the NoCloud meta-data of a machine: keys go to the user that
// the vendor's image has by default.
func MetaData(instance, hostname string, keys []string) string {
	// JSON is YAML, and needs no rules of quoting of its own.
	text, err := json.MarshalIndent(map[string]any{
		"instance-id": instance, "local-hostname": hostname, "public-keys": append([]string{}, keys...),
	}, "", "  ")
	if err != nil {
		panic(err) // strings are always encoded
	}
	return string(text) + "\n"
}

// CloudConfig returns cloud-init's vendor-data: what the vendor's image sets,
// which user-data may override.
func CloudConfig(settings map[string]any) string {
	text, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		panic(err) // the vendors' settings are literals of strings and booleans
	}
	return "#cloud-config\n" + string(text) + "\n"
}

// SudoUser is a user as the vendors' images make them.
func SudoUser(name string, keys []string) map[string]any {
	return map[string]any{
		"name": name, "shell": "/bin/bash", "lock_passwd": true,
		"sudo": "ALL=(ALL) NOPASSWD:ALL", "ssh_authorized_keys": keys,
	}
}

// Key returns a public key as it goes into a machine: without line breaks.
func Key(text string) string { return strings.TrimSpace(text) }
