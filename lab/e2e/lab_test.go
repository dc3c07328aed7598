// Package e2e runs the real `pulumi up` in the lab and looks at what came of
// it with client-go, SSH and the Docker API. It needs what `make up` needs.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	testflag "flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hybrid/lab/stack"
	"hybrid/lab/vm"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// lab is the one lab of this machine.
type lab struct {
	testing.TB
	ctx   context.Context
	stack *stack.Stack
	host  *vm.Host
	// known is what the stack says of its nodes; see access.
	known *access
	// leaves says that the next test may go on from here.
	leaves bool
}

// shared says that the test before has left a stack that its `pulumi up` makes as
// Pulumi.dev.yaml describes it: a test that has no need of an empty lab goes on from there.
var shared bool

// stands says that the last update of the stack succeeded, and used Pulumi.dev.yaml itself.
var stands bool

func TestMain(m *testing.M) {
	// Without, they would run whenever someone tests all packages.
	if !long() {
		if err := testflag.Set("test.skip", longTests); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	s, err := stack.Open()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, kv := range s.Settings() {
		if strings.EqualFold(kv[0], "NO_PROXY") { // tests ask the lab's addresses themselves
			os.Setenv(kv[0], kv[1])
		}
	}
	status := m.Run()
	if shared {
		if out, err := command(context.Background(), s, "down"); err != nil {
			fmt.Fprintln(os.Stderr, err, out)
			status = 1
		}
	}
	os.Exit(status)
}

// open prepares the machine, removes whatever an earlier run left, and leaves an
// empty lab when the test ends.
func open(t testing.TB) *lab {
	t.Helper()
	shared = false
	return adopt(t)
}

// adopt takes the lab over from the test before, or else opens it.
func adopt(t testing.TB) *lab {
	t.Helper()
	s, err := stack.Open()
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{TB: t, ctx: t.Context(), stack: s}
	if !shared {
		l.command("down")
		stands = false
	}
	l.command("start")
	if l.host, err = vm.Open(l.ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.host.Close()
		l.ctx = context.Background() // the test's own has ended
		if t.Failed() && os.Getenv("HYBRID_LAB_RETAIN") != "" {
			t.Log("the lab is retained, as HYBRID_LAB_RETAIN says; `make down` removes it")
			shared = false
			return
		}
		if shared = l.leaves && !t.Failed(); !shared {
			l.command("down")
		}
	})
	return l
}

// part is a step in a test's story.
type part struct {
	name string
	run  func(*lab)
	// long says that it is left to `make e2e-long`: it takes minutes.
	long bool
}

// longTests are those that are left to `make e2e-long` as a whole, by their names.
const longTests = "^TestLong"

// long says whether everything shall run, however long it takes.
func long() bool { return os.Getenv("HYBRID_E2E_LONG") != "" }

// steps runs them one after the other: each needs the one before.
func (l *lab) steps(t *testing.T, all []part) {
	t.Helper()
	for _, p := range all {
		if p.long && !long() {
			continue
		}
		if !t.Run(p.name, func(t *testing.T) {
			start := time.Now()
			p.run(&lab{TB: t, ctx: t.Context(), stack: l.stack, host: l.host})
			fmt.Printf("--- %s: %s\n", p.name, time.Since(start).Round(time.Second))
		}) {
			t.FailNow()
		}
	}
}

// leave is the last part of a test that leaves the lab to the next one, as whole as
// `pulumi up` does.
func (l *lab) leave() {
	l.Helper()
	if stands {
		l.eventually(recovery, func() error {
			return errors.Join(l.meshed(want), l.membersReady("london", "frankfurt", "america"))
		})
	}
	l.leaves = true
}

