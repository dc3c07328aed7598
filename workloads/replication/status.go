package replication

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"

	"hybrid/internal/shell"
)

// Replica is one line of a status.
type Replica struct {
	Pod
	State       string  // streaming, or what it does instead
	Sync        string  // async, quorum or sync
	LagBytes    int64   // of the write-ahead log that it has not applied
	LagSeconds  float64 // how long the last change took until it was applied
	ClientKnown bool    // the master knows of it
}

// Report is replication at a glance.
type Report struct {
	Epoch    int
	Cluster  string // whose master is the one
	Active   bool
	Master   Pod
	Writable bool
	At       LSN
	Replicas []Replica
	// Unknown are clients of the master that are no replica's pods.
	Unknown []string
	// Notes are what isn't as it should be.
	Notes []string
}

// CommitsLack is SQL for how many replicas are missing of those that each commit waits
// for: PostgreSQL's own "ANY n (...)" of synchronous_standby_names, less those that
// follow.
const CommitsLack = `greatest(0, coalesce(substring(current_setting('synchronous_standby_names') from '^ANY ([0-9]+)')::integer, 0)
- (SELECT count(*)::integer FROM pg_stat_replication WHERE state = 'streaming' AND sync_state IN ('quorum', 'sync')))`

// goOn are the commands after which commits wait for so many replicas only.
func goOn(synchronous int) string {
	return fmt.Sprintf("pulumi config set --path hybrid:postgres.synchronousReplicas %d && pulumi up", synchronous)
}

// Status asks the witness, the master and the clusters' APIs. It tells as much as
// it can learn; the error is for what it can't.
func Status(ctx context.Context, pods Pods, t *Topology) (*Report, error) {
	r := &Report{Cluster: t.Master, Active: true}
	var errs []error
	witness, err := one(ctx, pods, t.Witness, WitnessApp)
	if err == nil {
		var s *State
		if s, err = ask(ctx, pods, witness); err == nil {
			r.Epoch, r.Cluster, r.Active = s.Epoch, s.Cluster, s.Active
		}
	}
	if err != nil {
		errs = append(errs, fmt.Errorf("the witness can't be asked who is master, and the settings' is taken: %w", err))
	}
	if r.Cluster != t.Master {
		r.Notes = append(r.Notes, fmt.Sprintf("the master of %s has been promoted, and the settings still name %s: pulumi config set --path hybrid:postgres.master %s && pulumi up", r.Cluster, t.Master, shell.Quote(r.Cluster)))
	}
	clients, err := r.master(ctx, pods, t)
	if err != nil {
		errs = append(errs, fmt.Errorf("the master: %w", err))
	}
	for _, cluster := range slices.Sorted(maps.Keys(t.Placement)) {
		found, err := pods.List(ctx, cluster, ReplicaApp)
		if err != nil {
			errs = append(errs, fmt.Errorf("cluster %q: %w", cluster, err))
			continue
		}
		if len(found) != t.Placement[cluster] {
			r.Notes = append(r.Notes, fmt.Sprintf("%s has %d replicas, %d are wanted", cluster, len(found), t.Placement[cluster]))
		}
		for _, pod := range found {
			line := Replica{Pod: pod, State: "not connected"}
			if c, ok := clients[pod.Address]; ok {
				c.Pod = pod
				line = c
				delete(clients, pod.Address)
			}
			r.Replicas = append(r.Replicas, line)
		}
	}
	for _, c := range clients {
		r.Unknown = append(r.Unknown, c.Cluster+" "+c.Address)
	}
	slices.Sort(r.Unknown)
	return r, errors.Join(errs...)
}

// master asks the master for its clients, by address.
func (r *Report) master(ctx context.Context, pods Pods, t *Topology) (map[string]Replica, error) {
	var err error
	if r.Master, err = one(ctx, pods, r.Cluster, MasterApp); err != nil {
		return nil, err
	}
	rows, err := query(ctx, pods, r.Master, `SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END,
NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off', `+CommitsLack)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 || len(rows[0]) != 3 {
		return nil, fmt.Errorf("unexpected answer %q", rows)
	}
	if r.At, err = ParseLSN(rows[0][0]); err != nil {
		return nil, err
	}
	if r.Writable = rows[0][1] == "t"; !r.Writable {
		r.Notes = append(r.Notes, "the master accepts no writes at present: its log says why")
	}
	if lack, err := strconv.Atoi(rows[0][2]); err != nil {
		return nil, fmt.Errorf("unexpected answer %q", rows)
	} else if lack > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("commits wait: of the replicas outside of %s, %d too few follow. To go on without: %s", r.Cluster, lack, goOn(max(0, t.Synchronous-lack))))
	}
	rows, err = query(ctx, pods, r.Master, `SELECT application_name, client_addr, state, sync_state,
coalesce(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), replay_lsn)::bigint, 0), coalesce(extract(epoch FROM replay_lag), 0) FROM pg_stat_replication`)
	clients := map[string]Replica{}
	for _, f := range rows {
		if len(f) != 6 {
			return nil, fmt.Errorf("unexpected answer %q", f)
		}
		c := Replica{Pod: Pod{Cluster: f[0], Address: f[1]}, State: f[2], Sync: f[3], ClientKnown: true}
		c.LagBytes, _ = strconv.ParseInt(f[4], 10, 64)
		c.LagSeconds, _ = strconv.ParseFloat(f[5], 64)
		clients[c.Address] = c
	}
	return clients, err
}

// Streaming counts the replicas that follow the master.
func (r *Report) Streaming() (n int) {
	for _, replica := range r.Replicas {
		if replica.State == "streaming" {
			n++
		}
	}
	return n
}

// Write writes it as text.
func (r *Report) Write(w io.Writer) error {
	if r.Master.Name != "" {
		fmt.Fprintf(w, "master: %s, on %s, epoch %d, at %s\n\n", r.Master, r.Master.Node, r.Epoch, r.At)
	} else {
		fmt.Fprintf(w, "master: none answers in %s, epoch %d\n\n", r.Cluster, r.Epoch)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLUSTER\tPOD\tADDRESS\tSTATE\tSYNC\tLAG (BYTES)\tLAG (SECONDS)")
	for _, l := range r.Replicas {
		if !l.ClientKnown {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t-\t-\t-\n", l.Cluster, l.Name, l.Address, l.State)
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%.3f\n", l.Cluster, l.Name, l.Address, l.State, l.Sync, l.LagBytes, l.LagSeconds)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, u := range r.Unknown {
		fmt.Fprintf(w, "the master has a client that is no replica's pod: %s\n", u)
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, n)
	}
	return nil
}
