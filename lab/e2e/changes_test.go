package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestLongChanges changes, in a stack that is there, the settings that stop machines; `make
// e2e-long` runs it. It begins with as few steps at a time as there
// can be.
func TestLongChanges(t *testing.T) {
	l := open(t)
	l.steps(t, []part{
		{name: "up, one step at a time", run: func(l *lab) { l.up("--parallel", "1"); l.converged(want) }},
		{name: "machine types, one node at a time", run: machineTypes},
	})
	l.leave()
}

// TestLongReplacements changes what ends a cluster, in a stack whose federation's host is
// none of those; `make e2e-long` runs it.
func TestLongReplacements(t *testing.T) {
	l := open(t)
	var e edits
	l.steps(t, []part{
		{name: "up", run: func(l *lab) { c := l.edited("london", nil, "lab"); l.up(c); l.converged(want, c) }},
		{name: "gcp:project", run: otherProject},
		{name: "networkCidr on GCE", run: replaced(&e, "america", "networkCidr", "10.31.0.0/24")},
		{name: "networkCidr on AWS", run: replaced(&e, "frankfurt", "networkCidr", "10.21.0.0/24")},
		{name: "zone on AWS", run: replaced(&e, "frankfurt", "zone", "eu-central-1b")},
	})
}

// TestLongFewPlaces makes nine nodes with four steps at a time; `make e2e-long` runs it.
func TestLongFewPlaces(t *testing.T) {
	l := open(t)
	workers := map[string]int{"london": 2, "frankfurt": 3, "america": 1}
	nodes := map[string][]string{}
	for name, n := range workers {
		for i := range n + 1 {
			nodes[name] = append(nodes[name], fmt.Sprintf("%s-%d", name, i+1))
		}
	}
	more := l.config(func(settings map[string]any) {
		all := defaultClusters(l)
		for _, c := range all {
			c.(map[string]any)["workers"] = workers[c.(map[string]any)["name"].(string)]
		}
		settings["hybrid:clusters"] = all
	})
	l.up("--parallel", "4", more)
	l.allReady(nodes)
	l.must("preview", "--expect-no-changes", more)
}

// converged checks that all is well, and that there is nothing to do.
func (l *lab) converged(want map[string][]string, config ...string) {
	l.Helper()
	l.allReady(want)
	l.eventually(streamLimit, func() error { return l.follow("", seeds) })
	l.must(append([]string{"preview", "--expect-no-changes"}, config...)...)
}

// edits are other values of clusters' settings, by cluster and key.
type edits map[string]map[string]any

// with returns the edits and one more.
func (e edits) with(cluster, key string, value any) edits {
	out := edits{cluster: {}}
	for c, values := range e {
		out[c] = maps.Clone(values)
	}
	out[cluster][key] = value
	return out
}

// edited are the settings of Pulumi.dev.yaml with edits, in a project of Google's, and
// with the federation in a cluster.
func (l *lab) edited(host string, e edits, project string) string {
	l.Helper()
	return l.config(func(settings map[string]any) {
		all := defaultClusters(l)
		for _, c := range all {
			c := c.(map[string]any)
			c["federationHost"] = c["name"] == host
			maps.Copy(c, e[c["name"].(string)])
		}
		settings["hybrid:clusters"], settings["gcp:project"] = all, project
	})
}

// refusals previews what would end a cluster. That up refuses as the preview does is seen
// with the first.
func refusals(l *lab) {
	before := l.ids()
	all := edits{}.with("america", "networkCidr", "10.31.0.0/24").with("frankfurt", "networkCidr", "10.21.0.0/24").with("frankfurt", "zone", "eu-central-1b")
	config := l.edited("america", all, "lab-two")
	for _, verb := range [][]string{{"preview"}, updating} {
		out, err := l.pulumi(append(slices.Clone(verb), config)...)
		if err == nil {
			l.Errorf("pulumi %s has not refused what ends clusters", verb[0])
		}
		// america can't be replaced at all: it hosts the federation.
		for change, way := range map[string]string{
			`cluster "america": networkCidr changes`: "pulumi destroy", `cluster "america": gcp:project changes`: "pulumi destroy",
			`cluster "frankfurt": networkCidr changes`: "replace: true", `cluster "frankfurt": zone changes`: "replace: true",
		} {
			_, line, _ := strings.Cut(out, change)
			if line, _, _ = strings.Cut(line, "\n"); !strings.Contains(line, way) {
				l.Errorf("pulumi %s: want a line with %q and %q:\n%s", verb[0], change, way, tail(out, 40))
			}
		}
	}
	if now := l.ids(); !maps.Equal(now, before) {
		l.Errorf("what was refused has changed something: %v, want %v", now, before)
	}
}