// command runs the lab's own command, built by make.
func (l *lab) command(args ...string) string {
	l.Helper()
	out, err := command(l.ctx, l.stack, args...)
	if err != nil {
		l.Fatalf("lab %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func command(ctx context.Context, s *stack.Stack, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.Cache, "bin", "lab"), args...)
	cmd.Dir = s.Project
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// pulumi runs `pulumi` as a user's shell would, shows its output in the test's
// log as it comes, and returns it.
func (l *lab) pulumi(args ...string) (string, error) {
	l.Helper()
	cmd := l.stack.Command(l.ctx, append(args, "--non-interactive", "--color", "never")...)
	var out bytes.Buffer
	cmd.Stdout = io.MultiWriter(&out, os.Stdout)
	cmd.Stderr = cmd.Stdout
	start := time.Now()
	err := cmd.Run()
	if args[0] != "preview" {
		other := slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--config-file") })
		stands = err == nil && args[0] == "up" && !other
	}
	fmt.Printf("--- pulumi %s: %s, %v\n", strings.Join(args, " "), time.Since(start).Round(100*time.Millisecond), err)
	return out.String(), err
}

// must is pulumi for what has to succeed.
func (l *lab) must(args ...string) string {
	l.Helper()
	out, err := l.pulumi(args...)
	if err != nil {
		l.Fatalf("pulumi %s: %v\n%s", strings.Join(args, " "), err, tail(out, 60))
	}
	return out
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// up builds the whole and writes the kubeconfig.
func (l *lab) up(args ...string) string {
	l.Helper()
	l.known = nil
	out := l.must(append([]string{"up", "--yes", "--skip-preview"}, args...)...)
	if err := l.stack.WriteKubeconfig(l.ctx); err != nil {
		l.Fatal(err)
	}
	return out
}

// standing is up, unless the test before has left the stack as Pulumi.dev.yaml describes it.
func (l *lab) standing() {
	l.Helper()
	if !stands {
		l.up()
	}
}

// config writes a variant of Pulumi.dev.yaml and returns the flag that uses it.
func (l *lab) config(change func(settings map[string]any)) string {
	l.Helper()
	text, err := os.ReadFile(filepath.Join(l.stack.Project, "Pulumi.dev.yaml"))
	if err != nil {
		l.Fatal(err)
	}
	var file map[string]any
	if err := yaml.Unmarshal(text, &file); err != nil {
		l.Fatal(err)
	}
	change(file["config"].(map[string]any))
	if text, err = yaml.Marshal(file); err != nil {
		l.Fatal(err)
	}
	path := filepath.Join(l.TempDir(), "Pulumi.dev.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		l.Fatal(err)
	}
	return "--config-file=" + path
}

// cluster is a client for one context of the merged kubeconfig, with the CA
// from that file and no other.
func (l *lab) cluster(name string) *kubernetes.Clientset {
	l.Helper()
	client, err := kubernetes.NewForConfig(l.connection(name))
	if err != nil {
		l.Fatal(err)
	}
	return client
}

// clusters are those of the merged kubeconfig.
func (l *lab) clusters() (names []string) {
	l.Helper()
	file, err := clientcmd.LoadFromFile(l.stack.Kubeconfig())
	if err != nil {
		l.Fatal(err)
	}
	for name := range file.Contexts {
		if name != federation {
			names = append(names, name)
		}
	}
	return names
}

// connection is how one context of the merged kubeconfig is reached.
func (l *lab) connection(name string) *rest.Config {
	l.Helper()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: l.stack.Kubeconfig()},
		&clientcmd.ConfigOverrides{CurrentContext: name},
	).ClientConfig()
	if err != nil {
		l.Fatalf("context %s: %v", name, err)
	}
	config.Timeout = 10 * time.Second
	return config
}

// nodes maps a cluster's node names to whether they are Ready.
func (l *lab) nodes(cluster string) map[string]bool {
	l.Helper()
	list, err := l.cluster(cluster).CoreV1().Nodes().List(l.ctx, metav1.ListOptions{})
	if err != nil {
		l.Fatalf("nodes of %s: %v", cluster, err)
	}
	ready := map[string]bool{}
	for _, n := range list.Items {
		ready[n.Name] = false
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeReady {
				ready[n.Name] = c.Status == corev1.ConditionTrue
			}
		}
	}
	return ready
}

// resource is one of the stack's state.
type resource struct {
	URN, Type, ID   string
	Custom          bool
	Inputs, Outputs map[string]any
}

func (r resource) name() string { return r.URN[strings.LastIndex(r.URN, "::")+2:] }

// export is the stack's state as `pulumi stack export` prints it.
func (l *lab) export() (raw string, resources []resource) {
	l.Helper()
	out, err := l.stack.Output(l.ctx, "stack", "export")
	if err != nil {
		l.Fatal(err)
	}
	var state struct {
		Deployment struct{ Resources []resource }
	}
	if err := json.Unmarshal(out, &state); err != nil {
		l.Fatal(err)
	}
	return string(out), state.Deployment.Resources
}

// eventually waits for a condition and fails with its last error.
func (l *lab) eventually(within time.Duration, condition func() error) {
	l.Helper()
	deadline := time.Now().Add(within)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			l.Fatalf("not within %s: %v", within, err)
		}
		select {
		case <-l.ctx.Done():
			l.Fatal(errors.Join(l.ctx.Err(), err))
		case <-time.After(200 * time.Millisecond):
		}
	}
}
