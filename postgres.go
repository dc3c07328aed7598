package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"hybrid/clouds"
	"hybrid/federation"
	"hybrid/workloads"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// The secret settings of PostgreSQL.
const (
	postgresPasswordKey    = "hybrid:postgresPassword"
	replicationPasswordKey = "hybrid:replicationPassword"
)

// defaultPostgresImage is PostgreSQL 18.6, by the digest of its index for all
// architectures.
const defaultPostgresImage = "docker.io/library/postgres:18.6@sha256:06cad38a5d9f5d24b4d83d86def30795d5e4b757fedbf5281172b576dedcd941"

// What PostgreSQL is by default where there are clusters of these names; see fill.
const defaultMaster = "london"

var defaultPlacement = map[string]int{"frankfurt": 4, "london": 2}

// defaultParameters let replicas be away for 1 GB of changes, and all of them take
// base backups, of two connections each, at the same time.
func defaultParameters() map[string]string {
	return map[string]string{"wal_keep_size": "1GB", "max_wal_senders": "40"}
}

// Limits of the settings.
const (
	// maxReplicas leaves the master senders for base backups.
	maxReplicas = 16
	// minDatabasePassword is the least length of a password that nobody guesses on
	// line: only pods can try.
	minDatabasePassword = 12
)

// PostgresSettings is hybrid:postgres.
type PostgresSettings struct {
	Enabled         bool
	Image           string
	Master, Witness string // clusters
	Placement       map[string]int
	Synchronous     int
	StorageClass    string
	StorageSize     string
	Parameters      map[string]string
}

// parameter is the value of one of PostgreSQL's, which takes all of them as text.
type parameter string

// UnmarshalJSON reads a string, or a number, true or false as it is written.
func (v *parameter) UnmarshalJSON(text []byte) error {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return err
	}
	switch value := value.(type) {
	case string:
		*v = parameter(value)
	case float64, bool:
		*v = parameter(text)
	default:
		return fmt.Errorf("expected a string, a number, true or false, found %s", text)
	}
	return nil
}

// decodePostgres reads hybrid:postgres, as decodeMesh does; fill comes after it.
func decodePostgres(text string, p *problems) PostgresSettings {
	s := PostgresSettings{Enabled: true, Image: defaultPostgresImage, Parameters: defaultParameters()}
	if text != "" {
		if o := newObject(json.RawMessage(text), "hybrid:postgres", p); o != nil {
			o.into("enabled", "true or false, without quotes", &s.Enabled)
			o.into("image", "a string", &s.Image)
			o.into("master", "a string", &s.Master)
			o.into("witness", "a string", &s.Witness)
			o.into("placement", "an object of clusters and whole numbers", &s.Placement)
			o.into("synchronousReplicas", "a whole number, without quotes", &s.Synchronous)
			o.into("storageClass", "a string", &s.StorageClass)
			o.into("storageSize", "a string", &s.StorageSize)
			var parameters map[string]parameter
			o.into("parameters", "an object of strings, numbers, true and false", &parameters)
			for name, value := range parameters {
				s.Parameters[name] = string(value)
			}
			o.done()
		}
	}
	return s
}

// fill says where PostgreSQL is, if the settings don't: in the clusters that the
// defaults name, as far as there are such; otherwise all in the first one.
func (s *PostgresSettings) fill(clusters []ClusterSettings, host string) {
	if len(clusters) == 0 {
		return
	}
	there := func(name string) bool {
		return slices.ContainsFunc(clusters, func(c ClusterSettings) bool { return c.Name == name })
	}
	if s.Witness == "" {
		s.Witness = host
	}
	if s.Master == "" {
		s.Master = clusters[0].Name
		if there(defaultMaster) {
			s.Master = defaultMaster
		}
	}
	if len(s.Placement) > 0 {
		return
	}
	s.Placement = map[string]int{}
	for name, n := range defaultPlacement {
		if there(name) {
			s.Placement[name] = n
		}
	}
	if len(s.Placement) == 0 {
		s.Placement[s.Master] = 2
	}
}

