package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"hybrid/internal/observe"
	"hybrid/workloads/topology"
)

// masterPod is the one that the settings give the master's cluster.
const masterPod = topology.Master + "-0"

// leadsIn bounds the time until a new leader takes writes, which is asked every askAgain.
const (
	leadsIn  = 90 * time.Second
	askAgain = 500 * time.Millisecond
)

// members checks that a cluster has members, and returns its replicas.
func members(s *observe.Snapshot, cluster string) ([]*observe.Stream, error) {
	var names, with []string
	for _, c := range s.Clusters {
		names = append(names, c.Name)
	}
	if !slices.Contains(names, cluster) {
		return nil, fmt.Errorf("want --to a cluster, found %q: there are %s", cluster, strings.Join(names, ", "))
	}
	p := &s.PostgreSQL
	var found []*observe.Stream
	for i := range p.Replicas {
		r := &p.Replicas[i]
		with = append(with, r.Cluster)
		if r.Cluster == cluster {
			found = append(found, r)
		}
	}
	if len(found) == 0 && (p.Leader == nil || p.Leader.Cluster != cluster) {
		slices.Sort(with)
		return nil, fmt.Errorf("%s has no member of PostgreSQL: there are some in %s", cluster, strings.Join(slices.Compact(with), ", "))
	}
	return found, nil
}

// successor is the replica of a cluster that is to lead in place of a leader that
// works; nil if the cluster leads already.
func successor(s *observe.Snapshot, cluster string) (*observe.Stream, error) {
	found, err := members(s, cluster)
	if err != nil {
		return nil, err
	}
	p := &s.PostgreSQL
	if p.Error != "" || p.Leader == nil {
		return nil, fmt.Errorf("%s: without a leader that works there is nothing to hand over. To see more: hybrid postgres status; to go on without it: hybrid postgres failover --to %s", p.Error, cluster)
	}
	if p.Leader.Cluster == cluster {
		return nil, nil
	}
	var best *observe.Stream
	var why []error
	for _, r := range found {
		switch {
		case !r.OK:
			why = append(why, fmt.Errorf("%s: %s", r.Pod, r.Note))
		case !r.Electable:
			why = append(why, fmt.Errorf("%s: commits don't wait for its copy yet", r.Pod))
		case best == nil || r.Pod == masterPod || best.Pod != masterPod && lag(r) < lag(best):
			best = r
		}
	}
	if best == nil {
		return nil, fmt.Errorf("no replica of %s could lead: %w", cluster, errors.Join(why...))
	}
	return best, nil
}

func lag(r *observe.Stream) int64 {
	if r.LagBytes == nil {
		return 1 << 62
	}
	return *r.LagBytes
}

// heir is the replica of a cluster that is to lead in place of a lost leader, and what
// may be lost by that; empty if surely nothing is.
func heir(s *observe.Snapshot, cluster string) (next *observe.Stream, loss string, err error) {
	found, err := members(s, cluster)
	if err != nil {
		return nil, "", err
	}
	p := &s.PostgreSQL
	if p.Leader != nil && p.Error == "" {
		return nil, "", fmt.Errorf("the leader %s of %s works: hybrid postgres switchover --to %s loses nothing", p.Leader.Pod, p.Leader.Cluster, cluster)
	}
	for _, r := range found {
		if r.Position != "" && (next == nil || r.Ahead(next)) {
			next = r
		}
	}
	if next == nil {
		return nil, "", fmt.Errorf("no member of %s answers: none could lead", cluster)
	}
	able := 0
	for i := range p.Replicas {
		r := &p.Replicas[i]
		if r.Ahead(next) {
			return next, fmt.Sprintf("%s of %s is at %s, and %s of %s is further, at %s: what is between them would be lost", next.Pod, cluster, next.Position, r.Pod, r.Cluster, r.Position), nil
		}
		if r.Electable {
			able++
		}
	}
	switch known := lacks(next); {
	case p.Knowing == 0:
		return next, fmt.Sprintf("%s may lack what the leader confirmed last%s: commits didn't wait for replicas", next.Pod, known), nil
	case able < p.Knowing:
		return next, fmt.Sprintf("%s may lack what the leader confirmed last%s: to be sure takes %d of the replicas that commits waited for, and %d answer", next.Pod, known, p.Knowing, able), nil
	}
	return next, "", nil
}

// lacks is what Patroni knows that a replica lacks.
func lacks(r *observe.Stream) string {
	if r.LagBytes == nil || *r.LagBytes == 0 {
		return ""
	}
	return fmt.Sprintf(", %d bytes at least", *r.LagBytes)
}

// copied finds the replica that is to take a new copy.
func copied(s *observe.Snapshot, pod string) (*observe.Stream, error) {
	p := &s.PostgreSQL
	if p.Leader == nil || p.Error != "" {
		return nil, fmt.Errorf("%s: there is nothing to copy from", p.Error)
	}
	if pod == p.Leader.Pod {
		return nil, fmt.Errorf("%s leads, and has what others copy: hybrid postgres switchover first", pod)
	}
	var names []string
	for i := range p.Replicas {
		r := &p.Replicas[i]
		if r.Pod == pod {
			return r, nil
		}
		names = append(names, r.Pod)
	}
	return nil, fmt.Errorf("want a replica's pod, found %q: there are %s", pod, strings.Join(names, ", "))
}

// lead runs a command of patronictl in the pod that is to lead by it, and waits until
// it does. It asks that pod alone: to look at everything would take from the members,
// where they are short of it, the time in which they follow, and writes pause as long.
func lead(ctx context.Context, o *observe.Observer, next *observe.Stream, args ...string) error {
	start := time.Now()
	if err := patronictl(ctx, o, next.Cluster, next.Namespace, next.Pod, args...); err != nil {
		return err
	}
	for {
		l, err := o.Leads(ctx, next.Cluster, next.Namespace, next.Pod)
		if l != nil {
			fmt.Printf("%s of %s leads, at %s of timeline %d, after %.1f s\n", l.Pod, l.Cluster, l.Position, l.Timeline, time.Since(start).Seconds())
			return nil
		}
		if time.Since(start) > leadsIn {
			if err == nil {
				err = errors.New("it is a replica still")
			}
			return fmt.Errorf("%s of %s does not lead after %s: %w; hybrid postgres status shows who does", next.Pod, next.Cluster, leadsIn, err)
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// failed matches what patronictl says of a failure, which doesn't make it fail. That a
// member's state is "start failed" is none.
var failed = regexp.MustCompile(`(?m)^(?:.* failed, details:|Failed:).*$`)

func patronictl(ctx context.Context, o *observe.Observer, cluster, namespace, pod string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, leadsIn)
	defer cancel()
	out, err := o.Patronictl(ctx, cluster, namespace, pod, args...)
	if err != nil {
		return err
	}
	if line := failed.FindString(out); line != "" {
		return fmt.Errorf("patronictl %s: %s", args[0], strings.TrimSpace(line))
	}
	return nil
}
