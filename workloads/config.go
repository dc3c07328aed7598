package workloads

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"

	"hybrid/workloads/topology"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// scripts run in the members' pods.
//
//go:embed scripts/pod
var scripts embed.FS

// common are Patroni's settings, haproxy those of the proxies.
var (
	//go:embed config/common.yml
	common string
	//go:embed config/haproxy.cfg
	haproxy string
)

// Names of what pods mount.
const (
	scriptsName  = "psql-scripts"
	passwordName = "psql-password"
	tlsName      = "psql-tls"         // the members' certificate
	clientName   = "psql-etcd-client" // by which they enter etcd
)

func files(from embed.FS, folder string) (pulumi.StringMap, error) {
	entries, err := from.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	data := pulumi.StringMap{}
	for _, f := range entries {
		text, err := from.ReadFile(folder + "/" + f.Name())
		if err != nil {
			return nil, err
		}
		data[f.Name()] = pulumi.String(text)
	}
	return data, nil
}

// config is the ConfigMap of the settings. JSON is YAML, too.
func (b *builder) config() (pulumi.StringMap, error) {
	data := pulumi.StringMap{"common.yml": pulumi.String(common), "master": pulumi.String(b.args.Master)}
	if from := b.args.RestoreFrom.Bucket; from != "" {
		data["restore-from"] = pulumi.String(from) // first.sh waits for how to enter it
	}
	for name, value := range map[string]any{
		"stack.yml":     b.stack(),
		"bootstrap.yml": map[string]any{"bootstrap": map[string]any{"dcs": b.dynamic(), "method": "first", "first": first}},
		"backup.json":   b.schedule(),
		"etcd.json":     b.etcdSettings(),
		topology.Key:    b.topology,
	} {
		text, err := json.MarshalIndent(value, "", " ")
		if err != nil {
			return nil, err
		}
		data[name] = pulumi.String(text)
	}
	return data, nil
}

// first makes the database, see scripts/pod/first.sh. What that says of a recovery stays.
var first = map[string]any{"command": "/bin/sh /etc/psql/scripts/first.sh", "no_params": true, "keep_existing_recovery_conf": true}

// stack is what differs between stacks of what Patroni reads in its pod.
func (b *builder) stack() any {
	var hosts []string
	for _, cluster := range b.topology.Etcd {
		hosts = append(hosts, fmt.Sprintf("%s:%d", topology.EtcdName(cluster), etcdPort))
	}
	pods := b.args.PodCIDR.String()
	copying, plainly := "/bin/sh /etc/psql/scripts/copy.sh", []any{map[string]string{"checkpoint": "fast"}}
	if b.args.Parameters["fsync"] == "off" {
		// A copy is as safe as what it is made of.
		copying, plainly = copying+" --no-sync", append(plainly, "no-sync")
	}
	return map[string]any{
		"etcd3": map[string]any{"hosts": hosts},
		"postgresql": map[string]any{
			"pg_hba": []string{
				// Who can read the socket's folder is inside this pod.
				"local all postgres peer",
				"hostssl replication replicator " + pods + " cert map=members",
				"hostssl postgres rewinder " + pods + " cert map=members",
				"host all replicator,rewinder all reject",
				"hostssl all all " + pods + " scram-sha-256",
			},
			// The second is for servers that don't know the compression.
			"create_replica_methods": []string{"copy", "basebackup"},
			"copy":                   map[string]string{"command": copying},
			"basebackup":             plainly,
		},
	}
}

// dynamic is what Patroni keeps in etcd, for all members: from there they follow it.
// The times make a leader that is lost replaced after about 20 s: see
// docs/postgres.md. What scripts/pod/fence.py calls hung follows from ttl and loop_wait.
func (b *builder) dynamic() map[string]any {
	parameters := map[string]string{}
	maps.Copy(parameters, b.args.Parameters)
	maps.Copy(parameters, ownParameters)
	if b.args.Backup != nil {
		// What is written gets to the bucket within a minute, however little that is.
		parameters["archive_timeout"] = "60s"
	}
	d := map[string]any{
		"ttl": 20, "loop_wait": 6, "retry_timeout": 7,
		// A leader whose PostgreSQL has died gives way at once.
		"primary_start_timeout": 0,
		// As long as all members see their leader it needs no etcd.
		"failsafe_mode": true,
		// A former leader's log may be longer than its successor's, and yet lack what that
		// one has confirmed: the newer timeline counts first.
		"check_timeline": true,
		// The leader keeps what a member lacks, up to max_slot_wal_keep_size; for one that
		// is away, so long.
		"member_slots_ttl": "10min",
		"postgresql":       map[string]any{"use_pg_rewind": true, "use_slots": true, "parameters": parameters, "recovery_conf": map[string]string{"restore_command": restoreCommand}},
	}
	if n := b.topology.Synchronous(); n > 0 {
		d["synchronous_mode"], d["synchronous_node_count"] = "quorum", n
		// Who is missing what isn't confirmed may lead, however much it is.
		d["maximum_lag_on_failover"] = 1 << 50
	} else {
		d["synchronous_mode"], d["maximum_lag_on_failover"] = false, 64<<20
	}
	return d
}
