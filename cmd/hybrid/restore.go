package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hybrid/internal/observe"
	"hybrid/workloads/topology"
)

func restoreCommand(t *target) *cobra.Command {
	var to string
	var undo, confirm, yes bool
	var wait time.Duration
	c := &cobra.Command{
		Use:   "restore --to TIME|latest",
		Short: "Put the database of a moment, from the bucket, in the place of the present one",
		Long: `Put the database of a moment, from the bucket, in the place of the present one.

The backup and the log up to that moment are fetched and tried beside the database, which
goes on: what is wrong with them changes nothing. Then this asks, and exchanges the two;
writes pause for the time of that. The database as it was stays with psql-master-0 until
--confirm removes it, and --undo puts it back.`,
		Args: cobra.NoArgs,
		RunE: onDatabase(t, func(ctx context.Context, s *observe.Snapshot, o *observe.Observer, _ []string) error {
			r, err := newRestore(s, o, os.Stdin, yes, wait)
			if err != nil {
				return err
			}
			switch {
			case confirm:
				return r.confirm(ctx)
			case undo:
				return r.exchange(ctx, "undo", "Put the database from before the restore back? What has been written since goes for good.")
			}
			return r.restore(ctx, to)
		}),
	}
	f := c.Flags()
	f.StringVar(&to, "to", "", "the moment, such as 2026-11-26T14:05:00Z, or latest")
	f.BoolVar(&undo, "undo", false, "put what was there before the last restore back")
	f.BoolVar(&confirm, "confirm", false, "remove what was there before the last restore")
	f.BoolVar(&yes, "yes", false, "don't ask")
	f.DurationVar(&wait, "wait", 5*time.Minute, "how long to wait for the other members; they go on by themselves")
	c.MarkFlagsOneRequired("to", "undo", "confirm")
	c.MarkFlagsMutuallyExclusive("to", "undo", "confirm")
	return c
}

// member is one of the database's.
type member struct{ cluster, namespace, pod string }

// restore is one of a database.
type restore struct {
	o      *observe.Observer
	in     io.Reader
	yes    bool
	wait   time.Duration // for members that follow
	leader member
	// home is psql-master-0, which has a disk of its own; others are all but home.
	home   member
	others []member
}

// newRestore finds the members. All must be well: one that is away would come back with
// what is to be forgotten.
func newRestore(s *observe.Snapshot, o *observe.Observer, in io.Reader, yes bool, wait time.Duration) (*restore, error) {
	p := &s.PostgreSQL
	if p.Leader == nil || p.Error != "" {
		return nil, fmt.Errorf("%s: expected a database that runs, which the restored one replaces. If it is lost, set restoreFrom in hybrid:postgres, and run pulumi up to create one from the bucket", p.Error)
	}
	r := &restore{o: o, in: in, yes: yes, wait: wait, leader: member{p.Leader.Cluster, p.Leader.Namespace, p.Leader.Pod}}
	var away []string
	all := []member{r.leader}
	for _, m := range p.Replicas {
		if !m.OK {
			away = append(away, m.Pod+": "+m.Note)
		}
		all = append(all, member{m.Cluster, m.Namespace, m.Pod})
	}
	if len(away) > 0 {
		return nil, fmt.Errorf("not all members are well, and one that comes back would bring what is to be forgotten: %s", strings.Join(away, "; "))
	}
	for _, m := range all {
		if m.pod == masterPod {
			r.home = m
		} else {
			r.others = append(r.others, m)
		}
	}
	if r.home.pod == "" {
		return nil, fmt.Errorf("there is no %s, in whose place the database is restored", masterPod)
	}
	return r, nil
}

func (r *restore) script(ctx context.Context, m member, args ...string) (string, error) {
	return r.o.Script(ctx, m.cluster, m.namespace, m.pod, "restore.py", args...)
}

func (r *restore) patronictl(ctx context.Context, args ...string) error {
	return patronictl(ctx, r.o, r.home.cluster, r.home.namespace, r.home.pod, args...)
}

func (r *restore) confirm(ctx context.Context) error {
	if _, err := r.script(ctx, r.home, "confirm"); err != nil {
		return err
	}
	fmt.Println("what was there before the restore has been removed")
	return nil
}

