package observe

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"hybrid/internal/fakecloud"
)

// observer looks at a made-up cloud.
func observer(t *testing.T, c *fakecloud.Cloud) *Observer {
	t.Helper()
	s, err := parseOutputs("dev", []byte(c.Outputs()))
	if err != nil {
		t.Fatal(err)
	}
	o, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	o.Timeout = 2 * time.Second // a busy machine answers in one
	return o
}

func texts(s *Snapshot) []string {
	var all []string
	for _, p := range s.Problems {
		all = append(all, p.Text)
	}
	return all
}

func TestHealthy(t *testing.T) {
	s := observer(t, fakecloud.New(t, 3, 2)).Look(t.Context())
	if !s.Healthy {
		t.Fatalf("not healthy: %q", texts(s))
	}
	if len(s.Clusters) != 3 || len(s.Clusters[0].Nodes) != 2 || s.Clusters[1].Version != "v1.35.4" {
		t.Errorf("clusters: %+v", s.Clusters)
	}
	if len(s.Mesh.Peers) != 6 || len(s.Mesh.Links) != 15 || len(s.Mesh.Between) != 6 || s.Mesh.Peers[0].Established != 5 {
		t.Errorf("mesh: %+v", s.Mesh)
	}
	if l := s.PostgreSQL.Leader; l == nil || l.Pod != "psql-master-0" || l.Cluster != "london" || l.Position != "0/5000148" || l.Timeline != 1 {
		t.Errorf("leader: %+v", l)
	}
	if s.PostgreSQL.Durability != DurabilityCloud || len(s.PostgreSQL.Risks) > 0 {
		t.Errorf("postgresql: %+v", s.PostgreSQL)
	}
	by := map[string]int{}
	for _, r := range s.PostgreSQL.Replicas {
		by[r.Cluster]++
		if !r.OK || r.State != "streaming" || r.Sync != "quorum" || !r.Electable || *r.LagBytes != 0 || *r.LagSeconds != 0 {
			t.Errorf("replica: %+v", r)
		}
	}
	if by["frankfurt"] != 4 || by["london"] != 2 {
		t.Errorf("replicas by cluster: %v, want 4 in frankfurt and 2 in london", by)
	}
	if f := s.Federation; len(f.Members) != 3 || len(f.Policies) != 2 || len(f.Placements) != 2 || f.Placements[0].Clusters[0].Ready != 4 {
		t.Errorf("federation: %+v", f)
	}
}

// A cluster that takes connections and never answers is a line, and in time.
func TestDeadCluster(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(t, 3, 2)
	c.Cluster("frankfurt").Silent = true
	start := time.Now()
	s := observer(t, c).Look(t.Context())
	if took := time.Since(start); took > 2500*time.Millisecond {
		t.Errorf("it took %s", took)
	}
	want := []string{
		"cluster frankfurt: its API at " + s.Clusters[1].Server + " does not answer: no answer in time",
		"mesh: the 8 links from frankfurt to america and london are not confirmed: frankfurt does not answer",
		"federation: ReplicaSet default/psql-replica in frankfurt: 4 wanted, and frankfurt does not answer",
		"postgresql: 4 replicas of frankfurt may lag: their cluster does not answer",
		"postgresql: not protected against the loss of america or london: only 1 of 3 members of etcd would be left, and no leader could be elected",
	}
	if found := texts(s); !slices.Equal(found, want) {
		t.Errorf("problems:\n%s\nwant:\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
	lagging := 0
	for _, r := range s.PostgreSQL.Replicas {
		if !r.OK && r.Cluster == "frankfurt" && strings.HasPrefix(r.Node, "frankfurt-") && !r.Electable {
			lagging++
		}
	}
	if lagging != 4 {
		t.Errorf("%d replicas lag, want 4: %+v", lagging, s.PostgreSQL.Replicas)
	}
	if c := s.Clusters[1]; c.Reachable || len(c.Nodes) != 2 || c.Nodes[0].Ready {
		t.Errorf("frankfurt: %+v", c)
	}
}

// A replica that the master has given up is missed all the same.
func TestDeadClusterLater(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(t, 3, 2)
	c.Cluster("frankfurt").Silent = true
	c.Lost = []string{"frankfurt"}
	s := observer(t, c).Look(t.Context())
	missed := 0
	for _, r := range s.PostgreSQL.Replicas {
		if !r.OK && r.Cluster == "frankfurt" {
			missed++
		}
	}
	if missed != 4 || len(s.PostgreSQL.Replicas) != 6 {
		t.Errorf("replicas: %+v, want 4 of frankfurt among 6", s.PostgreSQL.Replicas)
	}
	if want := "mesh: the 8 links from frankfurt to america and london: 8 down"; !slices.Contains(texts(s), want) {
		t.Errorf("found no %q in %q", want, texts(s))
	}
}

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*fakecloud.Cloud)
		want   []string // in this order
	}{
		{"a node not ready", func(c *fakecloud.Cloud) {
			n := c.Cluster("america").Nodes[1]
			n.Status.Conditions[0].Status, n.Status.Conditions[0].Message = corev1.ConditionUnknown, "Kubelet stopped posting node status."
		}, []string{"node america-2 of america is not ready: Kubelet stopped posting node status."}},
		{"a replica killed", func(c *fakecloud.Cloud) {
			x := c.Cluster("frankfurt")
			p := x.Pods[slices.IndexFunc(x.Pods, func(p *corev1.Pod) bool { return p.Labels["app"] == "psql-replica" })]
			p.Name, p.Status = "psql-replica-new", corev1.PodStatus{Phase: corev1.PodPending}
		}, []string{
			"federation: ReplicaSet default/psql-replica in frankfurt: 4 wanted, 3 ready",
			"postgresql: replica psql-replica-new of frankfurt: no stream; its pod: Pending",
		}},
		{"a member lost", func(c *fakecloud.Cloud) {
			c.Lost = []string{"america"}
		}, []string{
			"mesh: all 8 links from america to 2 other clusters are down",
			"mesh: 1 of 1 links within america are down",
			"mesh: 1024 addresses belong to america-1 (7a:00:00:00:00:00), which no peer reaches",
			"mesh: 1024 addresses belong to america-2 (7a:00:00:00:00:01), which no peer reaches",
			"federation: member america is not ready: cluster is not reachable",
		}},
		{"no exec", func(c *fakecloud.Cloud) {
			c.Cluster("london").Refuse = []string{"exec"}
		}, []string{
			"mesh: 2 of 2 peers of london do not answer: london-1: pod kube-system/weave-net-london-1: refused by the test",
			"postgresql: the leader psql-master-0 of london does not answer: pod default/psql-master-0: refused by the test",
		}},
		{"no pods", func(c *fakecloud.Cloud) {
			c.Cluster("america").Refuse = []string{"pods"}
		}, []string{"cluster america: refused by the test"}},
		{"a pod that crashes", func(c *fakecloud.Cloud) {
			p := c.Cluster("america").Pods[0]
			p.Labels = nil
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
		}, []string{"pod kube-system/weave-net-america-1 of america: CrashLoopBackOff"}},
		{"a node that is not there", func(c *fakecloud.Cloud) {
			x := c.Cluster("america")
			x.Nodes[1].Name = "america-3"
		}, []string{"node america-2 of america is not ready: the cluster has no such node"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cloud := fakecloud.New(t, 3, 2)
			o := observer(t, cloud)
			c.change(cloud)
			s := o.Look(t.Context())
			found := texts(s)
			for _, w := range c.want {
				i := slices.IndexFunc(found, func(text string) bool { return strings.HasPrefix(text, w) })
				if i < 0 {
					t.Errorf("found no %q (in this order) in:\n%s", w, strings.Join(texts(s), "\n"))
					continue
				}
				found = found[i+1:]
			}
			for _, p := range s.Problems {
				if !strings.HasPrefix(p.Command, "kubectl --context ") {
					t.Errorf("%q: the command is %q", p.Text, p.Command)
				}
			}
		})
	}
}

