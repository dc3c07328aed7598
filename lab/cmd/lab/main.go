// Command lab runs the whole hybrid cloud on this machine: the real Pulumi
// engine and the real program against simulated clouds whose VMs are Docker
// containers.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"hybrid/lab/progress"
	"hybrid/lab/stack"
)

// lab is what every command needs.
type lab struct {
	*stack.Stack
	log *progress.Log
	// upgrade says that the next version of Kubernetes is to be there too, for tests of upgrades.
	upgrade bool
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	err := run(ctx)
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		// The program that failed has said why.
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(exit.ExitCode())
	default:
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	s, err := stack.Open()
	if err != nil {
		return err
	}
	l := &lab{Stack: s, log: progress.New(os.Stderr)}
	if filepath.Base(os.Args[0]) == "kubectl" {
		return l.kubectl(ctx, os.Args[1:])
	}
	root := &cobra.Command{
		Use:           "lab",
		Short:         "The hybrid cloud on this machine, without a cloud account",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(
		l.upCommand(), l.previewCommand(), l.destroyCommand(), l.downCommand(), l.cleanCommand(),
		l.prepareCommand(), l.startCommand(), l.envCommand(), l.statusCommand(), l.sshCommand(), l.execCommand(), l.logsCommand(), l.linkCommand(), l.cloudCommand(),
	)
	return root.ExecuteContext(ctx)
}