// restore fetches, asks and exchanges.
func (r *restore) restore(ctx context.Context, to string) error {
	start := time.Now()
	at, err := r.script(ctx, r.leader, "mark", to)
	if err != nil {
		return err
	}
	fmt.Printf("%s fetches the database of %s, and tries it, beside the present one\n", r.home.pod, at)
	if _, err := r.script(ctx, r.home, "prepare", at); err != nil {
		return err
	}
	fmt.Printf("it can be read, after %.1f s\n", time.Since(start).Seconds())
	return r.exchange(ctx, "take", fmt.Sprintf("Replace the database by that of %s? What has been written since is then only in what is kept until --confirm.", at))
}

// exchange puts another database in the place of the present one. Patroni is paused
// meanwhile, and whatever fails before the exchange it has the present one lead again.
func (r *restore) exchange(ctx context.Context, how, question string) (err error) {
	if err := ask(r.in, r.yes, question); err != nil {
		return err
	}
	start := time.Now()
	if err := r.patronictl(ctx, "pause", topology.Scope, "--wait"); err != nil {
		return err
	}
	paused := true
	resume := func() error {
		if !paused {
			return nil
		}
		paused = false
		// Also when the user has had enough.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leadsIn)
		defer cancel()
		return r.patronictl(ctx, "resume", topology.Scope, "--wait")
	}
	defer func() { err = errors.Join(err, resume()) }()
	// The leader first: in its end it gives all that it has to those that follow.
	stops := []member{r.leader}
	if r.home != r.leader {
		stops = append(stops, r.home)
	}
	for _, m := range stops {
		if _, err := r.script(ctx, m, "stop"); err != nil {
			return err
		}
	}
	if _, err := r.script(ctx, r.home, how); err != nil {
		return err
	}
	if err := r.patronictl(ctx, "restart", topology.Scope, r.home.pod, "--force"); err != nil {
		return err
	}
	if err := r.lead(ctx); err != nil {
		return err
	}
	fmt.Printf("%s leads, after %.1f s\n", r.home.pod, time.Since(start).Seconds())
	// From their start on, and not while they run, Patroni takes back what members have
	// that their leader hasn't.
	for _, m := range r.others {
		if _, err := r.script(ctx, m, "stop"); err != nil {
			return err
		}
	}
	if err := resume(); err != nil {
		return err
	}
	if err := r.follow(ctx, start); err != nil {
		return err
	}
	if how == "take" {
		fmt.Println("\nWhen all is as it should be, remove what was there before:\n  hybrid postgres restore --confirm\nOtherwise put it back:\n  hybrid postgres restore --undo")
	}
	return nil
}

// leads says whether psql-master-0 does.
func (r *restore) leads(p *observe.PostgreSQL) bool {
	return p.Leader != nil && p.Leader.Pod == r.home.pod && p.Leader.Cluster == r.home.cluster
}

// lead waits until psql-master-0 leads.
func (r *restore) lead(ctx context.Context) error {
	for start := time.Now(); ; {
		p := r.o.Look(ctx).PostgreSQL
		switch {
		case r.leads(&p):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Since(start) > leadsIn:
			return fmt.Errorf("%s does not lead after %s (%s): hybrid postgres status", r.home.pod, leadsIn, p.Error)
		}
	}
}

// follow waits for the other members, and tells how many of them follow. What they lack
// of a large database takes them longer to copy, and they do that without anybody's help.
func (r *restore) follow(ctx context.Context, start time.Time) error {
	for said, from := -1, time.Now(); ; {
		p := r.o.Look(ctx).PostgreSQL
		well := 0
		var late []string
		for _, m := range p.Replicas {
			if m.OK {
				well++
			} else {
				late = append(late, fmt.Sprintf("  %s of %s: %s", m.Pod, m.Cluster, cmp.Or(m.Note, m.State)))
			}
		}
		after := time.Since(start).Seconds()
		wait := r.wait
		if !r.leads(&p) {
			wait += leadsIn // busy as all are, it may not be seen for a moment
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case r.leads(&p) && well == len(r.others):
			fmt.Printf("all members follow, after %.1f s\n", after)
			return nil
		case time.Since(from) <= wait:
			if well != said {
				fmt.Printf("%d of %d members follow, after %.1f s\n", well, len(r.others), after)
			}
			said = well
		case r.leads(&p):
			fmt.Printf("These still take from %s what they lack, and go on with that; hybrid postgres status shows when they follow:\n%s\n", r.home.pod, strings.Join(late, "\n"))
			return nil
		default:
			return fmt.Errorf("%s does not lead any more (%s): hybrid postgres status", r.home.pod, p.Error)
		}
	}
}
