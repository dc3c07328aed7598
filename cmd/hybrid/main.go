// Command hybrid looks at a hybrid cloud that the program of this repository has
// made, and works in it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
)

// errUnhealthy ends the command with status 1. What it is about has been said.
var errUnhealthy = errors.New("not healthy")

// commands are all that there are.
var commands = []func() *cobra.Command{
	statusCommand,
	viewCommand,
	exporterCommand,
	postgresCommand,
	backupCommand,
	rebootCommand,
}

// silence keeps the libraries' own log off the screen. Errors would be there all the
// same, such as each stream that has been closed: their threshold is a setting of its own.
func silence() {
	var flags flag.FlagSet
	klog.InitFlags(&flags)
	for name, value := range map[string]string{"logtostderr": "false", "stderrthreshold": "FATAL"} {
		if err := flags.Set(name, value); err != nil {
			panic(err) // they are klog's: https://pkg.go.dev/k8s.io/klog/v2#InitFlags
		}
	}
	klog.SetOutput(io.Discard)
}

func main() {
	silence()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	root := &cobra.Command{
		Use:           "hybrid",
		Short:         "Look at a hybrid cloud, and work in it",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	for _, c := range commands {
		root.AddCommand(c())
	}
	switch err := root.ExecuteContext(ctx); {
	case err == nil:
	case errors.Is(err, errUnhealthy):
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "hybrid:", err)
		os.Exit(2)
	}
}
