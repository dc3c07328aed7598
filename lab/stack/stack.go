// Package stack runs the real Pulumi engine on the lab's stack: its own
// environment, its own PULUMI_HOME with the lab's providers, its own backend.
// Nothing of the user's own Pulumi settings is read or changed.
package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/term"

	"hybrid/lab/system/paths"
	"hybrid/lab/vm"
)

// passphrase encrypts the secrets of the lab's stack. It guards nothing but
// the lab, and is fixed so that Pulumi.dev.yaml's salt fits on every machine.
const passphrase = "hybrid-lab"

// Stack is the lab's stack.
type Stack struct {
	Project, Cache, State string
}

// Open finds the folders.
func Open() (*Stack, error) {
	project, err := paths.Project()
	if err != nil {
		return nil, err
	}
	cache, err := paths.Cache()
	if err != nil {
		return nil, err
	}
	state, err := paths.State()
	if err != nil {
		return nil, err
	}
	return &Stack{project, cache, state}, nil
}

// Kubeconfig is the file with every cluster's context.
func (s *Stack) Kubeconfig() string { return filepath.Join(s.State, "kubeconfig") }

// Bin is the folder for a shell's PATH: `pulumi`, `kubectl`, `hybrid` and `lab`.
func (s *Stack) Bin() string { return filepath.Join(s.Cache, "path") }

func (s *Stack) home() string    { return filepath.Join(s.State, "pulumi") }
func (s *Stack) backend() string { return filepath.Join(s.State, "backend") }

// Settings are the variables that a shell needs for `pulumi` and `kubectl` to
// work as typed, except PATH.
func (s *Stack) Settings() [][2]string {
	return [][2]string{
		{"HYBRID_LAB_STATE", s.State},
		{"HYBRID_LAB_STACK", paths.Stack},
		{"KUBECONFIG", s.Kubeconfig()},
		// No proxy leads to the lab's addresses.
		{"NO_PROXY", direct("NO_PROXY", "no_proxy")},
		{"no_proxy", direct("no_proxy", "NO_PROXY")},
		// The zones' own name servers are Google's, which don't know the lab's.
		{"HYBRID_NAMESERVER", vm.NameServer.String()},
		{"PULUMI_HOME", s.home()},
		// Without metadata, which Pulumi has no use for: its files are not written
		// as a whole, and after a kill half of one makes the state unreadable.
		{"PULUMI_BACKEND_URL", (&url.URL{Scheme: "file", Path: s.backend(), RawQuery: "metadata=skip"}).String()},
		{"PULUMI_CONFIG_PASSPHRASE", passphrase},
		{"PULUMI_STACK", paths.Stack},
		{"PULUMI_SKIP_UPDATE_CHECK", "true"},
		{"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true"},
		// Most operations wait for a VM and not for this machine's cores, from
		// whose number the default (4 per core) is made.
		{"PULUMI_PARALLEL", "32"},
	}
}

// direct is the value of NO_PROXY, or of its other spelling, of which a program reads
// one or the other: what the user has set, and the lab's addresses.
func direct(name, other string) string {
	set := cmp.Or(os.Getenv(name), os.Getenv(other))
	if set == "*" || slices.Contains(strings.Split(set, ","), vm.Internet.String()) {
		return set
	}
	return strings.TrimPrefix(set+","+vm.Internet.String(), ",")
}

// Foreign are the names of this process's variables with a user's credentials and
// settings for real clouds, which have no business here: Pulumi would keep some of them
// in the state, and see a change where another shell hasn't got them.
func (s *Stack) Foreign() (names []string) {
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		own := func(kv [2]string) bool { return kv[0] == name }
		if !foreignNames.MatchString(name) || slices.ContainsFunc(s.Settings(), own) {
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var foreignNames = regexp.MustCompile("^(PULUMI|AWS|DIGITALOCEAN|SPACES|GOOGLE|GCLOUD|CLOUDSDK)_[A-Za-z0-9_]+$")

// Env is a process's environment with Settings and PATH.
func (s *Stack) Env() []string {
	foreign := s.Foreign()
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		// An SSH agent isn't needed, for the stack has its keys; and Pulumi's command
		// plugin fails with one that is gone.
		return slices.Contains(foreign, name) || name == "SSH_AUTH_SOCK"
	})
	for _, kv := range s.Settings() {
		env = append(env, kv[0]+"="+kv[1])
	}
	return append(env, "PATH="+s.Bin()+":"+os.Getenv("PATH"))
}

// Command is a `pulumi` process that isn't started yet. Interrupting ctx
// interrupts it, so that it can finish its state, and kills it only later. It has a
// process group of its own: what a whole group is sent reaches it once, by way of ctx.
func (s *Stack) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.Cache, "bin", "pulumi"), args...)
	cmd.Dir, cmd.Env = s.Project, s.Env()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = interruptGrace
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// Run runs `pulumi` and passes its output on.
func (s *Stack) Run(ctx context.Context, out io.Writer, args ...string) error {
	cmd := s.Command(ctx, args...)
	cmd.Stdout, cmd.Stderr = out, out
	if out == os.Stdout { // a terminal's: pulumi may draw on it and ask
		cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr
		if term.IsTerminal(int(os.Stdin.Fd())) {
			share(ctx, cmd)
		}
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("pulumi %s: %w", args[0], err)
	}
	return nil
}

// Output runs `pulumi` and returns what it prints.
func (s *Stack) Output(ctx context.Context, args ...string) ([]byte, error) {
	out, err := s.Command(ctx, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return nil, fmt.Errorf("pulumi %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}
