package main

import (
	"context"
	"slices"
	"testing"

	"github.com/spf13/cobra"
)

// A program's flags are its own.
func TestVerbatim(t *testing.T) {
	for _, args := range [][]string{
		{"run", "london-1", "journalctl", "-u", "kubelet", "--help"},
		{"run", "london-1", "--", "journalctl", "-u", "kubelet", "--help"},
	} {
		var got []string
		root := &cobra.Command{Use: "lab"}
		root.AddCommand(verbatim(&cobra.Command{Use: "run"}, func(_ context.Context, node string, argv []string) error {
			got = append([]string{node}, argv...)
			return nil
		}))
		root.SetArgs(args)
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		if want := []string{"london-1", "journalctl", "-u", "kubelet", "--help"}; !slices.Equal(got, want) {
			t.Errorf("%v: the program gets %q, want %q", args, got, want)
		}
	}
}
