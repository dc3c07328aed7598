package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"sigs.k8s.io/yaml"

	"hybrid/lab/clouds/digitalocean"
	"hybrid/lab/registry"
	"hybrid/lab/system/docker"
)

// want is what Pulumi.dev.yaml and Pulumi.yaml's defaults describe.
var want = map[string][]string{
	"london":    {"london-1", "london-2"},
	"frankfurt": {"frankfurt-1", "frankfurt-2"},
	"america":   {"america-1", "america-2"},
}

// warmLimit bounds `pulumi up` from nothing, to six replicas that stream, with
// everything built and cached: 4 minutes on two cores of which no other program has a
// share, and half as much again.
const warmLimit = 6 * time.Minute

// TestClusters goes through the life of a stack: each part needs the one before.
func TestClusters(t *testing.T) {
	l := open(t)
	l.steps(t, []part{
		{name: "wrong settings create nothing", run: wrongSettings},
		{name: "preview from nothing", run: previewFromNothing},
		{name: "up", run: up},
		{name: "nothing to change afterwards", run: noChanges},
		{name: "no secret in the clear", run: noSecrets},
		{name: "firewalls are enforced", run: firewalls},
		{name: "hardened as the benchmark asks", run: hardened},
		{name: "pending reboots are reported", run: func(l *lab) { rebootsReported(l, "frankfurt", "frankfurt-2") }},
		{name: "pending reboots are done, one node at a time", run: reboots, long: true},
		{name: "drift is shown and repaired", run: drift},
		{name: "changed settings of kubeadm reach running clusters", run: reconfigured, long: true},
		{name: "what ends a cluster is refused", run: refusals},
		{name: "cut off from a cluster", run: cutOff},
		{name: "control planes lost", run: controlPlanesLost, long: true},
		{name: "one worker more and one fewer", run: workers},
	})
	l.leave()
}

// TestLongKilled kills `pulumi up` from nothing at three points; `make e2e-long` runs it.
func TestLongKilled(t *testing.T) { killed(open(t)) }

func wrongSettings(l *lab) {
	before := l.docker()
	text, err := os.ReadFile(filepath.Join("testdata", "wrong.yaml"))
	if err != nil {
		l.Fatal(err)
	}
	path := filepath.Join(l.TempDir(), "Pulumi.dev.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		l.Fatal(err)
	}
	out, err := l.pulumi("up", "--yes", "--skip-preview", "--config-file="+path)
	if err == nil {
		l.Fatal("pulumi up took settings that are all wrong")
	}
	for _, problem := range []string{
		`azure`,             // unknown cloud
		`is there twice`,    // duplicate name
		`overlaps`,          // CIDRs
		`workers`,           // zero nodes
		`v1.99`,             // version
		`federationHost`,    // two hosts
		`hybrid:adminCidrs`, // no network at all
	} {
		if !strings.Contains(out, problem) {
			l.Errorf("the message doesn't name %q", problem)
		}
	}
	if _, resources := l.export(); len(resources) > 1 { // the stack itself may be there
		l.Errorf("%d resources have been registered", len(resources))
	}
	if after := l.docker(); !slices.Equal(before, after) {
		l.Errorf("in Docker there were %v, now there are %v", before, after)
	}
}

func previewFromNothing(l *lab) {
	logs := filepath.Join(l.stack.State, "pulumi", "logs")
	if err := os.RemoveAll(logs); err != nil { // of an earlier version
		l.Fatal(err)
	}
	out := l.must("preview")
	if _, err := os.Stat(logs); !errors.Is(err, fs.ErrNotExist) {
		l.Errorf("Pulumi logs all that it does: %v; see lab/build/edits.go", err)
	}
	for _, resource := range []string{
		"digitalocean:index:Droplet", "aws:ec2:Instance", "gcp:compute:Instance",
		"london-2-join", "frankfurt-1-init", "america-kubernetes",
	} {
		if !strings.Contains(out, resource) {
			l.Errorf("the preview doesn't list %s", resource)
		}
	}
	if got := l.docker(); len(got) > 0 {
		l.Errorf("a preview has created %v", got)
	}
}

func up(l *lab) {
	start := time.Now()
	out := l.up()
	if took := time.Since(start); took > warmLimit {
		l.Errorf("pulumi up took %s, want at most %s", took.Round(time.Second), warmLimit)
	}
	for _, secret := range l.secrets() {
		if strings.Contains(out, secret) {
			l.Error("pulumi up has printed a secret")
		}
	}
	l.allReady(want)
}

// allReady checks the clusters' nodes, and that each cluster's own services run.
func (l *lab) allReady(want map[string][]string) {
	l.Helper()
	for cluster, nodes := range want {
		l.eventually(time.Minute, func() error {
			got := l.nodes(cluster)
			if !slices.Equal(slices.Sorted(maps.Keys(got)), nodes) {
				return fmt.Errorf("%s has nodes %v, want %v", cluster, got, nodes)
			}
			for node, ready := range got {
				if !ready {
					return fmt.Errorf("%s: node %s is not Ready", cluster, node)
				}
			}
			return l.coreDNS(cluster, nodes)
		})
	}
}

