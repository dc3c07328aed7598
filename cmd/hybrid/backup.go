package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hybrid/internal/observe"
)

// snapshotIn bounds the time until a snapshot that was asked for is in the bucket.
const snapshotIn = 5 * time.Minute

func backupCommand() *cobra.Command {
	var t target
	c := &cobra.Command{
		Use:   "backup",
		Short: "List the snapshots of the clusters' and the federation's etcd; make one",
		Long: `List the snapshots of the clusters' and the federation's etcd that are in the
bucket, or make one. A cluster's has what its control plane is brought back from; that of
the federation's host has the federation's, too. The database's backups are listed by
hybrid postgres backups.`,
	}
	t.flags(c.PersistentFlags())
	c.AddCommand(
		snapshotsCommand(&t, "list", "List the snapshots that are in the bucket", func(ctx context.Context, o *observe.Observer, cluster string) (*observe.Snapshots, error) {
			return o.Snapshots(ctx, cluster)
		}),
		snapshotsCommand(&t, "now", "Make a snapshot of each cluster's etcd, and list all", func(ctx context.Context, o *observe.Observer, cluster string) (*observe.Snapshots, error) {
			fmt.Fprintf(os.Stderr, "%s makes a snapshot\n", cluster)
			return o.TakeSnapshot(ctx, cluster)
		}),
	)
	return c
}

// clusterSnapshots are one cluster's, or why they aren't known.
type clusterSnapshots struct {
	Cluster   string                 `json:"cluster"`
	Snapshots []observe.EtcdSnapshot `json:"snapshots"`
	Error     string                 `json:"error,omitempty"`
}

func snapshotsCommand(t *target, use, short string, read func(context.Context, *observe.Observer, string) (*observe.Snapshots, error)) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), snapshotIn)
			defer cancel()
			o, err := t.open(ctx)
			if err != nil {
				return err
			}
			all, none := readSnapshots(ctx, o, read)
			if none {
				return errors.New("there are no snapshots: hybrid:backup is not enabled")
			}
			if asJSON {
				err = json.NewEncoder(os.Stdout).Encode(all)
			} else {
				err = printSnapshots(all)
			}
			for _, c := range all {
				if err == nil && c.Error != "" {
					err = errUnhealthy
				}
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print them for programs")
	return c
}

// readSnapshots asks all clusters side by side. None says that no cluster makes any.
func readSnapshots(ctx context.Context, o *observe.Observer, read func(context.Context, *observe.Observer, string) (*observe.Snapshots, error)) (all []clusterSnapshots, none bool) {
	names := o.Clusters()
	all = make([]clusterSnapshots, len(names))
	there := make([]bool, len(names))
	var wait sync.WaitGroup
	for i, name := range names {
		wait.Go(func() {
			s, err := read(ctx, o, name)
			all[i] = clusterSnapshots{Cluster: name, Snapshots: []observe.EtcdSnapshot{}}
			if s != nil {
				all[i].Error = s.Error
				all[i].Snapshots = append(all[i].Snapshots, s.List...)
			}
			if err != nil {
				all[i].Error = err.Error()
			}
			there[i] = s != nil || err != nil
		})
	}
	wait.Wait()
	none = true
	for _, is := range there {
		none = none && !is
	}
	return all, none
}

func printSnapshots(all []clusterSnapshots) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLUSTER\tSNAPSHOT\tAT\tWHY")
	for _, c := range all {
		for _, s := range c.Snapshots {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Cluster, s.ID, s.Time.Format(time.RFC3339), s.Why)
		}
	}
	err := w.Flush()
	for _, c := range all {
		if c.Error != "" {
			fmt.Printf("✗ %s: %s\n", c.Cluster, c.Error)
		}
	}
	return err
}