// A parameter of PostgreSQL's, perhaps an extension's.
var parameterName = regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)?$`)

// ownParameters belong to the program: other values would break what it does.
var ownParameters = strings.Fields(`archive_mode cluster_name config_file data_directory default_transaction_read_only external_pid_file
	hba_file hot_standby ident_file include include_dir include_if_exists lc_messages listen_addresses log_destination log_line_prefix
	log_min_error_statement log_timezone logging_collector password_encryption port primary_conninfo recovery_target_timeline ssl
	ssl_ca_file ssl_cert_file ssl_key_file ssl_min_protocol_version synchronous_standby_names tcp_keepalives_count tcp_keepalives_idle
	tcp_keepalives_interval unix_socket_directories wal_level wal_receiver_status_interval wal_receiver_timeout
	wal_retrieve_retry_interval wal_sender_timeout`)

// A quantity of Kubernetes', as far as disks need it.
var storageSize = regexp.MustCompile(`^[1-9][0-9]*(Mi|Gi|Ti)$`)

func (s *Settings) validatePostgres(p *problems) {
	const at = "hybrid:postgres"
	pg := s.Postgres
	if !pg.Enabled {
		return
	}
	if !imageReference.MatchString(pg.Image) || strings.HasSuffix(pg.Image, ":latest") {
		p.add(at, "image is %q: expected a name with a version or digest, such as %s", pg.Image, defaultPostgresImage)
	}
	var names []string
	for _, c := range s.Clusters {
		names = append(names, c.Name)
	}
	known := func(key, name string) {
		if !slices.Contains(names, name) {
			p.add(at, "%s is %q: expected one of the clusters %s", key, name, strings.Join(names, ", "))
		}
	}
	known("master", pg.Master)
	if pg.Witness != "" {
		known("witness", pg.Witness)
	}
	sum := 0
	for _, name := range slices.Sorted(maps.Keys(pg.Placement)) {
		known("a key of placement", name)
		n := pg.Placement[name]
		if n < 0 || n > maxReplicas {
			p.add(at, "placement of %s is %d: expected 0 to %d", name, n, maxReplicas)
		}
		sum += min(max(n, 0), maxReplicas)
	}
	if sum < 1 || sum > maxReplicas {
		p.add(at, "placement has %d replicas in all: expected 1 to %d", sum, maxReplicas)
	}
	// Those of the master's own cluster are lost with it.
	if candidates := workloads.Abroad(pg.Master, pg.Placement); candidates > 0 && pg.Synchronous > candidates {
		p.add(at, "synchronousReplicas is %d: placement has %d outside of the master's cluster, and only those count", pg.Synchronous, candidates)
	} else if pg.Synchronous < 0 || pg.Synchronous > sum {
		p.add(at, "synchronousReplicas is %d: expected 0 to %d, the number of replicas", pg.Synchronous, sum)
	}
	if pg.StorageSize != "" && !storageSize.MatchString(pg.StorageSize) {
		p.add(at, "storageSize is %q: expected a number with Mi, Gi or Ti, such as 10Gi", pg.StorageSize)
	}
	if pg.StorageSize != "" && pg.StorageClass == "" {
		p.add(at, "storageSize is %q without a storageClass: a folder of a node has no size; leave it out, or set storageClass", pg.StorageSize)
	}
	for _, name := range slices.Sorted(maps.Keys(pg.Parameters)) {
		if !parameterName.MatchString(name) {
			p.add(at, "parameters: %q is no name of a parameter of PostgreSQL", name)
		} else if slices.Contains(ownParameters, name) {
			p.add(at, "parameters: %s is set by the program: leave it out", name)
		}
		if strings.ContainsAny(pg.Parameters[name], "\n\r\\") {
			p.add(at, "parameters: %s has a backslash or line break: expected one line without", name)
		}
	}
	// Never quote them.
	for _, secret := range []struct{ key, password string }{{postgresPasswordKey, s.PostgresPassword}, {replicationPasswordKey, s.ReplicationPassword}} {
		key, password := secret.key, secret.password
		if n := len(password); n > 0 && (n < minDatabasePassword || strings.ContainsFunc(password, func(r rune) bool { return r <= ' ' || r > '~' })) {
			p.add(key, "found %d characters: expected at least %d of printable ASCII without spaces, or none at all to have one generated", n, minDatabasePassword)
		}
	}
}

// makePostgres puts PostgreSQL into the federation; nil if the settings say no.
func makePostgres(ctx *pulumi.Context, s *Settings, clusters []*clouds.Cluster, n *network, f *federation.Federation) (*workloads.Postgres, error) {
	if !s.Postgres.Enabled {
		return nil, nil
	}
	args := &workloads.PostgresArgs{
		Clusters:     clusters,
		Provider:     f.Provider,
		Identity:     f.Identity,
		Members:      f.Members,
		Mesh:         n.Up,
		PodCIDR:      s.PodCIDR,
		Image:        s.Postgres.Image,
		Master:       s.Postgres.Master,
		Witness:      s.Postgres.Witness,
		Placement:    s.Postgres.Placement,
		Synchronous:  s.Postgres.Synchronous,
		StorageClass: s.Postgres.StorageClass,
		StorageSize:  s.Postgres.StorageSize,
		Parameters:   s.Postgres.Parameters,
	}
	if s.PostgresPassword != "" {
		args.PostgresPassword = config.GetSecret(ctx, postgresPasswordKey)
	}
	if s.ReplicationPassword != "" {
		args.ReplicationPassword = config.GetSecret(ctx, replicationPasswordKey)
	}
	return workloads.NewPostgres(ctx, "psql", args)
}

// postgresOutputs are the stack's: how to get in.
func postgresOutputs(s *Settings, db *workloads.Postgres) pulumi.Map {
	commands := []string{fmt.Sprintf("kubectl --context %s exec -it psql-master-0 -- psql -U postgres", s.Postgres.Master)}
	for _, name := range slices.Sorted(maps.Keys(s.Postgres.Placement)) {
		if s.Postgres.Placement[name] > 0 {
			commands = append(commands, fmt.Sprintf("kubectl --context %s exec -it rs/psql-replica -- psql -U postgres", name))
		}
	}
	return pulumi.Map{
		"commands": pulumi.ToStringArray(commands),
		// For pods, in every cluster, with ca in a file.
		"write":    pulumi.String(fmt.Sprintf("host=%s.%s user=postgres dbname=postgres sslmode=verify-full sslrootcert=ca.crt", workloads.Master, workloads.Namespace)),
		"read":     pulumi.String(fmt.Sprintf("host=%s.%s user=postgres dbname=postgres sslmode=verify-full sslrootcert=ca.crt", workloads.Replica, workloads.Namespace)),
		"ca":       db.Authority,
		"password": db.Password,
		"witness":  pulumi.String(s.Postgres.Witness),
	}
}
