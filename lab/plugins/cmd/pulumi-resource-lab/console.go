package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"hybrid/lab/paths"
	"hybrid/lab/plugins/console"
)

const consoleUsage = `usage: lab cloud ls [CLOUD]
       lab cloud rm CLOUD OBJECT
       lab cloud set CLOUD OBJECT PATH VALUE

CLOUD is aws, digitalocean or gcp; OBJECT an ID, or a name that only one object
has; PATH leads to a property, such as tags.Name; VALUE is JSON or a plain string.`

// useConsole serves `lab cloud`.
func useConsole(ctx context.Context, args []string) error {
	state, err := paths.State()
	if err != nil {
		return err
	}
	c := console.Open(state, openHypervisor)
	switch {
	case len(args) == 1 && args[0] == "ls":
		return list(c, "")
	case len(args) == 2 && args[0] == "ls":
		return list(c, args[1])
	case len(args) == 3 && args[0] == "rm":
		return c.Remove(ctx, args[1], args[2])
	case len(args) == 5 && args[0] == "set":
		return c.Set(ctx, args[1], args[2], args[3], args[4])
	}
	return fmt.Errorf("found %q\n%s", args, consoleUsage)
}

func list(c *console.Console, cloud string) error {
	items, err := c.List(cloud)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLOUD\tTYPE\tNAME\tID")
	for _, i := range items {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", i.Cloud, i.Type, i.Name, i.ID)
	}
	return w.Flush()
}
