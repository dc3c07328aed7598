package main

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"hybrid/internal/page"
)

func viewCommand() *cobra.Command {
	var t target
	var port int
	var file string
	var shell bool
	c := &cobra.Command{
		Use:   "view",
		Short: "Show a live picture in the browser, for this machine only",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			o, err := t.open(ctx)
			if err != nil {
				return err
			}
			if file != "" {
				s := o.Look(ctx)
				return os.WriteFile(file, page.Draw(s).SVG(page.Summary(s)), 0o644)
			}
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err != nil {
				return fmt.Errorf("%w: choose another --port, or none", err)
			}
			server, path := page.NewServer(o.Kubectl), "/"
			if shell {
				server.Shell = page.NewShell(o)
				path = server.Shell.Path()
			}
			fmt.Printf("http://%s%s\n", l.Addr(), path)
			fmt.Fprintln(os.Stderr, "Open this address in a browser on this machine. To end it: Ctrl-C.")
			if shell {
				fmt.Fprintln(os.Stderr, "Keep it to yourself: who has it can run programs in the pods as you can.")
			}
			go o.Watch(ctx, server.Show)
			return server.Serve(ctx, l)
		},
	}
	t.flags(c.Flags())
	c.Flags().IntVarP(&port, "port", "p", 0, "the port to listen on; a free one if not given")
	c.Flags().BoolVar(&shell, "shell", false, "let the page run shells and psql in containers, and follow their logs, with your own rights")
	c.Flags().StringVar(&file, "svg", "", "write the picture to a file instead")
	return c
}
