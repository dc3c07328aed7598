package replication

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Fence is the longest that a master which nobody votes for goes on accepting
// writes: master.sh's FENCE, and what its checks take when nobody answers them.
const Fence = 45 * time.Second

// Patience is for how long replicas are asked again to let go of the old master.
const patience = 60 * time.Second

// Promotion is what a promotion has found out.
type Promotion struct {
	Epoch    int
	From, To string    // clusters
	Seed     Pod       // the replica whose data go on
	Position *Position // how far they go

	// Retired says that the old master itself has said how far it was, after its
	// last write.
	Retired bool
	// Known is how far the old master is known to have been.
	Known LSN
	// Seen is when it was seen last by the witness.
	Seen string
	// Confirmed says that each confirmed commit waited for replicas of other
	// clusters, and so is among the data.
	Confirmed bool

	// Waits is for how many replicas outside of the new master's cluster each commit
	// waits from now on, and Answering how many of those have answered.
	Waits, Answering int
}

// Options of a promotion.
type Options struct {
	// Force promotes although clusters can't be reached whose replicas might still
	// follow the old master: it could go on accepting writes.
	Force bool
	// Fence is how long to wait for an old master that doesn't answer.
	Fence time.Duration
	// Say tells what is going on.
	Say func(format string, args ...any)
}

// promoter is one promotion.
type promoter struct {
	pods     Pods
	topology *Topology
	to       string
	opts     Options
	witness  Pod
}

// Promote ends the old master's writes for good and chooses the replica whose data
// the new master takes. The master's pod of that cluster does so when it starts. It
// can be repeated after a failure.
func Promote(ctx context.Context, pods Pods, t *Topology, cluster string, opts Options) (*Promotion, error) {
	p := &promoter{pods: pods, topology: t, to: cluster, opts: opts}
	var err error
	if p.witness, err = one(ctx, pods, t.Witness, WitnessApp); err != nil {
		return nil, fmt.Errorf("a promotion needs the witness, in cluster %q: %w", t.Witness, err)
	}
	old, err := ask(ctx, pods, p.witness)
	if err != nil {
		return nil, err
	}
	from, known, seen := old.Cluster, old.Flushed, old.Seen
	if !old.Active {
		// Somebody has begun this before.
		if from, known, seen, err = p.former(ctx, old.Epoch-1); err != nil {
			return nil, err
		}
	}
	result := &Promotion{From: from, To: cluster, Known: known, Seen: seen}
	master, alive := p.master(ctx, from)
	if old.Active && from == cluster && alive {
		return nil, fmt.Errorf("%s has the master already, and it answers", cluster)
	}
	if err := p.reachable(ctx, from); err != nil {
		return nil, err
	}
	if alive {
		p.retire(ctx, master, result)
	}
	if result.Epoch, err = hand(ctx, pods, p.witness, old, cluster); err != nil {
		return nil, err
	}
	p.opts.Say("epoch %d: the master of %s may not accept writes any more", result.Epoch, from)
	positions, released, err := p.detach(ctx, result.Epoch, from)
	if err != nil {
		return nil, err
	}
	if !result.Retired {
		rest := max(0, time.Until(released.Add(opts.Fence)))
		p.opts.Say("waiting for %s: by then the old master has noticed that nobody votes for it, wherever it is", rest.Round(time.Second))
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err := p.best(positions, result); err != nil {
		return nil, err
	}
	return result, choose(ctx, pods, p.witness, result.Epoch, result.Position)
}

// former reads what was noted when the epoch ended.
func (p *promoter) former(ctx context.Context, epoch int) (cluster string, flushed LSN, seen string, err error) {
	rows, err := query(ctx, p.pods, p.witness, fmt.Sprintf(`SELECT cluster, coalesce(flushed, '0/0'), to_char(seen AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') FROM history WHERE epoch = %d`, epoch))
	if err == nil && (len(rows) != 1 || len(rows[0]) != 3) {
		err = fmt.Errorf("nothing is noted of epoch %d", epoch)
	}
	if err != nil {
		return "", 0, "", fmt.Errorf("the witness: %w", err)
	}
	flushed, err = ParseLSN(rows[0][1])
	return rows[0][0], flushed, rows[0][2], err
}

// master finds the old master, if it answers.
func (p *promoter) master(ctx context.Context, cluster string) (Pod, bool) {
	pod, err := one(ctx, p.pods, cluster, MasterApp)
	if err != nil {
		return pod, false
	}
	_, err = control(ctx, p.pods, pod, "position")
	return pod, err == nil
}

// clusters with replicas, in a stable order.
func (p *promoter) clusters() []string { return slices.Sorted(maps.Keys(p.topology.Placement)) }

// reachable checks, before anything is changed, that every cluster answers whose
// replicas the old master could count on.
func (p *promoter) reachable(ctx context.Context, from string) error {
	var errs []error
	for _, cluster := range p.clusters() {
		if cluster == from {
			continue
		}
		if _, err := p.pods.List(ctx, cluster, ReplicaApp); err != nil {
			errs = append(errs, fmt.Errorf("cluster %q: %w", cluster, err))
		}
	}
	if len(errs) == 0 || p.opts.Force {
		return nil
	}
	return fmt.Errorf("replicas that can't be asked may still follow the old master, which then goes on accepting writes: %w; if you know that it is off for good, use --force", errors.Join(errs...))
}

// retire makes a master that answers stop, and waits until a replica has all it
// had. If it doesn't succeed, the promotion goes on without.
func (p *promoter) retire(ctx context.Context, master Pod, result *Promotion) {
	last, err := control(ctx, p.pods, master, "retire")
	if err != nil {
		p.opts.Say("%s did not retire: %v", master, err)
		return
	}
	result.Retired, result.Known = true, last.LSN
	p.opts.Say("%s has accepted its last write, at %s", master, last.LSN)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; {
		for _, cluster := range p.clusters() {
			replicas, _ := p.pods.List(ctx, cluster, ReplicaApp)
			for _, r := range replicas {
				if at, err := control(ctx, p.pods, r, "position"); err == nil && at.LSN >= last.LSN {
					return
				}
			}
		}
		time.Sleep(500 * time.Millisecond)
	}
	p.opts.Say("no replica has reached that within 30 s")
}

// detach makes all replicas let go of the old master, and returns how far they are.
// Those of the old master's own cluster come last and need not answer: it doesn't
// count on them. released is when the others had let go.
func (p *promoter) detach(ctx context.Context, epoch int, from string) (positions map[Pod]*Position, released time.Time, err error) {
	positions = map[Pod]*Position{}
	clusters := slices.DeleteFunc(p.clusters(), func(name string) bool { return name == from })
	if _, ok := p.topology.Placement[from]; ok {
		clusters = append(clusters, from)
	}
	released = time.Now()
	for _, cluster := range clusters {
		deadline := time.Now().Add(patience)
		if cluster == from {
			deadline = time.Now()
		}
		for {
			err := p.detachCluster(ctx, cluster, epoch, positions)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return nil, released, ctx.Err()
			}
			if time.Now().After(deadline) {
				if cluster != from && !p.opts.Force {
					return nil, released, fmt.Errorf("cluster %q: replicas that don't answer may still follow the old master: %w; run this again, or with --force if you know that the old master is off for good", cluster, err)
				}
				p.opts.Say("cluster %q: %v", cluster, err)
				break
			}
			time.Sleep(time.Second)
		}
		if cluster != from {
			released = time.Now()
		}
	}
	return positions, released, nil
}

