package observe

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"hybrid/workloads/topology"
)

// query asks a server for what it knows, as one JSON object. A server in recovery has
// no position of its own to write at, but the one it has replayed.
const query = `select json_build_object(
 'version', split_part(current_setting('server_version'), ' ', 1),
 'replica', s.replica, 'position', s.here, 'bytes', pg_wal_lsn_diff(s.here, '0/0')::bigint,
 'timeline', case when s.replica then (select coalesce((select received_tli from pg_stat_wal_receiver), timeline_id) from pg_control_checkpoint())
  else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end,
 'age', extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()),
 'backup', pg_read_file('/run/psql/backup.json', 0, 1048576, true)::json, 'schedule', pg_read_file('/etc/psql/config/backup.json', 0, 65536, true)::json,
 'lost', pg_read_file('/var/lib/psql/lost.json', 0, 4096, true)::json,
 'waiting', (select coalesce(max(extract(epoch from clock_timestamp() - state_change)), 0) from pg_stat_activity where wait_event = 'SyncRep'),
 'streams', (select coalesce(json_agg(json_build_object(
   'name', application_name, 'address', host(client_addr), 'state', state, 'sync', sync_state,
   'bytes', case when replay_lsn is not null then greatest(pg_wal_lsn_diff(s.here, replay_lsn), 0)::bigint end,
   'seconds', extract(epoch from replay_lag),
   'silent', extract(epoch from clock_timestamp() - coalesce(reply_time, backend_start)))), '[]')
  from pg_stat_replication where application_name <> 'pg_basebackup'))
from (select pg_is_in_recovery() as replica, case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end as here) s`

// askServer runs psql as the administrator over the server's own socket.
var askServer = []string{"psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-c", query}

//go:embed ask.py
var askScript string

// askPatroni runs ask.py by that Python by which Patroni runs, and without the modules
// that others have installed there.
var askPatroni = []string{"sh", "-c", `exec $(sed -n '1s/^#!//p' "$(command -v patronictl)") -ISc "$1"`, "sh", askScript}

// server is what a member's PostgreSQL says.
type server struct {
	at  time.Time
	err error // why it says nothing

	Version  string `json:"version"`
	Replica  bool   `json:"replica"`  // it is in recovery, and takes no writes
	Position string `json:"position"` // in the write-ahead log, such as 0/5000148
	Bytes    int64  `json:"bytes"`    // the same as a number
	Timeline int    `json:"timeline"`
	// Age is how long ago what it has replayed last was committed, in seconds.
	Age     *float64       `json:"age"`
	Waiting float64        `json:"waiting"` // seconds that a commit has waited for replicas, at most
	Streams []serverStream `json:"streams"`
	Lost    *Loss          `json:"lost"` // of workloads/scripts/pod/rewind.sh
	backupFacts
}

// serverStream is a row of pg_stat_replication. Its application is called as the
// member.
type serverStream struct {
	Name    string   `json:"name"`
	Address string   `json:"address"`
	State   string   `json:"state"`
	Sync    string   `json:"sync"`
	Bytes   *int64   `json:"bytes"`
	Seconds *float64 `json:"seconds"`
	Silent  float64  `json:"silent"` // seconds since it was heard of
}

// patroni is what a member's Patroni says.
type patroni struct {
	at  time.Time
	pod Pod   // who says it
	err error // why it says nothing

	Cluster struct {
		Members []patroniMember `json:"members"`
		Pause   bool            `json:"pause"`
	} `json:"cluster"`
	Config struct {
		// SynchronousMode is off, on or quorum; of another type in some versions.
		SynchronousMode      any `json:"synchronous_mode"`
		SynchronousNodeCount any `json:"synchronous_node_count"`
	} `json:"config"`
	// Asked has, for each other member, why its Patroni can't be asked; nil if it can.
	Asked map[string]*string `json:"asked"`
}

// patroniMember is one of GET /cluster.
type patroniMember struct {
	Name  string                 `json:"name"`
	Role  string                 `json:"role"`
	State string                 `json:"state"`
	Lag   any                    `json:"lag"` // bytes, or "unknown"
	Tags  struct{ Cloud string } `json:"tags"`
}

// voter says whether commits wait for its copy.
func (m *patroniMember) voter() bool { return m.Role == "quorum_standby" || m.Role == "sync_standby" }

// synchronous says whether commits wait for replicas.
func (p *patroni) synchronous() bool {
	switch fmt.Sprint(p.Config.SynchronousMode) {
	case "true", "on", "quorum":
		return true
	}
	return false
}

// readServers asks all servers of a cluster.
func (o *Observer) readServers(ctx context.Context, cluster string) {
	facts := o.of(cluster)
	if facts.err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	servers := map[string]*server{}
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, p := range facts.pods {
		if !p.asked() {
			continue
		}
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			s := &server{}
			s.err = o.ask(ctx, p, s, askServer)
			s.at = time.Now()
			mu.Lock()
			defer mu.Unlock()
			servers[p.Name] = s
		})
	}
	all.Wait()
	o.update(cluster, func(c *clusterFacts) {
		if c.err == nil {
			c.servers = servers
		}
	})
}

// readPatroni asks the Patroni of one member of a cluster, each time another one's:
// whether it can ask all others is known of it alone.
func (o *Observer) readPatroni(ctx context.Context, cluster string) {
	facts := o.of(cluster)
	if facts.err != nil {
		return
	}
	var members []Pod
	for _, p := range facts.pods {
		if p.asked() {
			members = append(members, p)
		}
	}
	var found *patroni
	if len(members) > 0 {
		ctx, cancel := context.WithTimeout(ctx, o.Timeout)
		defer cancel()
		found = &patroni{pod: members[facts.patroniTurn%len(members)]}
		found.err = o.ask(ctx, found.pod, found, askPatroni)
		found.at = time.Now()
	}
	o.update(cluster, func(c *clusterFacts) {
		if c.err == nil {
			c.patroni = found
			c.patroniTurn++
		}
	})
}

// asked says whether a pod is to be asked for PostgreSQL.
func (p *Pod) asked() bool { return p.member && (p.State == "Running" || p.State == "NotReady") }

// ask runs a program in a member's pod that prints JSON.
func (o *Observer) ask(ctx context.Context, p Pod, into any, argv []string) error {
	text, err := o.clusters[p.cluster].exec(ctx, p, topology.Container, argv...)
	if err != nil {
		return plain(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("pod %s/%s: expected JSON, found %.200q", p.Namespace, p.Name, text)
	}
	return nil
}

// Leads asks a member alone, whatever else there is to see, whether it leads, and where in
// the write-ahead log it is: nil if it doesn't.
func (o *Observer) Leads(ctx context.Context, cluster, namespace, pod string) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	var s server
	if err := o.ask(ctx, Pod{Namespace: namespace, Name: pod, cluster: cluster}, &s, askServer); err != nil || s.Replica {
		return nil, err
	}
	return &Server{Cluster: cluster, Namespace: namespace, Pod: pod, Version: s.Version, Timeline: s.Timeline, Position: s.Position}, nil
}

// Patronictl runs patronictl in a member's pod and returns what it prints.
func (o *Observer) Patronictl(ctx context.Context, cluster, namespace, pod string, args ...string) (string, error) {
	out, err := o.clusters[cluster].exec(ctx, Pod{Namespace: namespace, Name: pod}, topology.Container, append([]string{"patronictl"}, args...)...)
	if err != nil {
		return "", fmt.Errorf("patronictl %s: %w", strings.Join(args, " "), plain(err))
	}
	return string(out), nil
}
