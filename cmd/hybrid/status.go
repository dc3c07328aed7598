package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"sigs.k8s.io/yaml"

	"hybrid/internal/observe"
	"hybrid/internal/terminal"
)

// answerIn is when status has said what it knows. Pulumi takes a part of it, and a
// dead cluster the rest.
const answerIn = 4500 * time.Millisecond

// leastTimeout is what an API gets in any case.
const leastTimeout = 1500 * time.Millisecond

// watchPause is the time between two looks.
const watchPause = 2 * time.Second

func statusCommand() *cobra.Command {
	var t target
	var options terminal.Options
	var watch bool
	var output string
	c := &cobra.Command{
		Use:   "status",
		Short: "Show clusters, mesh, federation, PostgreSQL and zone; fail if anything is not healthy",
		Long: `Show clusters, mesh, federation, PostgreSQL and zone on one screen, problems first.

The exit status is 0 if all is healthy, 1 if anything isn't, and 2 if that can't be told.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if formats := []string{"text", "json", "yaml"}; !slices.Contains(formats, output) {
				return fmt.Errorf("want --output %s, found %q", strings.Join(formats, ", "), output)
			}
			start, ctx := time.Now(), cmd.Context()
			o, err := t.open(ctx)
			if err != nil {
				return err
			}
			o.Timeout = max(leastTimeout, min(o.Timeout, answerIn-time.Since(start)))
			screen := output == "text" && term.IsTerminal(int(os.Stdout.Fd()))
			options.Changes, o.Around = watch, watch
			options.Color = screen && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
			for {
				s := o.Look(ctx)
				if ctx.Err() != nil {
					return nil // who has interrupted knows why
				}
				if watch && screen {
					fmt.Print("\x1b[H\x1b[2J\x1b[3J") // home, and clear with what has scrolled away
				}
				if err := write(os.Stdout, s, output, options); err != nil {
					return err
				}
				if !watch {
					if !s.Healthy {
						return errUnhealthy
					}
					return nil
				}
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(watchPause):
				}
				if !screen && output == "text" {
					fmt.Println()
				}
			}
		},
	}
	t.flags(c.Flags())
	c.Flags().BoolVarP(&watch, "watch", "w", false, "go on until interrupted, and show what has changed in the last hour")
	c.Flags().StringVarP(&output, "output", "o", "text", "text, json or yaml")
	c.Flags().BoolVar(&options.All, "all", false, "show every line, however many there are")
	c.Flags().BoolVar(&options.Mesh, "mesh", false, "show every peer of the mesh, and nothing else")
	return c
}

func write(w io.Writer, s *observe.Snapshot, format string, o terminal.Options) error {
	switch format {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(s)
	case "yaml":
		text, err := yaml.Marshal(s)
		if err == nil {
			_, err = fmt.Fprintf(w, "---\n%s", text)
		}
		return err
	}
	return terminal.Write(w, s, o)
}
