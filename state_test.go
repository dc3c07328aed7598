package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// recordVariable names a release whose state TestStatesOfReleases is to record.
const recordVariable = "HYBRID_RECORD_STATE"

// recordedResource is what the engine knows of a resource: what its URN is made of, and
// a fingerprint of each input, so that states are small and hold no secret.
type recordedResource struct {
	token, name, parent string
	inputs              map[string]string
}

func (r recordedResource) key() string { return r.token + "\t" + r.name }

// A stack that an earlier release has made goes on: nothing of it is deleted or replaced,
// it keeps its outputs, and what is updated is listed beside the release's state, with
// the reason. What is new may be created.
func TestStatesOfReleases(t *testing.T) {
	if version := os.Getenv(recordVariable); version != "" {
		recordState(t, version)
	}
	states, err := filepath.Glob("testdata/states/*/state.tsv")
	if err != nil || len(states) == 0 {
		t.Fatalf("found no states of releases, %v", err)
	}
	replaces := replacing(t)
	for _, path := range states {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			wasOutputs, was := readState(t, path)
			outputs, is := register(t, filepath.Join(dir, "stack.yaml"))
			for _, name := range wasOutputs {
				if !slices.Contains(outputs, name) {
					t.Errorf("the output %s is gone", name)
				}
			}
			meant := readChanges(t, filepath.Join(dir, "updates.txt"))
			for _, key := range slices.Sorted(maps.Keys(was)) {
				before, after := was[key], is[key]
				switch {
				case after.token == "":
					t.Errorf("%s %s would be deleted: keep its name and type, or give it an alias", before.token, before.name)
					continue
				case after.parent != before.parent:
					t.Errorf("%s %s would be replaced: its parent is %q and was %q", before.token, before.name, after.parent, before.parent)
				}
				for _, property := range changed(before.inputs, after.inputs) {
					if replaces(before.token, property) {
						t.Errorf("%s %s would be replaced: %s has changed", before.token, before.name, property)
					} else if !meant.allow(before, property) {
						t.Errorf("updated, and not listed in %s: if that is meant, add the line\n%s %s %s  # why", filepath.Join(dir, "updates.txt"), before.token, before.name, property)
					}
				}
			}
			for _, line := range meant.unused() {
				t.Errorf("%s lists what isn't updated: %s", filepath.Join(dir, "updates.txt"), line)
			}
		})
	}
}

// register returns the outputs' names and the resources that the program registers with
// a stack's config.
func register(t *testing.T, stack string) (outputs []string, all map[string]recordedResource) {
	t.Helper()
	made, err := run(false, stackConfig(t, stack), func(s *system) { outputs = names("", s.outputs()) })
	if err != nil {
		t.Fatal(err)
	}
	all = map[string]recordedResource{}
	for _, a := range made {
		r := recordedResource{token: a.TypeToken, name: a.Name, inputs: map[string]string{}}
		if parent := a.RegisterRPC.GetParent(); parent != "" {
			r.parent = resource.URN(parent).Name()
		}
		inputs := open(resource.NewProperty(a.Inputs))
		for _, ignored := range a.RegisterRPC.GetIgnoreChanges() {
			path, err := resource.ParsePropertyPath(ignored)
			if err != nil {
				t.Fatal(err)
			}
			path.Delete(inputs)
		}
		for k, v := range inputs.ObjectValue() {
			fingerprints(r.inputs, string(k), v, strings.HasPrefix(a.TypeToken, "kubernetes:"))
		}
		all[r.key()] = r
	}
	return outputs, all
}

// names are the paths of outputs, a.b for what is in a map.
func names(prefix string, outputs pulumi.Map) []string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(outputs)) {
		all = append(all, prefix+k)
		// What is in clusters is named after them.
		if inner, ok := outputs[k].(pulumi.Map); ok && prefix+k != "clusters" {
			all = append(all, names(prefix+k+".", inner)...)
		}
	}
	return all
}

// fingerprints notes one for an input, or, with deep, for each of what it holds.
func fingerprints(to map[string]string, path string, v resource.PropertyValue, deep bool) {
	if deep && v.IsObject() {
		for k, e := range v.ObjectValue() {
			fingerprints(to, path+"."+string(k), e, false)
		}
		return
	}
	text, err := json.Marshal(v.Mappable())
	if err != nil {
		panic(err) // of what is JSON's kinds only
	}
	sum := sha256.Sum256(text)
	to[path] = hex.EncodeToString(sum[:4])
}

