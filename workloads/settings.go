package workloads

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"hybrid/backup"
	"hybrid/internal/settings"
	"hybrid/workloads/topology"
)

// Settings are hybrid:postgres.
type Settings struct {
	// Enabled says that there is a database at all.
	Enabled bool `json:"enabled"`
	// Image has PostgreSQL 17 in /usr/pgsql-17, Patroni, a shell and coreutils, and a
	// user postgres, 26.
	Image string `json:"image"`
	// ProxyImage has HAProxy.
	ProxyImage string `json:"proxyImage"`
	// Master is the cluster of psql-master.
	Master string `json:"master"`
	// Placement is how many replicas run in each cluster.
	Placement map[string]int `json:"placement"`
	// Durability says what a failover keeps.
	Durability topology.Durability `json:"durability"`
	// StorageClass is that of the volumes of psql-master and etcd. Empty: a folder of
	// their cluster's first worker.
	StorageClass string `json:"storageClass"`
	// StorageSize is that of psql-master's volume, where there is a StorageClass. Empty: 10Gi.
	StorageSize string `json:"storageSize"`
	// Parameters are PostgreSQL's own, for all servers.
	Parameters Parameters `json:"parameters"`
	// RestoreFrom says which backup a new database begins with. One that is there stays.
	RestoreFrom RestoreFrom `json:"restoreFrom"`
	// Etcd is merged over the settings of its etcd, those of its --config-file.
	Etcd map[string]any `json:"etcd"`
}

// DefaultSettings are what hybrid:postgres leaves out; Place comes after them.
func DefaultSettings() Settings {
	return Settings{
		Enabled: true,
		// PostgreSQL 17.10, by the digest for x86-64.
		Image:      "docker.io/percona/percona-distribution-postgresql:17.10-1@sha256:720bf87ef8cda340f833981a674d5dc71283cb39af3fd4ef97eff4ccf910b87a",
		ProxyImage: "docker.io/library/haproxy:3.0.12",
		Durability: topology.Cloud,
		Placement:  map[string]int{},
		// Replicas may be away for 1 GB of changes, and be behind by 8 GB, before they need
		// a new copy; and all of them take one, by two connections each, at the same time.
		// The first vacuum of a new table writes all its pages to the log once more, which
		// goes from cloud to cloud to each replica: so they are compressed.
		Parameters:  Parameters{"wal_keep_size": "1GB", "max_slot_wal_keep_size": "8GB", "max_wal_senders": "40", "wal_compression": "on"},
		Etcd:        map[string]any{},
		RestoreFrom: RestoreFrom{To: Latest},
	}
}

// What PostgreSQL is by default where there are clusters of these names; see Place.
const defaultMaster = "london"

var defaultPlacement = map[string]int{"frankfurt": 4, "london": 2}

// Place says where PostgreSQL is, if the settings don't: in the clusters that the
// defaults name, as far as there are such; otherwise all in the first one.
func (s *Settings) Place(clusters []string) {
	if len(clusters) == 0 {
		return
	}
	if s.Master == "" {
		s.Master = clusters[0]
		if slices.Contains(clusters, defaultMaster) {
			s.Master = defaultMaster
		}
	}
	if len(s.Placement) > 0 {
		return
	}
	s.Placement = map[string]int{}
	for name, n := range defaultPlacement {
		if slices.Contains(clusters, name) {
			s.Placement[name] = n
		}
	}
	if len(s.Placement) == 0 {
		s.Placement[s.Master] = 2
	}
}

