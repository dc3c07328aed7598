// Package scripttest runs the scripts that run on nodes, in unit tests.
package scripttest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Machine is a folder in which scripts find what they look for on a machine, and
// programs that only say what they were called with.
type Machine struct {
	// Dir stands for the machine's root.
	Dir string

	t *testing.T
}

// tools are this machine's own programs that scripts may call. Nothing else: it may have a
// kubeadm, too.
const tools = "sh awk base64 cat chmod cmp cp cut date dirname flock grep head hostname ln ls mkdir mktemp mv openssl rm sed sha256sum sort tail timeout touch tr"

// noting is the name of a program that only notes how it was called.
const noting = "noting"

// shared has a link to each of the tools, and the noting program. Every machine is a folder in
// it with hard links to those, and all go at the end: hundreds are made, and a file system
// that must find places for as many files, while others are removed, takes its time.
var shared string

// Main runs a package's tests. Each package that makes machines calls it in TestMain.
func Main(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == parallel })
	if !given {
		_ = flag.Set(parallel, strconv.Itoa(4*runtime.GOMAXPROCS(0)))
	}
	os.Exit(run(m))
}

// parallel is the flag for how many tests run side by side. Those of scripts mostly wait: for
// the programs that scripts start, and each for the one before.
const parallel = "test.parallel"

// run returns the exit status of the tests, and removes what the machines share.
func run(m *testing.M) int {
	var err error
	if shared, err = os.MkdirTemp("", "scripttest"); err == nil {
		defer os.RemoveAll(shared)
		err = share()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// share makes what the machines share.
func share() error {
	for _, name := range strings.Fields(tools) {
		path, err := exec.LookPath(name)
		if err != nil {
			return fmt.Errorf("the scripts need %s: %w", name, err)
		}
		if err := os.Symlink(path, filepath.Join(shared, name)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(shared, noting), []byte("#!/bin/sh\necho ${0##*/} \"$@\" >>${0%/bin/*}/calls\n"), 0o755)
}

// New makes a machine on which the named programs do nothing.
func New(t *testing.T, programs ...string) *Machine {
	t.Helper()
	if shared == "" {
		t.Fatal("want func TestMain(m *testing.M) { scripttest.Main(m) } in this package, found none")
	}
	root, err := os.MkdirTemp(shared, "machine")
	if err != nil {
		t.Fatal(err)
	}
	m := &Machine{root, t}
	for _, dir := range []string{"bin", "var/lib/hybrid", "etc/ssh", "etc/kubernetes", "run"} {
		if err := os.MkdirAll(filepath.Join(m.Dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range strings.Fields(tools) {
		m.link(name, name)
	}
	for _, name := range append(programs, "sleep") { // nothing waits
		m.link(noting, name)
	}
	return m
}

// link gives the machine a program that all share.
func (m *Machine) link(program, name string) {
	m.t.Helper()
	if err := os.Link(filepath.Join(shared, program), filepath.Join(m.Dir, "bin", name)); err != nil {
		m.t.Fatal(err)
	}
}

// File writes a file of the machine.
func (m *Machine) File(path, text string) {
	m.t.Helper()
	path = filepath.Join(m.Dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	// It may be a link to a program that others share, which must stay what it is.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

// Program makes a program that notes its arguments and then runs the body.
func (m *Machine) Program(name, body string) {
	m.t.Helper()
	m.File("bin/"+name, fmt.Sprintf("#!/bin/sh\necho %s \"$@\" >>%s/calls\n%s\n", name, m.Dir, body))
}

// Env is what scripts find in the environment on this machine, NAME=VALUE: its folder
// for the root, and little patience.
func (m *Machine) Env() []string { return []string{"ROOT=" + m.Dir, "PATIENCE=3"} }

// Run runs a script that has been composed. It returns its outputs and what it has
// called, without waiting.
func (m *Machine) Run(text, name, verb string) (stdout, stderr string, calls []string, err error) {
	m.t.Helper()
	os.Remove(m.Dir + "/calls")
	cmd := exec.Command("sh", "-s", name, verb)
	cmd.Env = append(os.Environ(), m.Env()...)
	cmd.Stdin = strings.NewReader(text)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	noted, _ := os.ReadFile(m.Dir + "/calls")
	for line := range strings.Lines(string(noted)) {
		if line = strings.ReplaceAll(strings.TrimSpace(line), m.Dir, ""); !strings.HasPrefix(line, "sleep") {
			calls = append(calls, line)
		}
	}
	return o.String(), e.String(), calls, err
}

// Called compares calls by how they begin.
func Called(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("called:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Check says what is wrong with a script, composed with nasty parameters.
func Check(t *testing.T, name, text string) {
	t.Helper()
	cmd := exec.Command("sh", "-n")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", name, err, out)
	}
	if !strings.HasSuffix(text, "\nmain \"$@\" </dev/null\n") {
		t.Errorf("%s: want main called last, without standard input: that is the script itself", name)
	}
}
