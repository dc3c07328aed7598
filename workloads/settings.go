package workloads

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"hybrid/internal/settings"
)

// Settings are hybrid:postgres.
type Settings struct {
	// Enabled says that there is a database at all.
	Enabled bool `json:"enabled"`
	// Image has PostgreSQL's programs, a shell and coreutils.
	Image string `json:"image"`
	// Master is the cluster of the master.
	Master string `json:"master"`
	// Placement is how many replicas run in each cluster.
	Placement map[string]int `json:"placement"`
	// Synchronous is for how many replicas of other clusters each commit waits.
	Synchronous int `json:"synchronousReplicas"`
	// Witness is the cluster of the witness.
	Witness string `json:"witness"`
	// StorageClass is that of the master's and the witness's volumes. Empty: a
	// folder of their cluster's first worker.
	StorageClass string `json:"storageClass"`
	// StorageSize is that of the volumes, where there is a StorageClass. Empty: 10Gi.
	StorageSize string `json:"storageSize"`
	// Parameters are PostgreSQL's own, for all servers.
	Parameters Parameters `json:"parameters"`
}

// DefaultSettings are what hybrid:postgres leaves out; Place comes after them.
func DefaultSettings() Settings {
	return Settings{
		Enabled: true,
		// PostgreSQL 18.6, by the digest of its index for all architectures.
		Image:     "docker.io/library/postgres:18.6@sha256:06cad38a5d9f5d24b4d83d86def30795d5e4b757fedbf5281172b576dedcd941",
		Placement: map[string]int{},
		// Replicas may be away for 1 GB of changes, and all of them take base backups, of
		// two connections each, at the same time.
		Parameters: Parameters{"wal_keep_size": "1GB", "max_wal_senders": "40"},
	}
}

// What PostgreSQL is by default where there are clusters of these names; see Place.
const defaultMaster = "london"

var defaultPlacement = map[string]int{"frankfurt": 4, "london": 2}

// Place says where PostgreSQL is, if the settings don't: in the clusters that the
// defaults name, as far as there are such; otherwise all in the first one. host is the
// cluster that hosts the federation.
func (s *Settings) Place(clusters []string, host string) {
	if len(clusters) == 0 {
		return
	}
	if s.Witness == "" {
		s.Witness = host
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
	known := func(key, name string) {
		if !slices.Contains(clusters, name) {
			add("%s is %q: expected one of the clusters %s", key, name, strings.Join(clusters, ", "))
		}
	}
	known("master", s.Master)
	if s.Witness != "" {
		known("witness", s.Witness)
	}
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
	// Those of the master's own cluster are lost with it.
	if candidates := Abroad(s.Master, s.Placement); candidates > 0 && s.Synchronous > candidates {
		add("synchronousReplicas is %d: placement has %d outside of the master's cluster, and only those count", s.Synchronous, candidates)
	} else if s.Synchronous < 0 || s.Synchronous > sum {
		add("synchronousReplicas is %d: expected 0 to %d, the number of replicas", s.Synchronous, sum)
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
	return append(out, s.Parameters.problems()...)
}

// leastPassword is the least length of a password that can't be guessed on line: only
// pods can try.
const leastPassword = 12

// PasswordProblem says what is wrong with hybrid:postgresPassword or
// hybrid:replicationPassword, or nothing.
func PasswordProblem(password string) string {
	return settings.Secret(password, leastPassword, "", "spaces")
}
