package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hybrid/internal/shell"
	"hybrid/workloads/replication"
)

// writableIn bounds the time from the end of pulumi up to the new master's accepting
// writes.
const writableIn = 5 * time.Minute

func postgresCommand() *cobra.Command {
	var kubeconfig string
	c := &cobra.Command{
		Use:   "postgres",
		Short: "Show the database's replication, and make a replica the master",
		Long: `Show the database's replication, and make a replica the master.

Works through kubectl, with a context for each cluster.`,
	}
	c.PersistentFlags().StringVar(&kubeconfig, "kubeconfig", "", "a kubeconfig file with a context for each cluster; by default what kubectl takes")
	kubectl := func() replication.Kubectl {
		k := replication.Kubectl{Command: []string{"kubectl"}}
		if kubeconfig != "" {
			k.Command = append(k.Command, "--kubeconfig", kubeconfig)
		}
		return k
	}
	c.AddCommand(postgresStatusCommand(kubectl), promoteCommand(kubectl))
	return c
}

func postgresStatusCommand(kubectl func() replication.Kubectl) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show each replica's cluster, state and lag",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, k := cmd.Context(), kubectl()
			t, err := k.Topology(ctx)
			if err != nil {
				return err
			}
			report, err := replication.Status(ctx, k, t)
			if asJSON {
				return errors.Join(json.NewEncoder(os.Stdout).Encode(report), err)
			}
			return errors.Join(report.Write(os.Stdout), err)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print it for programs")
	return c
}

// promotion is what the command's flags say.
type promotion struct {
	cluster, stack string
	force, noUp    bool
}

func promoteCommand(kubectl func() replication.Kubectl) *cobra.Command {
	var p promotion
	c := &cobra.Command{
		Use:   "promote --cluster NAME",
		Short: "Make a replica the master, and say what is lost",
		Long: `Make a replica of a cluster the master: end the old master's writes, take the data
of the replica that is furthest, say what is lost, and run pulumi up.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd.Context(), kubectl()) },
	}
	c.Flags().StringVar(&p.cluster, "cluster", "", "the cluster that gets the master")
	c.Flags().BoolVar(&p.force, "force", false, "promote although replicas can't be reached that may still follow the old master: only if that is off for good")
	c.Flags().BoolVar(&p.noUp, "no-up", false, "print the commands that move the master's pod, and don't run them")
	c.Flags().StringVarP(&p.stack, "stack", "s", "", "the Pulumi stack; the current one if not given")
	if err := c.MarkFlagRequired("cluster"); err != nil {
		panic(err) // there is such a flag
	}
	return c
}

func (p *promotion) run(ctx context.Context, kubectl replication.Kubectl) error {
	t, err := kubectl.Topology(ctx)
	if err != nil {
		return err
	}
	result, err := replication.Promote(ctx, kubectl, t, p.cluster, replication.Options{
		Force: p.force, Fence: replication.Fence,
		Say: func(format string, args ...any) { fmt.Fprintf(os.Stderr, "  "+format+"\n", args...) },
	})
	if err != nil {
		return err
	}
	fmt.Printf("the data of %s go on, in epoch %d\n%s\n", result.Seed, result.Epoch, result.Loss())
	if waiting := result.Waiting(); waiting != "" {
		fmt.Println(waiting)
	}
	if p.noUp {
		fmt.Print("next:\n" + p.next(result.To))
		return nil
	}
	if err := p.move(ctx, result.To); err != nil {
		return err
	}
	moved := *t
	moved.Master = result.To
	return awaitWritable(ctx, kubectl, &moved)
}

// commands have Pulumi move the master's pod.
func (p *promotion) commands(to string) [][]string {
	commands := [][]string{
		{"pulumi", "config", "set", "--path", "hybrid:postgres.master", to},
		{"pulumi", "up", "--yes", "--skip-preview"},
	}
	if p.stack != "" {
		for i := range commands {
			commands[i] = append(commands[i], "--stack", p.stack)
		}
	}
	return commands
}

// next are the commands as they are typed, a line each.
func (p *promotion) next(to string) (lines string) {
	for _, c := range p.commands(to) {
		lines += "  " + shell.Join(c...) + "\n"
	}
	return lines
}

// move runs the commands.
func (p *promotion) move(ctx context.Context, to string) error {
	for _, c := range p.commands(to) {
		cmd := exec.CommandContext(ctx, c[0], c[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w: the old master is fenced, and the new one gets its data when this succeeds: correct what is wrong and run\n%s", strings.Join(c, " "), err, p.next(to))
		}
	}
	return nil
}

// awaitWritable waits until the master accepts writes.
func awaitWritable(ctx context.Context, kubectl replication.Kubectl, t *replication.Topology) error {
	for deadline := time.Now().Add(writableIn); ; {
		report, err := replication.Status(ctx, kubectl, t)
		if report.Writable {
			return report.Write(os.Stdout)
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("the new master does not accept writes yet: kubectl --context %s logs psql-master-0", shell.Quote(t.Master)), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}
