// Command hybrid looks after what the stack has made, through kubectl: KUBECONFIG
// must name the stack's kubeconfig.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"hybrid/workloads/replication"
)

const usage = `usage:
  hybrid postgres status [--json]
        replication at a glance: each replica's cluster, state, and lag
  hybrid postgres promote --cluster NAME [--force] [--no-up] [--stack STACK]
        makes a replica of a cluster the master: ends the old master's writes, takes
        the data of the replica that is furthest, says what is lost, and runs
        pulumi up (with --no-up it prints the commands instead)`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 2 || args[0] != "postgres" {
		return errors.New("expected a command\n" + usage)
	}
	kubectl := replication.Kubectl{Command: []string{"kubectl"}}
	switch args[1] {
	case "status":
		return status(ctx, kubectl, args[2:])
	case "promote":
		return promote(ctx, kubectl, args[2:])
	}
	return fmt.Errorf("unknown command %q\n%s", args[1], usage)
}

func status(ctx context.Context, kubectl replication.Kubectl, args []string) error {
	flags := flag.NewFlagSet("status", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print it for programs")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return errors.New("status takes no arguments\n" + usage)
	}
	t, err := kubectl.Topology(ctx)
	if err != nil {
		return err
	}
	report, err := replication.Status(ctx, kubectl, t)
	if *asJSON {
		return errors.Join(json.NewEncoder(os.Stdout).Encode(report), err)
	}
	return errors.Join(report.Write(os.Stdout), err)
}

func promote(ctx context.Context, kubectl replication.Kubectl, args []string) error {
	flags := flag.NewFlagSet("promote", flag.ContinueOnError)
	cluster := flags.String("cluster", "", "the cluster that gets the master")
	force := flags.Bool("force", false, "promote although replicas can't be reached that may still follow the old master: only if that is off for good")
	noUp := flags.Bool("no-up", false, "print the commands that move the master's pod, and don't run them")
	stack := flags.String("stack", "", "the Pulumi stack, if it is not the selected one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *cluster == "" || flags.NArg() > 0 {
		return errors.New("expected --cluster and the name of a cluster\n" + usage)
	}
	t, err := kubectl.Topology(ctx)
	if err != nil {
		return err
	}
	result, err := replication.Promote(ctx, kubectl, t, *cluster, replication.Options{
		Force: *force, Fence: replication.Fence,
		Say: func(format string, args ...any) { fmt.Fprintf(os.Stderr, "  "+format+"\n", args...) },
	})
	if err != nil {
		return err
	}
	fmt.Printf("the data of %s go on, in epoch %d\n%s\n", result.Seed, result.Epoch, result.Loss())
	return move(ctx, kubectl, t, result, *noUp, *stack)
}

// move has Pulumi move the master's pod, and waits until that accepts writes.
func move(ctx context.Context, kubectl replication.Kubectl, t *replication.Topology, p *replication.Promotion, noUp bool, stack string) error {
	commands := [][]string{
		{"pulumi", "config", "set", "--path", "hybrid:postgres.master", p.To},
		{"pulumi", "up", "--yes", "--skip-preview"},
	}
	for _, c := range commands {
		if stack != "" {
			c = append(c, "--stack", stack)
		}
		if noUp {
			fmt.Println("next:", c)
			continue
		}
		cmd := exec.CommandContext(ctx, c[0], c[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%v: %w: the old master is fenced, and the new one gets its data when this succeeds: correct what is wrong and run it again", c, err)
		}
	}
	if noUp {
		return nil
	}
	moved := *t
	moved.Master = p.To
	for deadline := time.Now().Add(5 * time.Minute); ; {
		report, err := replication.Status(ctx, kubectl, &moved)
		if report.Writable {
			return report.Write(os.Stdout)
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("the new master does not accept writes yet: kubectl --context %s logs psql-master-0", p.To), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}
