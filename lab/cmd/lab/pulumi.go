package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"hybrid/lab/progress"
)

func (l *lab) upCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "up",
		Short: "Prepare this machine, start the lab, and run `pulumi up` in it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if err := l.start(ctx, false); err != nil {
				return err
			}
			// Refreshed first: of what the state names, a reboot or another
			// program may have taken something away. The program runs before that: it
			// waits for clusters that are about to start, and knows which are lost.
			if err := l.pulumi(ctx, "up", "--yes", "--refresh", "--run-program", "--skip-preview", "--suppress-outputs"); err != nil {
				return err
			}
			if err := l.WriteKubeconfig(ctx); err != nil {
				return err
			}
			return l.next(ctx)
		},
	}
}

func (l *lab) previewCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "preview",
		Short: "Start the lab and run `pulumi preview` in it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.start(cmd.Context(), false); err != nil {
				return err
			}
			return l.pulumi(cmd.Context(), "preview")
		},
	}
}

func (l *lab) destroyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "destroy",
		Short: "Run `pulumi destroy` in the lab and stop the lab",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if err := l.start(ctx, true); err != nil {
				return err
			}
			// Refreshed first, so that nothing is asked of a VM that is gone; the program
			// runs for the same reasons as above.
			if err := l.pulumi(ctx, "destroy", "--yes", "--refresh", "--run-program", "--skip-preview", "--suppress-outputs"); err != nil {
				return err
			}
			if err := l.WriteKubeconfig(ctx); err != nil {
				return err
			}
			return l.stop(ctx)
		},
	}
}

// pulumi runs `pulumi` on the user's terminal, or with lines and a heartbeat
// where there is none.
func (l *lab) pulumi(ctx context.Context, args ...string) error {
	if l.log.Terminal() {
		return l.Run(ctx, os.Stdout, args...)
	}
	out := progress.NewIdle(os.Stdout)
	defer out.Close()
	return l.Run(ctx, out, append(args, "--non-interactive", "--color", "never")...)
}
