package console

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"sigs.k8s.io/yaml"
)

// usage is what the console understands.
const usage = `lab cloud ls [CLOUD [OBJECT]]            list what is in the clouds, or show an object
lab cloud rm CLOUD OBJECT                delete an object behind Pulumi's back
lab cloud set CLOUD OBJECT PATH VALUE    change a property, such as tags.Name; null takes it away
CLOUD is aws, digitalocean or gcp. OBJECT is an ID or a name`

// Run runs a command: ls, rm or set.
func (c *Console) Run(ctx context.Context, out io.Writer, args []string) error {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch {
	case command == "ls" && len(args) == 0:
		return c.print(out, "")
	case command == "ls" && len(args) == 1:
		return c.print(out, args[0])
	case command == "ls" && len(args) == 2:
		return c.show(out, args[0], args[1])
	case command == "rm" && len(args) == 2:
		return c.Remove(ctx, args[0], args[1])
	case command == "set" && len(args) == 4:
		return c.Set(ctx, args[0], args[1], args[2], args[3])
	case command == "known" && len(args) == 0: // not for people: see cmd/lab/orphans.go
		ids, err := c.Known()
		for _, id := range ids {
			fmt.Fprintln(out, id)
		}
		return err
	case command == "help" || command == "-h" || command == "--help":
		_, err := fmt.Fprintln(out, usage)
		return err
	}
	return fmt.Errorf("found %q: expected one of\n%s", command, usage)
}

func (c *Console) print(out io.Writer, cloud string) error {
	items, err := c.List(cloud)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CLOUD\tTYPE\tNAME\tID\tPHASE")
	for _, i := range items {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", i.Cloud, i.Type, i.Name, i.ID, i.Phase)
	}
	return table.Flush()
}

func (c *Console) show(out io.Writer, cloud, object string) error {
	_, o, err := c.find(cloud, object)
	if err != nil {
		return err
	}
	items, err := c.List(cloud)
	if err != nil {
		return err
	}
	for _, i := range items {
		if i.ID == o.ID {
			text, err := yaml.Marshal(i.Properties)
			if err != nil {
				return err
			}
			_, err = out.Write(text)
			return err
		}
	}
	return nil // deleted in the meantime
}
