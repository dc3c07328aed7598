package replication

import (
	"context"
	"fmt"
	"strconv"
)

// State is what the witness knows.
type State struct {
	Epoch   int    // grows with each promotion
	Cluster string // whose master may accept writes
	Active  bool   // false while the data are handed over
	System  string
	Flushed LSN    // how far the master was
	Seen    string // when that was, by the witness's clock
	Age     string // and how many seconds ago
}

// ask reads the state of the witness in a pod.
func ask(ctx context.Context, pods Pods, witness Pod) (*State, error) {
	rows, err := query(ctx, pods, witness, `SELECT epoch, cluster, phase = 'active', coalesce(system, ''), coalesce(flushed, '0/0'),
to_char(seen AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), extract(epoch FROM now() - seen)::integer FROM state`)
	if err != nil {
		return nil, fmt.Errorf("the witness: %w", err)
	}
	if len(rows) != 1 || len(rows[0]) != 7 {
		return nil, fmt.Errorf("the witness knows of no master (%q): has there ever been one?", rows)
	}
	r := rows[0]
	s := &State{Cluster: r[1], Active: r[2] == "t", System: r[3], Seen: r[5], Age: r[6]}
	if s.Epoch, err = strconv.Atoi(r[0]); err != nil {
		return nil, fmt.Errorf("the witness: epoch: %w", err)
	}
	s.Flushed, err = ParseLSN(r[4])
	return s, err
}

// quote makes a string of SQL's.
func quote(s string) string {
	out := "'"
	for _, r := range s {
		if r == '\'' {
			out += "'"
		}
		out += string(r)
	}
	return out + "'"
}

// hand begins a new epoch with a cluster's master, which has no data yet. Who asks
// the witness from now on knows that the old master is none. It returns the epoch:
// that of an interrupted promotion of the same cluster again.
func hand(ctx context.Context, pods Pods, witness Pod, old *State, cluster string) (int, error) {
	if !old.Active && old.Cluster == cluster {
		return old.Epoch, nil
	}
	rows, err := query(ctx, pods, witness, fmt.Sprintf(`WITH former AS (
	INSERT INTO history (epoch, cluster, flushed, seen, ended) SELECT epoch, cluster, flushed, seen, now() FROM state WHERE epoch = %[1]d
	ON CONFLICT (epoch) DO NOTHING)
UPDATE state SET epoch = epoch + 1, cluster = %[2]s, phase = 'handover', seed = NULL, position = NULL, address = NULL
WHERE epoch = %[1]d RETURNING epoch`, old.Epoch, quote(cluster)))
	if err != nil {
		return 0, fmt.Errorf("the witness: %w", err)
	}
	if len(rows) != 1 {
		return 0, fmt.Errorf("the witness: epoch %d is over: somebody else has promoted at the same time; look at the status", old.Epoch)
	}
	return strconv.Atoi(rows[0][0])
}

// choose tells the new master where its data are.
func choose(ctx context.Context, pods Pods, witness Pod, epoch int, p *Position) error {
	rows, err := query(ctx, pods, witness, fmt.Sprintf(`WITH former AS (UPDATE history SET position = %[3]s WHERE epoch = %[1]d - 1)
UPDATE state SET seed = %[2]s, position = %[3]s WHERE epoch = %[1]d AND phase = 'handover' RETURNING epoch`, epoch, quote(p.Address), quote(p.LSN.String())))
	if err == nil && len(rows) != 1 {
		err = fmt.Errorf("epoch %d is over", epoch)
	}
	if err != nil {
		return fmt.Errorf("the witness: %w", err)
	}
	return nil
}