// noChanges is for all that there is: mesh, federation, names and database too. The
// parts of tests that change something end with a preview.
func noChanges(l *lab) {
	l.must("up", "--yes", "--skip-preview", "--expect-no-changes")
	l.must("refresh", "--yes", "--skip-preview", "--expect-no-changes")
}

// workers adds a worker, of the vendor's own image, and takes it away.
func workers(l *lab) {
	more := l.config(func(settings map[string]any) {
		settings["hybrid:clusters"] = clustersWith(l, "london", 2)
	})
	before := l.ids()
	os.Setenv(digitalocean.QuirksVariable, digitalocean.StockImage)
	defer os.Unsetenv(digitalocean.QuirksVariable)
	l.up(more)
	grown := maps.Clone(want)
	grown["london"] = []string{"london-1", "london-2", "london-3"}
	l.allReady(grown)
	installed(l, "london-3")
	after := l.ids()
	for urn, id := range before {
		if after[urn] != id {
			l.Errorf("%s was %s, now it is %q: one more worker must only create", urn, id, after[urn])
		}
	}
	l.up() // the settings without it
	l.allReady(want)
	if now := l.ids(); !maps.Equal(now, before) {
		l.Errorf("one worker fewer has left other resources than before:\n%v\nwant\n%v", now, before)
	}
}

// installed checks that nodes, whose machines had no Kubernetes, have got it from the lab's
// repository, and keep its version.
func installed(l *lab, nodes ...string) {
	l.Helper()
	for _, node := range nodes {
		held := strings.Fields(l.run(node, "ls /var/lib/hybrid/packages.done >/dev/null && apt-mark showhold"))
		for _, name := range []string{"kubeadm", "kubectl", "kubelet"} {
			version := strings.TrimSpace(l.run(node, "dpkg-query --show --showformat '${Version}' "+name))
			if !strings.HasPrefix(version, strings.TrimPrefix(registry.Kubernetes, "v")+"-") || !slices.Contains(held, name) {
				l.Errorf("%s: package %s is of version %s, and held are %q; want %s, held", node, name, version, held, registry.Kubernetes)
			}
		}
	}
}

// ids maps the custom resources of the state to their IDs.
func (l *lab) ids() map[string]string {
	l.Helper()
	ids := map[string]string{}
	_, resources := l.export()
	for _, r := range resources {
		if r.Custom {
			ids[r.URN] = r.ID
		}
	}
	return ids
}

// empty checks that nothing of the lab is left.
func (l *lab) empty() {
	l.Helper()
	if left := l.docker(); len(left) > 0 {
		l.Errorf("destroy has left %v", left)
	}
	if _, resources := l.export(); len(resources) > 0 {
		l.Errorf("destroy has left %d resources in the state", len(resources))
	}
}

// docker lists the names of all containers, networks and volumes with the
// lab's label.
func (l *lab) docker() []string {
	l.Helper()
	cli, err := docker.Connect(l.ctx)
	if err != nil {
		l.Fatal(err)
	}
	defer cli.Close()
	labelled := filters.NewArgs(filters.Arg("label", docker.Label))
	var names []string
	containers, err := cli.ContainerList(l.ctx, container.ListOptions{All: true, Filters: labelled})
	if err != nil {
		l.Fatal(err)
	}
	for _, c := range containers {
		names = append(names, "container "+strings.Join(c.Names, ","))
	}
	networks, err := cli.NetworkList(l.ctx, network.ListOptions{Filters: labelled})
	if err != nil {
		l.Fatal(err)
	}
	for _, n := range networks {
		names = append(names, "network "+n.Name)
	}
	volumes, err := cli.VolumeList(l.ctx, volume.ListOptions{Filters: labelled})
	if err != nil {
		l.Fatal(err)
	}
	for _, v := range volumes.Volumes {
		names = append(names, "volume "+v.Name)
	}
	slices.Sort(names)
	return names
}

// clustersWith are the program's own clusters, one of them with so many workers.
func clustersWith(l *lab, name string, workers int) []any {
	l.Helper()
	all := defaultClusters(l)
	for _, c := range all {
		if c := c.(map[string]any); c["name"] == name {
			c["workers"] = workers
		}
	}
	return all
}

// defaultClusters are the program's own.
func defaultClusters(l *lab) []any {
	l.Helper()
	text, err := os.ReadFile(filepath.Join(l.stack.Project, "Pulumi.yaml"))
	if err != nil {
		l.Fatal(err)
	}
	var file struct {
		Config struct {
			Clusters struct{ Default []map[string]any }
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		l.Fatal(err)
	}
	var clusters []any
	for _, c := range file.Config.Clusters.Default {
		clusters = append(clusters, c)
	}
	return clusters
}
