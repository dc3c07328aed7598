// Command pulumi-resource-lab is all of the lab's provider plugins in one: it
// serves the package that it is started under, such as pulumi-resource-aws,
// by whatever link. With -versions it prints the packages and the versions of
// the SDKs that they go with. Started as "console" it is the vendors' web console.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"hybrid/lab/clouds/aws"
	"hybrid/lab/clouds/cloud"
	"hybrid/lab/clouds/console"
	"hybrid/lab/clouds/digitalocean"
	"hybrid/lab/clouds/gcp"
	"hybrid/lab/plugins/command"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/plugins/random"
	"hybrid/lab/plugins/tls"
	"hybrid/lab/system/paths"
	"hybrid/lab/vm"
)

func main() {
	if err := run(filepath.Base(os.Args[0]), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(name string, args []string) error {
	state, err := paths.State()
	if err != nil {
		return err
	}
	if len(args) > 0 && args[0] == "console" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return console.Open(state, open).Run(ctx, os.Stdout, args[1:])
	}
	packages := packages(state)
	if len(args) == 1 && args[0] == "-versions" {
		for _, p := range packages {
			fmt.Println(p.Name, p.Version())
		}
		return nil
	}
	for _, p := range packages {
		if name == "pulumi-resource-"+p.Name && len(args) > 0 {
			return provider.Serve(p, args[len(args)-1]) // flags of the CLI may come before the address
		}
	}
	return fmt.Errorf("%s is started by the pulumi CLI, as pulumi-resource-%s, with the address of the engine; -versions lists what it serves", name, names(packages))
}

func names(packages []*provider.Package) string {
	var out []string
	for _, p := range packages {
		out = append(out, p.Name)
	}
	return strings.Join(out, " or -")
}

// open opens the machine's Docker.
func open(ctx context.Context) (cloud.Hypervisor, error) { return vm.Open(ctx) }

func packages(state string) []*provider.Package {
	attach := func(c *cloud.Cloud) *cloud.Cloud { return c.Attach(console.Folder(state), open) }
	return []*provider.Package{
		aws.Package(attach(aws.New())), digitalocean.Package(attach(digitalocean.New())), gcp.Package(attach(gcp.New())),
		command.Package(), random.Package(), tls.Package(),
	}
}
