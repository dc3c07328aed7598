package cloudtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

// Stack is the stack of the tests.
const Stack = "dev"

// Engine calls a provider as Pulumi's engine does, and remembers what it has
// made.
type Engine struct {
	*testing.T
	Host     *Hypervisor
	Dir      string // of the cloud's file
	Cloud    *cloud.Cloud
	Provider *provider.Provider

	make   func() *cloud.Cloud
	serve  func(*cloud.Cloud) *provider.Package
	config map[string]any
	known  map[string]known
}

// known is a resource in the engine's state.
type known struct {
	id              string
	inputs, outputs provider.Props
}

// New returns an engine with a provider for a cloud.
func New(t *testing.T, makeCloud func() *cloud.Cloud, serve func(*cloud.Cloud) *provider.Package, config map[string]any) *Engine {
	t.Helper()
	t.Setenv(provider.StackVariable, Stack)
	t.Setenv("HYBRID_LAB_STATE", t.TempDir()) // with its locks
	e := &Engine{T: t, Host: NewHypervisor(), Dir: t.TempDir(), make: makeCloud, serve: serve, config: config, known: map[string]known{}}
	e.Restart()
	return e
}

// Restart starts another provider on the same cloud, as the next deployment
// does. What the former one was doing goes on or not, as it pleases.
func (e *Engine) Restart() {
	e.Helper()
	e.Cloud = e.make()
	e.Cloud.Grace, e.Cloud.Patience = 50*time.Millisecond, 500*time.Millisecond
	e.Cloud.Attach(e.Dir, func(context.Context) (cloud.Hypervisor, error) { return e.Host, nil })
	e.Provider = provider.New(e.serve(e.Cloud), provider.Logger{})
	if _, err := e.Provider.Configure(e.Context(), plugin.ConfigureRequest{Inputs: provider.From(e.config)}); err != nil {
		e.Fatal(err)
	}
}

// Former is the engine as it is now, with its plugin: it goes on beside the one that
// Restart makes.
func (e *Engine) Former() *Engine {
	former := *e
	former.known = maps.Clone(e.known)
	return &former
}

// URN returns that of a resource of the tests' stack.
func URN(token, name string) resource.URN {
	return resource.NewURN(Stack, "hybrid", "", tokens.Type(token), name)
}

// Check checks inputs and returns what is wrong with them.
func (e *Engine) Check(token, name string, in map[string]any) (provider.Props, []string) {
	e.Helper()
	r, err := e.Provider.Check(e.Context(), plugin.CheckRequest{
		URN: URN(token, name), Name: name, Type: tokens.Type(token), News: provider.From(in), RandomSeed: []byte(name + "0123456789012345678901234567890123456789"),
		Olds: e.known[key(token, name)].inputs,
	})
	if err != nil {
		e.Fatal(err)
	}
	var failures []string
	for _, f := range r.Failures {
		failures = append(failures, fmt.Sprintf("%s: %s", f.Property, f.Reason))
	}
	return r.Properties, failures
}

// WantProblem checks the sum of inputs and wants a problem that contains want, or
// none if want is empty.
func (e *Engine) WantProblem(token, want string, inputs ...map[string]any) {
	e.Helper()
	in := map[string]any{}
	for _, more := range inputs {
		maps.Copy(in, more)
	}
	_, failures := e.Check(token, "x", in)
	got := strings.Join(failures, "\n")
	if want == "" && got != "" || !strings.Contains(got, want) {
		e.Errorf("got %q; want %q", got, want)
	}
}

func key(token, name string) string { return token + " " + name }

// Try checks and creates a resource.
func (e *Engine) Try(token, name string, in map[string]any) (string, provider.Props, error) {
	e.Helper()
	inputs, failures := e.Check(token, name, in)
	if len(failures) > 0 {
		return "", nil, errors.New(strings.Join(failures, "; "))
	}
	r, err := e.Provider.Create(e.Context(), plugin.CreateRequest{URN: URN(token, name), Name: name, Type: tokens.Type(token), Properties: inputs})
	if err != nil {
		return "", nil, err
	}
	e.known[key(token, name)] = known{string(r.ID), inputs, r.Properties}
	return string(r.ID), r.Properties, nil
}

// Make creates a resource and returns its ID and outputs.
func (e *Engine) Make(token, name string, in map[string]any) (string, provider.Props) {
	e.Helper()
	id, out, err := e.Try(token, name, in)
	if err != nil {
		e.Fatalf("%s %s: %v", token, name, err)
	}
	return id, out
}