// Leave takes the replicas of clusters that are lost out of the settings, and says what
// is wrong with them without these clusters, one line for each.
func (s *Settings) Leave(lost []string) []string {
	if !s.Enabled || len(lost) == 0 {
		return nil
	}
	var out []string
	if slices.Contains(lost, s.Master) {
		out = append(out, fmt.Sprintf("master is %s, which is lost: set it to a cluster that is there, and psql-master takes a copy there of what the replicas have; or give the database up by enabled: false", s.Master))
	}
	maps.DeleteFunc(s.Placement, func(cluster string, _ int) bool { return slices.Contains(lost, cluster) })
	if !slices.ContainsFunc(slices.Collect(maps.Values(s.Placement)), func(n int) bool { return n > 0 }) && len(out) == 0 {
		out = append(out, fmt.Sprintf("all replicas are in clusters that are lost, %s: set placement", strings.Join(lost, ", ")))
	}
	return out
}

// maxReplicas leaves the master senders for base backups.
const maxReplicas = 16

// A quantity of Kubernetes', as far as disks need it.
var storageSize = regexp.MustCompile(`^[1-9][0-9]*(Mi|Gi|Ti)$`)

// Problems says what is wrong with the settings, one line for each.
func (s Settings) Problems(clusters []string) []string {
	if !s.Enabled {
		return nil
	}
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if problem := settings.Image(s.Image, DefaultSettings().Image); problem != "" {
		out = append(out, problem)
	}
	if problem := settings.Image(s.ProxyImage, DefaultSettings().ProxyImage); problem != "" {
		out = append(out, "proxyImage: "+problem)
	}
	known := func(key, name string) {
		if !slices.Contains(clusters, name) {
			add("%s is %q: expected one of the clusters %s", key, name, strings.Join(clusters, ", "))
		}
	}
	known("master", s.Master)
	sum := 0
	for _, name := range slices.Sorted(maps.Keys(s.Placement)) {
		known("a key of placement", name)
		n := s.Placement[name]
		if n < 0 || n > maxReplicas {
			add("placement of %s is %d: expected 0 to %d", name, n, maxReplicas)
		}
		sum += min(max(n, 0), maxReplicas)
	}
	if sum < 1 || sum > maxReplicas {
		add("placement has %d replicas in all: expected 1 to %d", sum, maxReplicas)
	}
	if s.Durability != topology.Cloud && s.Durability != topology.None {
		add("durability is %q: expected %s (what is confirmed survives the loss of any one cluster) or %s", s.Durability, topology.Cloud, topology.None)
	}
	// Each replica needs one, and one that takes a copy two.
	if n, err := strconv.Atoi(s.Parameters["max_wal_senders"]); err == nil && n < sum+2 {
		add("parameters: max_wal_senders is %d: expected at least %d for %d replicas", n, sum+2, sum)
	}
	if s.StorageClass != "" && !settings.StorageClass(s.StorageClass) {
		add("storageClass is %q: expected the name of a storage class of the clusters, or none to keep the data in folders of nodes", s.StorageClass)
	}
	if s.StorageSize != "" && !storageSize.MatchString(s.StorageSize) {
		add("storageSize is %q: expected a number with Mi, Gi or Ti, such as 10Gi", s.StorageSize)
	}
	if s.StorageSize != "" && s.StorageClass == "" {
		add("storageSize is %q without a storageClass: a folder of a node has no size; leave it out, or set storageClass", s.StorageSize)
	}
	if s.RestoreFrom.Bucket != "" && !backup.BucketName(s.RestoreFrom.Bucket) {
		add("restoreFrom has the bucket %q: expected a name of 3 to 63 of a-z, 0-9 and -", s.RestoreFrom.Bucket)
	}
	if _, err := time.Parse(time.RFC3339, s.RestoreFrom.To); err != nil && s.RestoreFrom.To != Latest {
		add("restoreFrom has to %q: expected %s, or a time such as 2026-11-26T14:05:00Z", s.RestoreFrom.To, Latest)
	}
	return append(out, s.Parameters.problems()...)
}

// leastPassword is the least length of a password that can't be guessed on line: only
// pods can try.
const leastPassword = 12

// PasswordProblem says what is wrong with hybrid:postgresPassword, or nothing.
func PasswordProblem(password string) string {
	return settings.Secret(password, leastPassword, "", "spaces")
}
