package main

import (
	"fmt"
	"slices"

	"hybrid/backup"
	"hybrid/clouds"
	"hybrid/federation"
	"hybrid/internal/settings"
	"hybrid/mesh"
	"hybrid/monitoring"
	"hybrid/workloads"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// Settings is the stack config hybrid:*. Each package has the type, the defaults and
// the checks of its own; Pulumi.yaml describes the keys.
type Settings struct {
	// Clusters are those that there shall be: without those that leave because they
	// are lost, whose names are in left.
	Clusters []clouds.Settings
	left     []string
	// listed are the names of all that hybrid:clusters lists, in its order.
	listed []string
	// bucketIn is the cluster in whose cloud backups are, also if it is lost.
	bucketIn clouds.Settings
	clouds.Shared
	Mesh       mesh.Settings           `json:"mesh"`
	Zone       federation.ZoneSettings `json:"zone"`
	Federation federation.Settings     `json:"federation"`
	Backup     backup.Settings         `json:"backup"`
	Postgres   workloads.Settings      `json:"postgres"`
	Monitoring monitoring.Settings     `json:"monitoring"`

	// Secret, and nil where the stack has none: then one is generated.
	WeavePassword, FederationToken, PostgresPassword pulumi.StringInput
	// Likewise secret. Nothing is generated in their place.
	BackupKey, BackupAccessKey, BackupSecretKey, RestoreKey pulumi.StringInput
}

// namespace is that of the program's own settings.
const namespace = "hybrid"

// clustersKey is the setting that is a list.
const clustersKey = namespace + ":clusters"

func defaultSettings() *Settings {
	return &Settings{
		Shared:     clouds.DefaultShared(),
		Mesh:       mesh.DefaultSettings(),
		Zone:       federation.DefaultZoneSettings(),
		Federation: federation.DefaultSettings(),
		Backup:     backup.DefaultSettings(),
		Postgres:   workloads.DefaultSettings(),
		Monitoring: monitoring.DefaultSettings(),
	}
}

// stack is a stack's config.
type stack struct {
	// keys are those that are set.
	keys []string
	// get returns a value: text as it is, the rest as JSON. Empty if it is not set.
	get func(key string) string
	// isSecret says that a value is encrypted.
	isSecret func(key string) bool
	// secret returns a value that stays secret.
	secret func(key string) pulumi.StringInput
}

// loadSettings reads and validates the stack's config. The error lists
// everything that is wrong with it, one line each.
func loadSettings(ctx *pulumi.Context) (*Settings, error) {
	return stack{
		keys:     configKeys(),
		get:      func(key string) string { value, _ := ctx.GetConfig(key); return value },
		isSecret: ctx.IsConfigSecret,
		secret:   func(key string) pulumi.StringInput { return config.GetSecret(ctx, key) },
	}.settings()
}

// settings are the stack's, or an error with everything that is wrong with them.
func (c stack) settings() (*Settings, error) {
	var p settings.Problems
	s := defaultSettings()
	encrypted := s.encrypted(c)
	get := func(key string) string {
		if slices.Contains(encrypted, key) {
			return ""
		}
		return c.get(key)
	}
	settings.Get(namespace, get, s, &p)
	for i, raw := range settings.List([]byte(get(clustersKey)), clustersKey, &p) {
		if c, ok := readCluster(raw, i, &p); ok {
			s.Clusters = append(s.Clusters, c)
		}
	}
	s.Postgres.Place(s.clusterNames())
	s.bucketIn = s.Backup.Place(s.Clusters)
	s.takeSecrets(c, &p)
	s.checkKeys(c, &p)
	s.validate(&p)
	s.checkProject(c.get, &p)
	s.leave(&p)
	for _, key := range encrypted {
		p.Replace(key, "it is encrypted, but what is made of it would be in the state in the clear: set it without --secret")
	}
	return s, p.Err()
}

// leave takes the clusters that are lost out of the settings, all but the federation's
// host: that can only be created again.
func (s *Settings) leave(p *settings.Problems) {
	s.listed = s.clusterNames()
	s.Clusters = slices.DeleteFunc(s.Clusters, func(c clouds.Settings) bool {
		if !c.Lost || c.FederationHost {
			return false
		}
		s.left = append(s.left, c.Name)
		return true
	})
	p.AddAll("hybrid:postgres", s.Postgres.Leave(s.left))
}

// readCluster reads an item of hybrid:clusters, which goes by its name if it has one.
func readCluster(raw []byte, i int, p *settings.Problems) (clouds.Settings, bool) {
	c := clouds.DefaultSettings()
	var own settings.Problems
	ok := settings.Object(raw, fmt.Sprintf("cluster %d", i+1), &c, &own)
	if c.Name != "" {
		own.Rename(subject(c))
	}
	*p = append(*p, own...)
	return c, ok
}

func subject(c clouds.Settings) string { return fmt.Sprintf("cluster %q", c.Name) }

// names are the names that something has in the DNS: one in the zone, or none
// without a zone.
func (s *Settings) dnsNames(label string) []string {
	if !s.Zone.Enabled {
		return nil
	}
	return []string{label + "." + s.Zone.Domain}
}

// host is the name of the cluster that hosts the federation.
func (s *Settings) host() string {
	for _, c := range s.Clusters {
		if c.FederationHost {
			return c.Name
		}
	}
	return ""
}

// turns are the clusters, as indices, in the order in which their nodes take turns: the
// federation's host last.
func (s *Settings) turns() []int {
	var order, hosts []int
	for i, c := range s.Clusters {
		if c.FederationHost {
			hosts = append(hosts, i)
		} else {
			order = append(order, i)
		}
	}
	return append(order, hosts...)
}

// clusterNames are in the order of the settings.
func (s *Settings) clusterNames() []string {
	var names []string
	for _, c := range s.Clusters {
		names = append(names, c.Name)
	}
	return names
}
