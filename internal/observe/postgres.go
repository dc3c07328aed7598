package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	postgres "hybrid/workloads/replication"
)

// firstContainer is a pod's first one, which is PostgreSQL's in its pods.
const firstContainer = ""

// query asks a server for its streams, as one JSON object. A server in recovery has
// no position of its own to write at, but the one it has replayed.
const query = `select json_build_object(
 'version', current_setting('server_version'),
 'closed', pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean,
 'position', s.here, 'lack', ` + postgres.CommitsLack + `,
 'streams', (select coalesce(json_agg(json_build_object(
   'address', host(client_addr), 'name', application_name, 'state', state, 'sync', sync_state,
   'bytes', case when replay_lsn is not null then greatest(pg_wal_lsn_diff(s.here, replay_lsn), 0) end,
   'seconds', extract(epoch from replay_lag),
   'silent', extract(epoch from clock_timestamp() - coalesce(reply_time, backend_start)))), '[]')
  from pg_stat_replication where application_name <> 'pg_basebackup'))
from (select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end as here) s`

// ask runs psql as the administrator over the server's own socket, wherever the
// image has it. The query is its first argument.
const ask = `psql=$(command -v psql || ls -d /usr/lib/postgresql/*/bin/psql | tail -n 1)
exec "$psql" -XAtq -U postgres -d postgres -c "$1"`

// replication is what the master says.
type replication struct {
	at     time.Time
	master Pod

	Version  string         `json:"version"`
	Closed   bool           `json:"closed"` // it takes no writes
	Position string         `json:"position"`
	Lack     int            `json:"lack"` // replicas that commits wait for, and that aren't there
	Streams  []serverStream `json:"streams"`
}

// serverStream is a row of pg_stat_replication.
type serverStream struct {
	Address string   `json:"address"`
	Name    string   `json:"name"` // the replica's cluster, by the program's settings
	State   string   `json:"state"`
	Sync    string   `json:"sync"`
	Bytes   *int64   `json:"bytes"`
	Seconds *float64 `json:"seconds"`
	Silent  float64  `json:"silent"` // seconds since it was heard of
}

// readReplication asks the master for its streams, if it runs in this cluster.
func (o *Observer) readReplication(ctx context.Context, cluster string) {
	facts := o.of(cluster)
	if facts.err != nil {
		return
	}
	for _, p := range facts.pods {
		if p.Role != Master || !p.OK || p.State != "Running" {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, o.Timeout)
		defer cancel()
		found, err := askMaster(ctx, o.clusters[cluster], p)
		o.mu.Lock()
		if o.facts.replicationErr = err; err == nil {
			o.facts.replication = found
		}
		o.mu.Unlock()
		o.notify()
		return
	}
}

func askMaster(ctx context.Context, a *access, p Pod) (*replication, error) {
	text, err := a.exec(ctx, p, firstContainer, "sh", "-c", ask, "sh", query)
	if err != nil {
		return nil, plain(err)
	}
	found := &replication{at: time.Now(), master: p}
	if err := json.Unmarshal(text, found); err != nil {
		return nil, fmt.Errorf("pod %s/%s: expected JSON from psql, found %q", p.Namespace, p.Name, text)
	}
	return found, nil
}
