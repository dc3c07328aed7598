// Command pulumi-language-go is the language host for Go programs that stands
// beside the lab's pulumi. The CLI starts it with the engine's address.
package main

import (
	"fmt"
	"os"

	"hybrid/lab/languagehost"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "error: pulumi-language-go is started by the pulumi CLI, with the address of the engine")
		os.Exit(2)
	}
	// Flags of the CLI may come before the address.
	if err := languagehost.Serve(os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
