package main

import (
	"slices"
	"strings"

	"hybrid/backup"
	"hybrid/clouds"
	"hybrid/federation"
	"hybrid/internal/settings"
	"hybrid/mesh"
	"hybrid/workloads"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// secretSetting is one of the program's own that is secret.
type secretSetting struct {
	key string
	// problem says what is wrong with a value, without quoting it.
	problem func(value string) string
	// into gets the value, as a secret.
	into *pulumi.StringInput
}

func (s *Settings) secrets() []secretSetting {
	return []secretSetting{
		{"hybrid:weavePassword", mesh.PasswordProblem, &s.WeavePassword},
		{"hybrid:federationToken", federation.TokenProblem, &s.FederationToken},
		{"hybrid:postgresPassword", workloads.PasswordProblem, &s.PostgresPassword},
		{"hybrid:backupKey", backup.KeyProblem, &s.BackupKey},
		{"hybrid:backupAccessKey", backup.AccessProblem, &s.BackupAccessKey},
		{"hybrid:backupSecretKey", backup.AccessProblem, &s.BackupSecretKey},
		{"hybrid:restoreKey", backup.KeyProblem, &s.RestoreKey},
	}
}

// encrypted are the settings that a stack keeps as secrets, though the program doesn't.
// They are not read at all: an error might quote them.
func (s *Settings) encrypted(c stack) []string {
	var keys []string
	for _, name := range s.keys() {
		key := namespace + ":" + name
		isKey := func(secret secretSetting) bool { return secret.key == key }
		if c.isSecret(key) && !slices.ContainsFunc(s.secrets(), isKey) {
			keys = append(keys, key)
		}
	}
	return keys
}

// takeSecrets takes the secret settings, and notes what is wrong with them or kept in
// the clear and must not be.
func (s *Settings) takeSecrets(c stack, p *settings.Problems) {
	var keys []string
	for _, secret := range s.secrets() {
		keys = append(keys, secret.key)
		value := c.get(secret.key)
		if value == "" {
			continue
		}
		if problem := secret.problem(value); problem != "" {
			p.Add(secret.key, "%s", problem)
		}
		*secret.into = c.secret(secret.key)
	}
	for _, setting := range clouds.ProviderSettings {
		if setting.Secret {
			keys = append(keys, setting.Key)
		}
	}
	for _, key := range keys {
		if c.get(key) != "" && !c.isSecret(key) {
			p.Add(key, "it is in the stack's file in the clear: choose another and set it by pulumi config set --secret %s", strings.TrimPrefix(key, namespace+":"))
		}
	}
}