func (p *promoter) detachCluster(ctx context.Context, cluster string, epoch int, positions map[Pod]*Position) error {
	replicas, err := p.pods.List(ctx, cluster, ReplicaApp)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range replicas {
		if positions[r] != nil {
			continue
		}
		at, err := control(ctx, p.pods, r, "detach", fmt.Sprint(epoch))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r, err))
			continue
		}
		positions[r] = at
		p.opts.Say("%s has let go, at %s", r, at.LSN)
	}
	return errors.Join(errs...)
}

// best chooses the replica that is furthest, of those as far one in the new
// master's cluster.
func (p *promoter) best(positions map[Pod]*Position, result *Promotion) error {
	order := func(a, b Pod) int {
		if a.Cluster != b.Cluster && (a.Cluster == p.to || b.Cluster == p.to) {
			if a.Cluster == p.to {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Cluster+a.Name, b.Cluster+b.Name)
	}
	for _, pod := range slices.SortedFunc(maps.Keys(positions), order) {
		at := positions[pod]
		if result.Position == nil || at.ahead(result.Position) {
			result.Seed, result.Position = pod, at
		}
		if !result.Retired {
			result.Known = max(result.Known, at.Master)
		}
	}
	if result.Position == nil {
		return errors.New("no replica answers, so there are no data to promote: bring one back, and run this again")
	}
	// Synchronous commits wait for replicas of other clusters, if there are any.
	result.Confirmed = p.topology.Synchronous > 0 && p.topology.abroad(result.From) > 0
	if p.topology.abroad(p.to) > 0 {
		result.Waits = p.topology.Synchronous
	}
	for pod := range positions {
		if pod.Cluster != p.to {
			result.Answering++
		}
	}
	return nil
}

// Waiting says what to do where commits will wait for replicas that aren't there; it
// is empty where they won't.
func (r *Promotion) Waiting() string {
	if r.Answering >= r.Waits {
		return ""
	}
	return fmt.Sprintf("commits will wait: synchronousReplicas is %d, and of the replicas outside of %s %d answer. To go on without, until others are back:\n  %s", r.Waits, r.To, r.Answering, goOn(r.Answering))
}

// Loss says what has been lost, as far as it can be known.
func (r *Promotion) Loss() string {
	at := r.Position.LSN
	missing := max(r.Known, at) - at
	switch {
	case r.Retired && missing == 0:
		return fmt.Sprintf("nothing is lost: the old master ended at %s, and so do the data of the new one", r.Known)
	case r.Retired:
		return fmt.Sprintf("lost: %d bytes of the write-ahead log, from %s to %s, where the old master ended", missing, at, r.Known)
	case r.Confirmed:
		return fmt.Sprintf("nothing that was confirmed is lost: commits waited for a replica of another cluster (synchronousReplicas). The data go up to %s; the old master was last seen at %s (%s)", at, r.Known, r.Seen)
	case missing > 0:
		return fmt.Sprintf("LOST: at least %d bytes of the write-ahead log: the data go up to %s, and the old master had flushed %s. What it wrote after it was last seen (%s) is lost as well, and unknown", missing, at, r.Known, r.Seen)
	}
	return fmt.Sprintf("UNKNOWN: the data go up to %s, and the old master was not further when it was last seen (%s). What it wrote and confirmed after that is lost, if there is any: synchronousReplicas is 0. Its own data stay on its machine", at, r.Seen)
}
