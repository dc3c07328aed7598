package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"hybrid/internal/shell"
)

func (l *lab) envCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: `Print shell settings: eval "$(make -s env)"`,
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			for _, name := range l.Foreign() {
				fmt.Println("unset", name)
			}
			for _, kv := range l.Settings() {
				fmt.Printf("export %s=%s\n", kv[0], shell.Quote(kv[1]))
			}
			// Once is enough, however often it is evaluated.
			if !strings.HasPrefix(os.Getenv("PATH"), l.Bin()+":") {
				fmt.Printf("export PATH=%s:\"$PATH\"\n", shell.Quote(l.Bin()))
			}
			return nil
		},
	}
}