// Preview returns what a preview knows of a resource to be created.
func (e *Engine) Preview(token, name string, in map[string]any) provider.Props {
	e.Helper()
	inputs, failures := e.Check(token, name, in)
	if len(failures) > 0 {
		e.Fatalf("%s %s: %v", token, name, failures)
	}
	r, err := e.Provider.Create(e.Context(), plugin.CreateRequest{URN: URN(token, name), Name: name, Type: tokens.Type(token), Properties: inputs, Preview: true})
	if err != nil {
		e.Fatalf("previewing %s %s: %v", token, name, err)
	}
	return r.Properties
}

// Diff compares new inputs with those that a resource has.
func (e *Engine) Diff(token, name string, in map[string]any) plugin.DiffResult {
	e.Helper()
	inputs, failures := e.Check(token, name, in)
	if len(failures) > 0 {
		e.Fatalf("%s %s: %v", token, name, failures)
	}
	k := e.known[key(token, name)]
	d, err := e.Provider.Diff(e.Context(), plugin.DiffRequest{
		URN: URN(token, name), Name: name, Type: tokens.Type(token), ID: resource.ID(k.id), OldInputs: k.inputs, OldOutputs: k.outputs, NewInputs: inputs,
	})
	if err != nil {
		e.Fatal(err)
	}
	return d
}

// Update gives a resource new inputs.
func (e *Engine) Update(token, name string, in map[string]any) (provider.Props, error) {
	e.Helper()
	inputs, failures := e.Check(token, name, in)
	if len(failures) > 0 {
		return nil, errors.New(strings.Join(failures, "; "))
	}
	k := e.known[key(token, name)]
	r, err := e.Provider.Update(e.Context(), plugin.UpdateRequest{
		URN: URN(token, name), Name: name, Type: tokens.Type(token), ID: resource.ID(k.id), OldInputs: k.inputs, OldOutputs: k.outputs, NewInputs: inputs,
	})
	if err == nil {
		e.known[key(token, name)] = known{k.id, inputs, r.Properties}
	}
	return r.Properties, err
}

// Refresh reads a resource, and returns how its inputs have drifted and its
// outputs. gone says that it exists no more.
func (e *Engine) Refresh(token, name string) (drift plugin.DiffResult, outputs provider.Props, gone bool) {
	e.Helper()
	k := e.known[key(token, name)]
	r, err := e.Provider.Read(e.Context(), plugin.ReadRequest{
		URN: URN(token, name), Name: name, Type: tokens.Type(token), ID: resource.ID(k.id), Inputs: k.inputs, State: k.outputs,
	})
	if err != nil {
		e.Fatalf("reading %s %s: %v", token, name, err)
	}
	if r.ID == "" {
		delete(e.known, key(token, name))
		return plugin.DiffResult{}, nil, true
	}
	drift, err = e.Provider.Diff(e.Context(), plugin.DiffRequest{
		URN: URN(token, name), Name: name, Type: tokens.Type(token), ID: r.ID, OldInputs: r.Inputs, OldOutputs: r.Outputs, NewInputs: k.inputs,
	})
	if err != nil {
		e.Fatal(err)
	}
	e.known[key(token, name)] = known{k.id, r.Inputs, r.Outputs}
	return drift, r.Outputs, false
}

// Invoke calls a function.
func (e *Engine) Invoke(token string, in map[string]any) provider.Props {
	e.Helper()
	r, err := e.Provider.Invoke(e.Context(), plugin.InvokeRequest{Tok: tokens.ModuleMember(token), Args: provider.From(in)})
	if err != nil || len(r.Failures) > 0 {
		e.Fatalf("%s: %v %v", token, err, r.Failures)
	}
	return r.Properties
}

// Delete deletes a resource.
func (e *Engine) Delete(token, name string) error {
	e.Helper()
	k := e.known[key(token, name)]
	_, err := e.Provider.Delete(e.Context(), plugin.DeleteRequest{
		URN: URN(token, name), Name: name, Type: tokens.Type(token), ID: resource.ID(k.id), Inputs: k.inputs, Outputs: k.outputs,
	})
	return err
}

// ID returns the ID of a resource that was made.
func (e *Engine) ID(token, name string) string { return e.known[key(token, name)].id }

// Forget takes a resource out of the engine's state, as if the engine had died
// before it could record it.
func (e *Engine) Forget(token, name string) { delete(e.known, key(token, name)) }

// Objects returns how many objects of a type are in the cloud.
func (e *Engine) Objects(token string) int {
	e.Helper()
	n := 0
	if err := e.Cloud.View(func(s *cloud.State) error { n = len(s.All(token)); return nil }); err != nil {
		e.Fatal(err)
	}
	return n
}

// WantError fails the test unless an error has a text.
func WantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got error %v; want one with %q", err, text)
	}
}

// SSHKey is a public key.
const SSHKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE test"
