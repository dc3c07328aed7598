package main

import (
	"context"
	"os/exec"
	"slices"
	"strings"
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

// ssh has one file of known hosts, wherever the state is.
func TestSSHWord(t *testing.T) {
	for _, path := range []string{"/tmp/lab/london-1.known", "/tmp/John Smith/100% $HOME/it's \"x\"/london-1.known"} {
		// -G only prints the configuration.
		out, err := exec.CommandContext(t.Context(), "ssh", "-F", "none", "-G", "-o", "UserKnownHostsFile="+sshWord(path), "host").Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := "\nuserknownhostsfile " + path + "\n"; !strings.Contains(string(out), want) {
			t.Errorf("ssh -G has no%swith -o UserKnownHostsFile=%s:\n%s", want, sshWord(path), out)
		}
	}
}