// replaced changes a setting that ends a cluster, which the settings allow, on top of the
// edits before.
func replaced(e *edits, cluster, key string, value any) func(*lab) {
	return func(l *lab) {
		*e = e.with(cluster, key, value)
		allowed := l.edited("london", e.with(cluster, "replace", true), "lab")
		if out := l.must("preview", allowed); !strings.Contains(out, fmt.Sprintf("cluster %q ends and another one is made", cluster)) {
			l.Error("the preview doesn't say that the cluster ends")
		}
		before := l.machineIDs()
		l.up(allowed)
		for node, id := range l.machineIDs() {
			if other := before[node] != id; other != (clusterOf(node) == cluster) {
				l.Errorf("%s: its machine is another one: %v", node, other)
			}
		}
		l.converged(want, l.edited("london", *e, "lab"))
	}
}

// otherProject tries to move a cluster to another project of Google's.
func otherProject(l *lab) {
	before := l.ids()
	for _, verb := range [][]string{{"preview"}, {"up", "--yes", "--skip-preview"}} {
		out, err := l.pulumi(append(verb, l.edited("london", edits{}.with("america", "replace", true), "lab-two"))...)
		if err == nil || !strings.Contains(out, "nothing moves between projects") || !strings.Contains(out, "take the cluster out of hybrid:clusters") {
			l.Errorf("%s: %v; want it refused, with what to do", verb[0], err)
		}
	}
	if now := l.ids(); !maps.Equal(now, before) {
		l.Errorf("what was refused has changed something: %v, want %v", now, before)
	}
}

// machineIDs are the IDs of each node's first step: another machine is met again. A new
// machine of Google's has the name, and so the ID, of the former.
func (l *lab) machineIDs() map[string]string {
	l.Helper()
	met := map[string]string{}
	for urn, id := range l.ids() {
		if node, ok := strings.CutSuffix(urn[strings.LastIndex(urn, "::")+2:], "-first-contact"); ok {
			met[node] = id
		}
	}
	return met
}

// machineTypes gives all machines another type, and looks at how many are off at a
// time meanwhile.
func machineTypes(l *lab) {
	var e edits
	for cluster, size := range map[string]string{"london": "s-4vcpu-8gb", "frankfurt": "t3.large", "america": "e2-standard-2"} {
		e = e.with(cluster, "controlPlaneType", size).with(cluster, "workerType", size)
	}
	config := l.edited("america", e, "lab")
	before := l.machineIDs()
	done := make(chan struct{})
	var watching sync.WaitGroup
	var most []string
	stopped := map[string]bool{}
	watching.Go(func() {
		for {
			var off []string
			for cluster := range want {
				for _, m := range l.machines(cluster) {
					if !m.Running {
						off, stopped[m.Name] = append(off, m.Name), true
					}
				}
			}
			if len(off) > len(most) {
				most = off
			}
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	_, err := l.pulumi("up", "--yes", "--skip-preview", config)
	close(done)
	watching.Wait()
	if err != nil {
		l.Fatal(err)
	}
	if len(most) > 1 {
		l.Errorf("%v were off at the same time", most)
	}
	if len(stopped) == 0 {
		l.Error("no machine was seen off: has it been looked at?")
	}
	if now := l.machineIDs(); !maps.Equal(now, before) {
		l.Errorf("machines %v, want those of before, %v", now, before)
	}
	l.converged(want, config)
	for cluster, nodes := range want {
		for _, node := range nodes {
			if cordoned := strings.TrimSpace(l.run(cluster+"-1", "sudo kubectl --kubeconfig /etc/kubernetes/admin.conf get node "+node+" -o jsonpath={.spec.unschedulable}")); cordoned != "" {
				l.Errorf("%s lets no pods in", node)
			}
		}
	}
	l.up()
	if now := l.machineIDs(); !maps.Equal(now, before) {
		l.Errorf("back: machines %v, want %v", now, before)
	}
	l.converged(want)
}
