package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// When a control plane's machine is gone, what was in its cluster is gone with it: the engine
// deletes nothing of that by itself. It couldn't, for it has closed the provider then
// (Registry.Diff in https://github.com/pulumi/pulumi/blob/v3.253.0/pkg/resource/deploy/providers/registry.go).
//
// Nothing of what stays goes with it, and where there are backups the state doesn't tell what
// was made of the machine.
func TestWhatWasInALostClusterIsNotDeletedByItself(t *testing.T) {
	clusters := []string{"london", "frankfurt", "america"}
	for _, host := range clusters {
		for _, backups := range []bool{false, true} {
			r, err := after(mockcloud.Former{}, false, hostedBy(t, host, backups))
			if err != nil {
				t.Fatal(err)
			}
			for _, lost := range clusters {
				ends := []string{lost + "-kubernetes"}
				if lost == host {
					ends = append(ends, "federation-kubernetes")
				}
				machine := r.Find(t, lost+"-1")
				// A machine that the state has forgotten is made, and not replaced.
				for _, root := range []string{machine.Name + " " + machine.TypeToken, lost + "-1-first-contact command:remote:Command"} {
					e := &engine{record: r, replaces: replacing(t)}
					e.replace(t, root)
					if e.deleted[lost+"-kubernetes pulumi:providers:kubernetes"] == backups {
						t.Errorf("backups %t: whether what is in %s goes with its machine is told by the state", backups, lost)
					}
					e.replace(t, lost+"-life random:index/randomId:RandomId")
					e.make(lost+"-1-first-contact", lost+"-1-prepare", lost+"-1-snapshots", lost+"-1-init")
					e.end(t, ends)
				}
			}
		}
	}
}

// hostedBy is the config of three clusters, of which one hosts the federation, with backups
// or without.
func hostedBy(t *testing.T, host string, backups bool) map[string]string {
	t.Helper()
	config := stackConfig(t, "Pulumi.dev.yaml")
	clusters := strings.Replace(listed(""), `,"federationHost":true`, "", 1)
	config["hybrid:clusters"] = strings.Replace(clusters, `"name":"`+host+`"`, `"name":"`+host+`","federationHost":true`, 1)
	if backups {
		config["hybrid:backup"] = strings.Replace(config["hybrid:backup"], `"enabled":false`, `"enabled":true`, 1)
	}
	return config
}

// engine does in one update as Pulumi's does with resources that are deleted before they are
// replaced (https://github.com/pulumi/pulumi/blob/v3.253.0/pkg/resource/deploy/step_generator.go).
type engine struct {
	record   *mockcloud.Record
	replaces func(token, property string) bool
	// deleted is what has gone because of others, by name and type, and again is what is
	// there again since.
	deleted, again map[string]bool
}

// gone says whether a resource counts as deleted when others go.
func (e *engine) gone(key string) bool { return e.deleted[key] && !e.again[key] }

// make makes commands again.
func (e *engine) make(names ...string) {
	e.again = map[string]bool{}
	for _, name := range names {
		e.again[name+" command:remote:Command"] = true
	}
}

// replace replaces a resource, unless it has gone already, after what goes because of it.
func (e *engine) replace(t *testing.T, root string) {
	t.Helper()
	if e.deleted[root] {
		return
	}
	if !e.record.Made[root].RegisterRPC.GetDeleteBeforeReplace() {
		t.Errorf("%s isn't deleted before it is replaced", root)
	}
	all := replacedWith(e.record, root, e.replaces)
	delete(all, root) // which doesn't count as deleted when others go
	if e.deleted == nil {
		e.deleted = map[string]bool{}
	}
	maps.DeleteFunc(all, func(key string, _ bool) bool { return e.deleted[key] })
	maps.Copy(e.deleted, all)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		a := e.record.Made[key].RegisterRPC
		with := named(a.GetDeletedWith())
		if all[named(a.GetProvider())] && !e.gone(with) {
			t.Errorf("%s is replaced, and %s deleted by a provider that is closed: %s, that it would be deleted with, stays", root, key, with)
		}
		if e.again[with] {
			t.Errorf("%s is replaced, and %s deleted by itself: %s, that it would be deleted with, is there again", root, key, with)
		}
	}
}

// end replaces providers, and expects that all that they have made goes with them, and
// nothing that others have.
func (e *engine) end(t *testing.T, providers []string) {
	t.Helper()
	for _, provider := range providers {
		e.replace(t, provider+" pulumi:providers:kubernetes")
	}
	for key, a := range e.record.Made {
		provider, _, _ := strings.Cut(named(a.RegisterRPC.GetProvider()), " ")
		if strings.HasSuffix(provider, "-kubernetes") && slices.Contains(providers, provider) != e.deleted[key] {
			t.Errorf("%v end, and that %s of %s goes is %t", providers, key, provider, e.deleted[key])
		}
	}
}

// replacedWith are what the engine replaces together with a resource, by name and type: what
// has a property that it takes for unknown then, as one that was made of something that is
// replaced, and is replaced when that changes (calculateDependentReplacements).
func replacedWith(r *mockcloud.Record, root string, replaces func(token, property string) bool) map[string]bool {
	replaced := map[string]bool{root: true}
	again := func(a pulumi.MockResourceArgs) bool {
		if replaced[named(a.RegisterRPC.GetProvider())] {
			return true
		}
		for property, on := range a.RegisterRPC.GetPropertyDependencies() {
			unknown := slices.ContainsFunc(on.GetUrns(), func(urn string) bool { return replaced[named(urn)] })
			if unknown && (replaces(a.TypeToken, property) || unknownReplaces(a.TypeToken, property)) {
				return true
			}
		}
		return false
	}
	for before := 0; before != len(replaced); {
		before = len(replaced)
		for name, a := range r.Made {
			if again(a) {
				replaced[name] = true
			}
		}
	}
	return replaced
}

// unknownReplaces says whether Kubernetes' provider replaces what has a property that is not
// known, as a whole: one that holds some that can't change.
func unknownReplaces(token, property string) bool {
	switch {
	case token == "pulumi:providers:kubernetes":
		return property == "clusterIdentifier"
	case strings.HasPrefix(token, "kubernetes:apps/"):
		return property == "metadata" || property == "spec"
	}
	return strings.HasPrefix(token, "kubernetes:") && property == "metadata"
}

// named is a resource's name and type, of its URN or of a reference to a provider.
func named(urn string) string {
	parts := strings.Split(urn, "::")
	if len(parts) < 4 {
		return ""
	}
	return parts[3] + " " + parts[2][strings.LastIndex(parts[2], "$")+1:]
}
