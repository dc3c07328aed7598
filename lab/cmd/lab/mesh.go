package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"hybrid/lab/meshstatus"
)

func (l *lab) meshCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "mesh",
		Short: "Show the mesh: peers, their connections, encrypted or not, and their shares of the addresses",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			out, err := l.Output(ctx, "stack", "output", "clusters", "--json")
			if err != nil {
				return err
			}
			names, err := clusterNames(out)
			if err != nil {
				return err
			}
			if l.KubeconfigStale() {
				if err := l.WriteKubeconfig(ctx); err != nil {
					return err
				}
			}
			kubectl := []string{filepath.Join(l.Bin(), "kubectl"), "--kubeconfig", l.Kubeconfig()}
			rows, err := meshstatus.Ask(ctx, kubectl, names)
			return errors.Join(meshstatus.Write(os.Stdout, rows, len(rows)), err)
		},
	}
}
