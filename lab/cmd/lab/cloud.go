package main

import (
	"path/filepath"

	"github.com/spf13/cobra"
)

// cloudCommand hands over to the simulated clouds themselves, which know their
// resources' types: their SDKs would double this command's build time.
func (l *lab) cloudCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cloud ls|rm|set CLOUD ...",
		Short: "The simulated vendors' web console: look at resources, or change them behind Pulumi's back",
		// The console parses the rest.
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			program := filepath.Join(l.Cache, "bin", "pulumi-resource-lab")
			return becomeWith(program, append([]string{program, "console"}, args...), l.Env())
		},
	}
}