// An API that answers, of a machine that doesn't: it tries to reach that for longer
// than anybody waits.
func TestDeadMachine(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(t, 3, 2)
	c.Cluster("london").Hang = []string{"exec"}
	start := time.Now()
	s := observer(t, c).Look(t.Context())
	if took := time.Since(start); took > 2500*time.Millisecond {
		t.Errorf("it took %s", took)
	}
	for _, want := range []string{
		"mesh: 2 of 2 peers of london do not answer: london-1: no answer in time",
		"postgresql: the leader psql-master-0 of london does not answer: no answer in time",
	} {
		if !slices.Contains(texts(s), want) {
			t.Errorf("found no %q in %q", want, texts(s))
		}
	}
}

// What isn't there isn't a problem.
func TestNothingInstalled(t *testing.T) {
	c := fakecloud.New(t, 1, 1)
	x := c.Clusters[0]
	x.Pods = slices.DeleteFunc(x.Pods, func(p *corev1.Pod) bool { return len(p.Labels) > 0 })
	s, err := parseOutputs("", []byte(c.Outputs()))
	if err != nil {
		t.Fatal(err)
	}
	delete(s.Kubeconfig.Contexts, FederationContext)
	o, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	found := o.Look(t.Context())
	if !found.Healthy || found.Mesh.Installed || found.Federation.Installed || found.PostgreSQL.Installed || found.Zone.Installed {
		t.Errorf("found %+v", found)
	}
}

func TestStack(t *testing.T) {
	c := fakecloud.New(t, 3, 1)
	path := filepath.Join(t.TempDir(), "the kubeconfig")
	if err := os.WriteFile(path, []byte(c.Kubeconfig()), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := FromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Clusters) != 3 || s.Clusters[0].Name != "america" {
		t.Errorf("clusters: %+v", s.Clusters)
	}
	if got, want := s.Kubectl("london"), "kubectl --kubeconfig '"+path+"' --context london"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	c.Pulumi(t)
	if s, err = FromPulumi(t.Context(), "dev"); err != nil {
		t.Fatal(err)
	}
	if len(s.Clusters) != 3 || s.Clusters[0].Region != "us-west1" || !s.Clusters[0].FederationHost || !slices.Equal(s.Clusters[0].Nodes, []string{"america-1"}) {
		t.Errorf("clusters: %+v", s.Clusters)
	}
	slow := filepath.Join(t.TempDir(), "pulumi")
	if err := os.WriteFile(slow, []byte("#!/bin/sh\nsleep 60 & wait\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(slow)+":"+os.Getenv("PATH"))
	pulumiTimeout = 200 * time.Millisecond
	defer func() { pulumiTimeout = defaultPulumiTimeout }()
	start := time.Now()
	if _, err := FromPulumi(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "no answer") || time.Since(start) > 5*time.Second {
		t.Errorf("a Pulumi that hangs: %v after %s", err, time.Since(start))
	}
	if _, err := parseOutputs("", []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "pulumi up") {
		t.Errorf("an empty stack: %v", err)
	}
}
