package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hybrid/lab/vm"
)

// cluster is one of the stack's output `clusters`.
type cluster struct {
	Cloud, Region, SSHUser string
	Nodes                  []struct{ Name, PublicAddress string }
}

func clusterNames(output []byte) ([]string, error) {
	var clusters map[string]cluster
	if err := json.Unmarshal(output, &clusters); err != nil {
		return nil, fmt.Errorf("the stack's output clusters: %w", err)
	}
	return slices.Sorted(maps.Keys(clusters)), nil
}

func (l *lab) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the lab's machines",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			host, err := vm.Open(cmd.Context())
			if err != nil {
				return err
			}
			defer host.Close()
			machines, err := host.Machines(cmd.Context())
			if err != nil {
				return err
			}
			if len(machines) == 0 {
				fmt.Println("The lab has no machines. To make them: make up")
				return nil
			}
			w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tCLOUD\tID\tPRIVATE ADDRESS\tSTATE")
			for _, m := range machines {
				state := "off"
				if m.Running {
					state = "running"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", m.Name, m.Cloud, m.ID, m.PrivateIP, state)
			}
			return w.Flush()
		},
	}
}

func (l *lab) execCommand() *cobra.Command {
	return verbatim(&cobra.Command{
		Use:   "exec NODE PROGRAM [ARGUMENT...]",
		Short: "Run a program as root on a machine, even when SSH doesn't work",
		Args:  cobra.MinimumNArgs(2),
	}, func(ctx context.Context, node string, argv []string) error { return l.dockerExec(ctx, node, argv...) })
}

// verbatim makes a command run a program on a node. What follows the node's name is
// the program's, also what looks like a flag.
func verbatim(c *cobra.Command, run func(ctx context.Context, node string, argv []string) error) *cobra.Command {
	c.Flags().SetInterspersed(false)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		node, argv := args[0], args[1:]
		if len(argv) > 0 && argv[0] == "--" { // not needed, but many are used to it
			argv = argv[1:]
		}
		return run(cmd.Context(), node, argv)
	}
	return c
}

func (l *lab) logsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logs NODE",
		Short: "Show a machine's journal: boot, cloud-init, kubelet, containerd",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return l.dockerExec(cmd.Context(), args[0], "journalctl", "--no-pager", "--boot")
		},
	}
}

// dockerExec becomes `docker exec` in a machine.
func (l *lab) dockerExec(ctx context.Context, name string, argv ...string) error {
	host, err := vm.Open(ctx)
	if err != nil {
		return err
	}
	machines, err := host.Machines(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, m := range machines {
		if m.Name == name {
			container, err := host.Container(ctx, m.ID)
			if err != nil {
				return err
			}
			args := []string{"docker", "exec", "-i"}
			if l.log.Terminal() {
				args = append(args, "-t")
			}
			// The engine that the lab has, whatever context the docker command has.
			return become("docker", append(append(args, container), argv...), "DOCKER_CONTEXT", "", "DOCKER_HOST", host.Engine())
		}
		names = append(names, m.Name)
	}
	return fmt.Errorf("want a machine's name, found %q: there are %s", name, strings.Join(names, ", "))
}

func (l *lab) sshCommand() *cobra.Command {
	return verbatim(&cobra.Command{
		Use:   "ssh NODE [COMMAND...]",
		Short: "Log in to a node with the stack's key and the pinned host key",
		Args:  cobra.MinimumNArgs(1),
	}, l.ssh)
}

func (l *lab) ssh(ctx context.Context, name string, command []string) error {
	out, err := l.Output(ctx, "stack", "output", "--json", "--show-secrets")
	if err != nil {
		return err
	}
	var outputs struct {
		Clusters       map[string]cluster
		SSHPrivateKeys map[string]string
	}
	if err := json.Unmarshal(out, &outputs); err != nil {
		return fmt.Errorf("the stack's outputs: %w", err)
	}
	for clusterName, c := range outputs.Clusters {
		for _, n := range c.Nodes {
			if n.Name != name {
				continue
			}
			key, err := l.private("ssh/"+clusterName+".key", outputs.SSHPrivateKeys[clusterName])
			if err != nil {
				return err
			}
			hostKey, err := l.hostKey(ctx, name)
			if err != nil {
				return err
			}
			known, err := l.private("ssh/"+name+".known", n.PublicAddress+" "+hostKey+"\n")
			if err != nil {
				return err
			}
			return become("ssh", append([]string{"ssh", "-i", key, "-o", "IdentitiesOnly=yes",
				"-o", "UserKnownHostsFile=" + sshWord(known), "-o", "StrictHostKeyChecking=yes",
				c.SSHUser + "@" + n.PublicAddress}, command...))
		}
	}
	return fmt.Errorf("the stack has no node %q: `lab status` lists them", name)
}

// sshWord makes one word of a path for an option of ssh, which may list several, and
// expands what begins with a percent sign (ssh_config(5)).
func sshWord(path string) string {
	return `"` + strings.NewReplacer("%", "%%", `\`, `\\`, `"`, `\"`).Replace(path) + `"`
}

// hostKey is what the stack has pinned for a node.
func (l *lab) hostKey(ctx context.Context, name string) (string, error) {
	out, err := l.Output(ctx, "stack", "export")
	if err != nil {
		return "", err
	}
	var state struct {
		Deployment struct {
			Resources []struct {
				URN     string
				Outputs struct{ Stdout any }
			}
		}
	}
	if err := json.Unmarshal(out, &state); err != nil {
		return "", err
	}
	for _, r := range state.Deployment.Resources {
		if key, ok := r.Outputs.Stdout.(string); ok && strings.HasSuffix(r.URN, "::"+name+"-first-contact") {
			return key, nil
		}
	}
	return "", fmt.Errorf("the stack hasn't met %s yet: `make up` finishes it", name)
}

// private writes a file that only its owner can read.
func (l *lab) private(name, text string) (string, error) {
	path := filepath.Join(l.State, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// become replaces this process by a program of the PATH, with its terminal, and with
// variables: names and values. An empty value is as good as none.
func become(program string, argv []string, variables ...string) error {
	path, err := exec.LookPath(program)
	if err != nil {
		return fmt.Errorf("%w: install it and try again", err)
	}
	for kv := range slices.Chunk(variables, 2) {
		if err := os.Setenv(kv[0], kv[1]); err != nil {
			return err
		}
	}
	return becomeWith(path, argv, os.Environ())
}

func becomeWith(path string, argv, env []string) error {
	if err := syscall.Exec(path, argv, env); err != nil {
		return fmt.Errorf("starting %s: %w", path, err)
	}
	return nil
}
