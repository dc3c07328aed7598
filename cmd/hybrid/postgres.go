package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"hybrid/internal/observe"
	"hybrid/internal/terminal"
	"hybrid/workloads/topology"
)

func postgresCommand() *cobra.Command {
	var t target
	c := &cobra.Command{
		Use:   "postgres",
		Short: "Show the database's replication and backups, change which cluster leads it, and restore it",
		Long: `Show the database's replication, and change which cluster leads it.

Patroni elects another leader by itself when it loses one. These commands are for what
is planned, and for what can't be decided without a person. They look at the whole
first, and change nothing where that can't succeed.`,
	}
	t.flags(c.PersistentFlags())
	c.AddCommand(postgresStatusCommand(&t), switchoverCommand(&t), failoverCommand(&t), reinitCommand(&t), backupsCommand(&t), restoreCommand(&t))
	return c
}

func postgresStatusCommand(t *target) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the leader, each replica's state and lag, and what a failover would fail by",
		Long: `Show the leader, each replica's state and lag, and what a failover would fail by.

It is the part of hybrid status that is about PostgreSQL. The exit status is 0 if all of
that is healthy, 1 if anything isn't, and 2 if that can't be told.`,
		Args: cobra.NoArgs,
		RunE: onDatabase(t, func(_ context.Context, s *observe.Snapshot, _ *observe.Observer, _ []string) (err error) {
			problems := terminal.Of(s.Problems, "postgresql")
			if asJSON {
				e := json.NewEncoder(os.Stdout)
				e.SetIndent("", "  ")
				err = e.Encode(struct {
					Healthy  bool              `json:"healthy"`
					Problems []observe.Problem `json:"problems,omitempty"`
					observe.PostgreSQL
				}{len(problems) == 0, problems, s.PostgreSQL})
			} else {
				err = terminal.Write(os.Stdout, s, terminal.Options{PostgreSQL: true})
			}
			if err == nil && len(problems) > 0 {
				err = errUnhealthy
			}
			return err
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print it for programs")
	return c
}

// look looks once. That there is no database is an error.
func look(ctx context.Context, t *target) (*observe.Snapshot, *observe.Observer, error) {
	o, err := t.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	s := o.Look(ctx)
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	if !s.PostgreSQL.Installed {
		err = errors.New("there is no PostgreSQL in any cluster that answers")
	}
	return s, o, err
}

// onDatabase is a command that looks at the database first.
func onDatabase(t *target, do func(ctx context.Context, s *observe.Snapshot, o *observe.Observer, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		s, o, err := look(cmd.Context(), t)
		if err != nil {
			return err
		}
		return do(cmd.Context(), s, o, args)
	}
}

// to adds the flag for the cluster that is to lead.
func to(c *cobra.Command, cluster *string) *cobra.Command {
	c.Flags().StringVar(cluster, "to", "", "the cluster that is to lead")
	if err := c.MarkFlagRequired("to"); err != nil {
		panic(err) // there is such a flag
	}
	return c
}

func switchoverCommand(t *target) *cobra.Command {
	var cluster string
	return to(&cobra.Command{
		Use:   "switchover --to CLUSTER",
		Short: "Let a replica of a cluster lead, in order: writes pause for seconds, and nothing is lost",
		Args:  cobra.NoArgs,
		RunE: onDatabase(t, func(ctx context.Context, s *observe.Snapshot, o *observe.Observer, _ []string) error {
			next, err := successor(s, cluster)
			if err != nil {
				return err
			}
			if next == nil {
				fmt.Printf("%s of %s leads already\n", s.PostgreSQL.Leader.Pod, cluster)
				return nil
			}
			return lead(ctx, o, next, "switchover", topology.Scope, "--leader", s.PostgreSQL.Leader.Pod, "--candidate", next.Pod, "--force")
		}),
	}, &cluster)
}

func failoverCommand(t *target) *cobra.Command {
	var cluster string
	var force bool
	c := to(&cobra.Command{
		Use:   "failover --to CLUSTER",
		Short: "Let a replica of a cluster lead although the leader is lost",
		Long: `Let a replica of a cluster lead although the leader is lost.

Patroni does so by itself where it surely loses nothing. Where it can't be sure, this
says what may be lost, and does it with --force only.`,
		Args: cobra.NoArgs,
		RunE: onDatabase(t, func(ctx context.Context, s *observe.Snapshot, o *observe.Observer, _ []string) error {
			next, loss, err := heir(s, cluster)
			if err != nil {
				return err
			}
			if loss != "" && !force {
				return fmt.Errorf("%s: nothing has been changed. If it is to be so: --force", loss)
			}
			if loss != "" {
				fmt.Fprintln(os.Stderr, loss)
			}
			return lead(ctx, o, next, "failover", topology.Scope, "--candidate", next.Pod, "--force")
		}),
	}, &cluster)
	c.Flags().BoolVar(&force, "force", false, "do it although confirmed writes may be lost")
	return c
}

func reinitCommand(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "reinit POD",
		Short: "Give a replica a new copy of the leader's data",
		Args:  cobra.ExactArgs(1),
		RunE: onDatabase(t, func(ctx context.Context, s *observe.Snapshot, o *observe.Observer, args []string) error {
			r, err := copied(s, args[0])
			if err != nil {
				return err
			}
			l := s.PostgreSQL.Leader
			if err := patronictl(ctx, o, l.Cluster, l.Namespace, l.Pod, "reinit", topology.Scope, r.Pod, "--force"); err != nil {
				return err
			}
			fmt.Printf("%s of %s takes a new copy. To see how far it is: hybrid postgres status\n", r.Pod, r.Cluster)
			return nil
		}),
	}
}
