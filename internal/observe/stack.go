package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hybrid/internal/shell"
)

// FederationContext is the kubeconfig's context of the federation's API.
const FederationContext = "federation-cluster"

// Stack is what is to be looked at.
type Stack struct {
	Name       string
	Clusters   []Expected // sorted by name
	Domain     string     // of the zone; empty if there is none
	Servers    []string   // the zone's name servers
	Kubeconfig *clientcmdapi.Config
	// CertificatesEnd is when the first of those ends that `pulumi up` renews; zero if that
	// isn't known.
	CertificatesEnd time.Time
	// File is the kubeconfig file, if that is all there is.
	File string
}

// Expected is a cluster as it should be.
type Expected struct {
	Name, Cloud, Region string
	FederationHost      bool
	Nodes               []string // sorted; empty if unknown
}

// defaultPulumiTimeout bounds the question for the stack's outputs: whatever keeps
// them may be far away.
const defaultPulumiTimeout = 30 * time.Second

var pulumiTimeout = defaultPulumiTimeout // tests are shorter

// outputs are those of the stack's that are of interest here; see outputs.go of
// the program.
type outputs struct {
	Clusters map[string]struct {
		Cloud, Region  string
		FederationHost bool
		Nodes          []struct{ Name string }
	}
	Zone struct {
		Domain      string
		NameServers []string
	}
	Kubeconfig      string
	CertificatesEnd time.Time // zero in stacks of before
}

// FromPulumi asks Pulumi for the outputs of a stack of the project in the working
// folder. An empty name is the current stack's.
func FromPulumi(ctx context.Context, name string) (*Stack, error) {
	args := []string{"stack", "output", "--json", "--show-secrets"}
	if name != "" {
		args = append(args, "--stack", name)
	}
	var stderr strings.Builder
	limited, cancel := context.WithTimeout(ctx, pulumiTimeout)
	defer cancel()
	cmd := exec.CommandContext(limited, "pulumi", args...)
	cmd.Stderr = &stderr
	cmd.WaitDelay = time.Second // for what it has started and what holds its output
	out, err := cmd.Output()
	if limited.Err() != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("pulumi stack output: no answer within %s: can its backend be reached (`pulumi whoami -v`)? With a kubeconfig file, --kubeconfig needs no Pulumi", pulumiTimeout)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("there is no `pulumi` on PATH: in the lab, eval \"$(make -s env)\"; elsewhere install it, or give a file with --kubeconfig")
	}
	if err != nil {
		return nil, fmt.Errorf("pulumi stack output: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return parseOutputs(name, out)
}

// FromOutputs reads a file with a stack's outputs, as `pulumi stack output --json
// --show-secrets` prints them.
func FromOutputs(path string) (*Stack, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := parseOutputs("", text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func parseOutputs(name string, text []byte) (*Stack, error) {
	var o outputs
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, fmt.Errorf("the stack's outputs: %w", err)
	}
	if len(o.Clusters) == 0 || o.Kubeconfig == "" {
		return nil, errors.New("the stack has no clusters yet: `pulumi up` makes them")
	}
	kubeconfig, err := clientcmd.Load([]byte(o.Kubeconfig))
	if err != nil {
		return nil, fmt.Errorf("the stack's output kubeconfig: %w", err)
	}
	s := &Stack{Name: name, Domain: o.Zone.Domain, Servers: o.Zone.NameServers, Kubeconfig: kubeconfig, CertificatesEnd: o.CertificatesEnd}
	for _, cluster := range slices.Sorted(maps.Keys(o.Clusters)) {
		c := o.Clusters[cluster]
		e := Expected{Name: cluster, Cloud: c.Cloud, Region: c.Region, FederationHost: c.FederationHost}
		for _, n := range c.Nodes {
			e.Nodes = append(e.Nodes, n.Name)
		}
		slices.Sort(e.Nodes)
		s.Clusters = append(s.Clusters, e)
	}
	return s, nil
}

// FromFile takes every context of a kubeconfig file for a cluster, except the
// federation's.
func FromFile(path string) (*Stack, error) {
	kubeconfig, err := (&clientcmd.ClientConfigLoadingRules{ExplicitPath: path}).Load()
	if err != nil {
		return nil, err
	}
	s := &Stack{Kubeconfig: kubeconfig, File: path}
	for _, name := range slices.Sorted(maps.Keys(kubeconfig.Contexts)) {
		if name != FederationContext {
			s.Clusters = append(s.Clusters, Expected{Name: name})
		}
	}
	if len(s.Clusters) == 0 {
		return nil, fmt.Errorf("%s: expected a context for each cluster, found none", path)
	}
	return s, nil
}

// Kubectl begins a command for a cluster, to be copied.
func (s *Stack) Kubectl(cluster string) string {
	return s.kubectl("--context", cluster)
}

// kubectl is a command, or begins one, to be copied.
func (s *Stack) kubectl(words ...string) string {
	all := []string{"kubectl"}
	if s.File != "" {
		all = append(all, "--kubeconfig", s.File)
	}
	return shell.Join(append(all, words...)...)
}