// open is a value without its secrets' and outputs' wrappings.
func open(v resource.PropertyValue) resource.PropertyValue {
	v = mockcloud.Open(v)
	switch {
	case v.IsObject():
		o := resource.PropertyMap{}
		for k, e := range v.ObjectValue() {
			o[k] = open(e)
		}
		return resource.NewProperty(o)
	case v.IsArray():
		var a []resource.PropertyValue
		for _, e := range v.ArrayValue() {
			a = append(a, open(e))
		}
		return resource.NewProperty(a)
	}
	return v
}

// changed are the inputs that differ.
func changed(before, after map[string]string) []string {
	all := maps.Clone(before)
	maps.Copy(all, after)
	return slices.Sorted(func(yield func(string) bool) {
		for property := range all {
			if before[property] != after[property] && !yield(property) {
				return
			}
		}
	})
}

// replacing says whether a change of a property can replace a resource: as the table of
// the vendors' plans has it, and Kubernetes' API.
func replacing(t *testing.T) func(token, property string) bool {
	t.Helper()
	text, err := os.ReadFile("lab/plugins/official/testdata/plans.tsv")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if columns := strings.Split(line, "\t"); len(columns) == 4 && columns[2] == "replace" {
			property := strings.FieldsFunc(columns[1], func(r rune) bool { return strings.ContainsRune("=.[", r) })[0]
			all[columns[0]+" "+property] = true
		}
	}
	return func(token, property string) bool {
		// A certificate is renewed by another one, and its key stays: that is no end of it.
		if token == "tls:index/locallySignedCert:LocallySignedCert" && property == "validityPeriodHours" {
			return false
		}
		if strings.HasPrefix(token, "kubernetes:") {
			return slices.Contains([]string{"metadata.name", "metadata.namespace", "roleRef.name", "roleRef.kind", "spec.clusterIP", "spec.volumeClaimTemplates", "spec.serviceName", "type"}, property) ||
				property == "spec.selector" && strings.HasPrefix(token, "kubernetes:apps/")
		}
		return all[token+" "+property]
	}
}

// updates are those that are meant: lines of type, name and property, where * is any
// name, and the reason after #.
type updates struct {
	lines []string
	used  []bool
}

func readChanges(t *testing.T, path string) *updates {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	u := &updates{}
	for line := range strings.Lines(string(text)) {
		what, why, _ := strings.Cut(line, "#")
		if what = strings.Join(strings.Fields(what), " "); what == "" {
			continue
		}
		if strings.TrimSpace(why) == "" || strings.Count(what, " ") != 2 {
			t.Fatalf("%s: want \"type name property # reason\", found %q", path, strings.TrimSpace(line))
		}
		u.lines = append(u.lines, what)
	}
	u.used = make([]bool, len(u.lines))
	return u
}

func (u *updates) allow(r recordedResource, property string) bool {
	for i, line := range u.lines {
		if line == r.token+" "+r.name+" "+property || line == r.token+" * "+property {
			u.used[i] = true
			return true
		}
	}
	return false
}

func (u *updates) unused() (lines []string) {
	for i, line := range u.lines {
		if !u.used[i] {
			lines = append(lines, line)
		}
	}
	return lines
}

// A state is a file of lines, with tabs between columns: "output" and its path, or a
// resource's type, name, parent and inputs.
func readState(t *testing.T, path string) (outputs []string, all map[string]recordedResource) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all = map[string]recordedResource{}
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if columns[0] == "output" {
			outputs = append(outputs, columns[1])
			continue
		}
		r := recordedResource{token: columns[0], name: columns[1], parent: columns[2], inputs: map[string]string{}}
		for _, input := range strings.Fields(columns[3]) {
			property, fingerprint, _ := strings.Cut(input, "=")
			r.inputs[property] = fingerprint
		}
		all[r.key()] = r
	}
	return outputs, all
}

// recordState writes what a stack of this release is: its config, the lab's, and what is
// made of that.
func recordState(t *testing.T, version string) {
	t.Helper()
	dir := filepath.Join("testdata/states", version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile("Pulumi.dev.yaml")
	if err != nil {
		t.Fatal(err)
	}
	outputs, all := register(t, "Pulumi.dev.yaml")
	var b strings.Builder
	for _, name := range outputs {
		fmt.Fprintf(&b, "output\t%s\n", name)
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		r := all[key]
		var inputs []string
		for _, property := range slices.Sorted(maps.Keys(r.inputs)) {
			inputs = append(inputs, property+"="+r.inputs[property])
		}
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", r.token, r.name, r.parent, strings.Join(inputs, " "))
	}
	for name, text := range map[string]string{"stack.yaml": string(config), "state.tsv": b.String(), "updates.txt": "# What this release updates of such a stack: type, name, property, and the reason.\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
