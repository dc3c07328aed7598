package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hybrid/lab/vm"
)

// wire is what lies between two clusters.
type wire struct{ a, b site }

// site is a cluster and the network that it is in.
type site struct{ cluster, network string }

func (l *lab) linkCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "link",
		Short: "Show, lengthen, cut and mend what lies between the simulated clouds",
		Args:  cobra.NoArgs,
		RunE:  l.onLinks(func(*links, context.Context, []string) error { return nil }),
	}
	oneWay := false
	cut := &cobra.Command{
		Use:   "cut CLUSTER [CLUSTER]",
		Short: "Let nothing pass between two clusters, or between one and everything: packets are dropped in silence",
		Args:  cobra.RangeArgs(1, 2),
		RunE: l.onLinks(func(k *links, ctx context.Context, args []string) error {
			if len(args) == 1 {
				if oneWay {
					return errors.New("--one-way: want two clusters, from and to, found one")
				}
				return k.off(ctx, args[0], true)
			}
			return k.cut(ctx, args[0], args[1], oneWay)
		}),
	}
	cut.Flags().BoolVar(&oneWay, "one-way", false, "only from the first to the second")
	root.AddCommand(cut,
		&cobra.Command{
			Use:   "mend [CLUSTER [CLUSTER]]",
			Short: "End cuts: all, those of a cluster, or those between two; distances stay",
			Args:  cobra.MaximumNArgs(2),
			RunE:  l.onLinks((*links).mend),
		},
		&cobra.Command{
			Use:     "set CLUSTER CLUSTER ROUND-TRIP",
			Short:   "Set the distance between two clusters, there and back; 0 is none",
			Example: "  lab link set london america 140ms",
			Args:    cobra.ExactArgs(3),
			RunE: l.onLinks(func(k *links, ctx context.Context, args []string) error {
				roundTrip, err := time.ParseDuration(args[2])
				if err != nil || roundTrip < 0 || roundTrip > longest {
					return fmt.Errorf("round trip: want a time from 0 to %s, as in 140ms, found %q", longest, args[2])
				}
				return k.set(ctx, args[0], args[1], roundTrip)
			}),
		},
		&cobra.Command{
			Use:   "far",
			Short: "Put all clusters as far from each other as they are in life",
			Args:  cobra.NoArgs,
			RunE:  l.onLinks(func(k *links, ctx context.Context, _ []string) error { return k.far(ctx, l.regions) }),
		},
		&cobra.Command{
			Use:   "near",
			Short: "Take all distances away",
			Args:  cobra.NoArgs,
			RunE: l.onLinks(func(k *links, ctx context.Context, _ []string) error {
				return k.each(func(w wire) error { return k.set(ctx, w.a.cluster, w.b.cluster, 0) })
			}),
		},
	)
	return root
}

// longest bounds a round trip: that to a geostationary satellite is shorter.
const longest = 2 * time.Second

// onLinks makes a command's function of one that works on links, and shows them
// afterwards.
func (l *lab) onLinks(do func(*links, context.Context, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		host, err := vm.Open(ctx)
		if err != nil {
			return err
		}
		defer host.Close()
		machines, err := host.Machines(ctx)
		if err != nil {
			return err
		}
		k := &links{host: host, sites: sites(machines)}
		if len(k.sites) == 0 {
			return errors.New("the lab has no machines, and so nothing between them: `make up` makes them")
		}
		if err := do(k, ctx, args); err != nil {
			return err
		}
		return k.show(ctx, os.Stdout)
	}
}

// sites are the clusters that the machines are of: they are called <cluster>-<number>.
func sites(machines []vm.Status) []site {
	var all []site
	for _, m := range machines {
		end := strings.LastIndex(m.Name, "-")
		if s := (site{m.Name[:max(end, 0)], m.NetworkID}); end > 0 && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// regions are the clusters' in the stack.
func (l *lab) regions(ctx context.Context) (map[string]string, error) {
	out, err := l.Output(ctx, "stack", "output", "clusters", "--json")
	if err != nil {
		return nil, err
	}
	var clusters map[string]cluster
	if err := json.Unmarshal(out, &clusters); err != nil {
		return nil, fmt.Errorf("the stack's output clusters: %w", err)
	}
	regions := map[string]string{}
	for name, c := range clusters {
		regions[name] = c.Region
	}
	return regions, nil
}

// show prints a line for each pair of clusters.
func (k *links) show(ctx context.Context, to io.Writer) error {
	all, err := k.read(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BETWEEN\tAND\tROUND TRIP\tSTATE")
	err = k.each(func(x wire) error {
		there, back := all[x.b.network].From[x.a.network], all[x.a.network].From[x.b.network]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", x.a.cluster, x.b.cluster, there.Delay+back.Delay,
			state(x, there.Cut, back.Cut, all[x.a.network].Off, all[x.b.network].Off))
		return nil
	})
	return errors.Join(err, w.Flush())
}

func state(w wire, there, back, aOff, bOff bool) string {
	switch {
	case aOff && bOff:
		return "cut: both are cut off from everything"
	case aOff:
		return fmt.Sprintf("cut: %s is cut off from everything", w.a.cluster)
	case bOff:
		return fmt.Sprintf("cut: %s is cut off from everything", w.b.cluster)
	case there && back:
		return "cut"
	case there:
		return fmt.Sprintf("cut from %s to %s", w.a.cluster, w.b.cluster)
	case back:
		return fmt.Sprintf("cut from %s to %s", w.b.cluster, w.a.cluster)
	default:
		return "open"
	}
}
