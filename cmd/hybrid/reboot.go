package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"hybrid/internal/observe"
	"hybrid/internal/reboot"
	"hybrid/internal/shell"
)

func rebootCommand() *cobra.Command {
	var t target
	var clusters, nodes []string
	var yes bool
	c := &cobra.Command{
		Use:   "reboot",
		Short: "Reboot the nodes that wait for it, one at a time",
		Long: `Reboot the nodes whose machines wait for it since an update, one at a time over all
clusters; or those that are named, whether they wait or not.

Each is drained before, as far as the budgets of its pods allow that, and asks its machine
to reboot. The next one's turn comes when it is Ready with another boot, and its cluster's
pods and the database's replicas are as before. A control plane is first in its cluster,
which has no API until it is back; the federation's host is the last cluster.

This asks before it begins, and begins only if all else is well. The first failure ends it;
what must be done then is said, and another run goes on. One that was interrupted goes on,
too.`,
		Example: `  hybrid reboot
  hybrid reboot --cluster london
  hybrid reboot --node london-1 --node london-2 --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			o, err := t.open(ctx)
			if err != nil {
				return err
			}
			r, err := newRebooter(o)
			if err != nil {
				return err
			}
			turns, err := r.Plan(ctx, clusters, nodes)
			if err != nil {
				return fmt.Errorf("nothing has been changed: %w", err)
			}
			if len(turns) == 0 {
				fmt.Println("no node waits for a reboot")
				return nil
			}
			for _, turn := range turns {
				fmt.Printf("%s of %s: %s\n", turn.Node, turn.Cluster.Name, turn.Why)
			}
			if err := ask(os.Stdin, yes, "Reboot in this order, one after the other?"); err != nil {
				return err
			}
			done, err := r.Run(ctx, turns)
			return goOn(ctx, err, turns[done:], t.words(), clusters, len(nodes) > 0)
		},
	}
	t.flags(c.Flags())
	f := c.Flags()
	f.StringSliceVar(&clusters, "cluster", nil, "only nodes of this cluster; may be given several times")
	f.StringSliceVar(&nodes, "node", nil, "this node, also if it doesn't wait for a reboot; may be given several times")
	f.BoolVarP(&yes, "yes", "y", false, "don't ask")
	return c
}

// newRebooter is for all clusters: a node that is out of work counts wherever it is.
func newRebooter(o *observe.Observer) (*reboot.Rebooter, error) {
	r := &reboot.Rebooter{
		Database: func(ctx context.Context) *observe.PostgreSQL { return &o.Look(ctx).PostgreSQL },
		Kubectl:  o.Kubectl,
		Tell:     func(line string) { fmt.Println(line) },
		Limits:   reboot.DefaultLimits,
	}
	var errs []error
	for _, e := range o.Expected() {
		client, err := o.Client(e.Name)
		if err != nil {
			errs = append(errs, fmt.Errorf("cluster %s: %w", e.Name, err))
		}
		r.Clusters = append(r.Clusters, &reboot.Cluster{Name: e.Name, Host: e.FederationHost, Client: client, Nodes: e.Nodes})
	}
	return r, errors.Join(errs...)
}

// goOn adds to an error what is left, and the command that goes on there.
func goOn(ctx context.Context, err error, left []reboot.Turn, flags, clusters []string, named bool) error {
	if err == nil {
		return nil
	}
	words := append([]string{"hybrid", "reboot"}, flags...)
	for _, c := range clusters {
		words = append(words, "--cluster", c)
	}
	var names []string
	for _, t := range left {
		names = append(names, t.Node)
		if named {
			words = append(words, "--node", t.Node)
		}
	}
	when := "When that has its reason found, go on by"
	if ctx.Err() != nil {
		when = "Interrupted. Go on by"
	}
	return fmt.Errorf("%w\nNot rebooted, or not back: %s. %s:\n  %s", err, strings.Join(names, ", "), when, shell.Join(words...))
}
