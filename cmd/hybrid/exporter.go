package main

import (
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"hybrid/internal/exporter"
)

// exporterAddress is where Prometheus on the same machine finds it.
const exporterAddress = "127.0.0.1:9939"

func exporterCommand() *cobra.Command {
	var t target
	var listen string
	var rules bool
	c := &cobra.Command{
		Use:   "exporter",
		Short: "Serve all that hybrid status knows as metrics for Prometheus",
		Long: `Serve all that hybrid status knows as metrics for Prometheus, at /metrics.

It looks all the time, and each scrape gets what is known then. The metrics tell names
and addresses, but no secrets. Everyone who can reach the address can read them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rules {
				text, err := exporter.RuleFile()
				if err == nil {
					_, err = os.Stdout.Write(text)
				}
				return err
			}
			ctx := cmd.Context()
			o, err := t.open(ctx)
			if err != nil {
				return err
			}
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("%w: choose another address with --listen", err)
			}
			fmt.Printf("http://%s/metrics\n", l.Addr())
			fmt.Fprintln(os.Stderr, "To end it: Ctrl-C.")
			var e exporter.Exporter
			go o.Watch(ctx, e.Show)
			return e.Serve(ctx, l)
		},
	}
	t.flags(c.Flags())
	c.Flags().StringVar(&listen, "listen", exporterAddress, "the address and port to listen on")
	c.Flags().BoolVar(&rules, "rules", false, "print a rule file with an alert for each kind of problem, and end")
	return c
}
