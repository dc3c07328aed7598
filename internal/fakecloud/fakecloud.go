// Package fakecloud serves, for tests, the APIs of a hybrid cloud of any size:
// Kubernetes' with watches and programs in pods, the federation's, Weave Net's
// report, PostgreSQL's answers and Patroni's.
package fakecloud

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The addresses of pods.
const (
	firstAddress = 10<<24 + 32<<16 // 10.32.0.0
	perNode      = 1024
)

// Cloud is a hybrid cloud. Lock it to change it.
type Cloud struct {
	sync.Mutex
	Clusters []*Cluster
	// Requests are all that were made: method and path with query.
	Requests []Request
	// Lost are clusters that Weave Net and the federation have noticed to be gone.
	Lost []string
	// Leader is the pod that leads; empty if none does.
	Leader string
	// Elsewhere are pods that take writes and have no right to.
	Elsewhere []string
	// Waiting is how long the leader's commits have waited for replicas, in seconds.
	Waiting float64
	// Refused are pods whose Patroni others can't ask, with the reason.
	Refused map[string]string
	// Durability is none if commits wait for no replica.
	Durability string
	// Losses are what pods had committed as the leader, and lost.
	Losses map[string]any
	// Paused says that Patroni doesn't act.
	Paused bool
	// Behind has, for pods without a stream, how many bytes they lack.
	Behind map[string]int64
	// Unmeasured has, for pods that stream, how many bytes they lack while the leader can't tell
	// in seconds.
	Unmeasured map[string]int64
	// Lacking is added to Behind when a database is restored.
	Lacking map[string]int64
	// Refuses is what patronictl says instead of doing anything.
	Refuses string
	// Promotes is how often a candidate still says that it follows, after patronictl.
	Promotes int
	// Disturbed are the pods that were asked for anything after patronictl, but for the
	// candidate.
	Disturbed []string
	chosen    string // the candidate
	// Ran are the commands that patronictl was given, and pods' scripts.
	Ran []string
	// Backup is what the leader's script has written down, and Schedule by what it goes.
	Backup, Schedule map[string]any
	// Snapshots are the data of each cluster's ConfigMap hybrid-snapshots; nil: there is none.
	// One that is asked for is there at once.
	Snapshots map[string]string
	// Backups is what a leader's script says of them.
	Backups string

	http    *httptest.Server
	changed chan struct{}
	version int
}

// Cluster is one of them.
type Cluster struct {
	Name, Cloud, Region string
	Nodes               []*corev1.Node
	Pods                []*corev1.Pod
	Events              []corev1.Event // of nodes
	// Silent clusters take connections and never answer.
	Silent bool
	// Refuse answers these with Forbidden: "pods", "nodes" or "exec".
	Refuse []string
	// Hang never answers these.
	Hang []string
	// answers is what it was asked for a snapshot by.
	answers string
}

// Request is one that was made of a cluster's API, or the federation's.
type Request struct{ Cluster, Method, Path, Query string }

// New serves a cloud until the test ends. Three clusters are those of the default
// stack; psql-master is in the last one in the alphabet, and 6 replicas are divided
// 4 : 2 over the second to last and that.
func New(t testing.TB, clusters, nodes int) *Cloud {
	t.Helper()
	c := &Cloud{changed: make(chan struct{}), Leader: "psql-master-0", Refused: map[string]string{}, Behind: map[string]int64{}}
	for i := range clusters {
		c.Clusters = append(c.Clusters, named(i, clusters))
	}
	slices.SortFunc(c.Clusters, func(a, b *Cluster) int { return strings.Compare(a.Name, b.Name) })
	for _, x := range c.Clusters {
		for n := range nodes {
			name := fmt.Sprintf("%s-%d", x.Name, n+1)
			x.Nodes = append(x.Nodes, &corev1.Node{
				ObjectMeta: c.meta("", name, nil),
				Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
			})
			c.AddPod(x, "kube-system", "weave-net-"+name, name, map[string]string{"name": "weave-net"})
			c.AddPod(x, "kube-system", "kube-proxy-"+name, name, nil)
			if n == 0 {
				for _, part := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
					c.AddPod(x, "kube-system", part+"-"+name, name, nil)
				}
			} else {
				c.AddPod(x, "kube-system", "coredns-"+name, name, nil)
			}
		}
	}
	last := c.Clusters[len(c.Clusters)-1]
	c.AddPod(last, "default", "psql-master-0", last.Nodes[len(last.Nodes)-1].Name, map[string]string{"app": "psql-master"})
	for i := range 6 {
		x := c.replicaCluster(i)
		node := x.Nodes[i%len(x.Nodes)].Name
		c.AddPod(x, "default", fmt.Sprintf("psql-replica-%c%cx%d", 'b'+i, 'k'+i, i), node, map[string]string{"app": "psql-replica"})
	}
	for _, x := range c.Clusters[max(0, len(c.Clusters)-3):] {
		if len(c.Clusters) >= 3 || x == last {
			c.AddPod(x, "default", "psql-etcd-"+x.Name+"-0", x.Nodes[len(x.Nodes)-1].Name, map[string]string{"app": "psql-etcd-" + x.Name, "name": "psql-etcd"})
		}
	}
	c.http = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(func() {
		c.http.CloseClientConnections()
		c.http.Close()
	})
	return c
}

// named is the i-th cluster of so many.
func named(i, of int) *Cluster {
	kinds := []Cluster{
		{Name: "london", Cloud: "digitalocean", Region: "lon1"},
		{Name: "frankfurt", Cloud: "aws", Region: "eu-central-1"},
		{Name: "america", Cloud: "gce", Region: "us-west1"},
	}
	x := kinds[i%3]
	if of > 3 {
		x.Name = fmt.Sprintf("%s%02d", x.Name, i/3+1)
	}
	return &x
}

// replicaCluster is where the i-th replica is.
func (c *Cloud) replicaCluster(i int) *Cluster {
	if i < 4 && len(c.Clusters) > 1 {
		return c.Clusters[len(c.Clusters)-2]
	}
	return c.Clusters[len(c.Clusters)-1]
}

func (c *Cloud) meta(namespace, name string, labels map[string]string) metav1.ObjectMeta {
	c.version++
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels, ResourceVersion: strconv.Itoa(c.version)}
}

// AddPod adds a pod that runs.
func (c *Cloud) AddPod(x *Cluster, namespace, name, node string, labels map[string]string) {
	x.Pods = append(x.Pods, &corev1.Pod{
		ObjectMeta: c.meta(namespace, name, labels),
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: container(labels)}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: c.address(node, len(x.Pods)+1),
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	})
}

// container is the name of a pod's only one.
func container(labels map[string]string) string {
	switch {
	case labels["name"] == "weave-net":
		return "weave"
	case labels["app"] == "psql-master" || labels["app"] == "psql-replica":
		return "postgres"
	}
	return "main"
}

// share is the number of a node among all, and how many there are.
func (c *Cloud) share(node string) (number, of int) {
	for _, x := range c.Clusters {
		for _, n := range x.Nodes {
			if n.Name == node {
				number = of
			}
			of++
		}
	}
	return number, of
}

// address is the i-th of a node's.
func (c *Cloud) address(node string, i int) string {
	number, _ := c.share(node)
	a := firstAddress + number*perNode + i
	return fmt.Sprintf("%d.%d.%d.%d", a>>24, a>>16&255, a>>8&255, a&255)
}

// Changed makes the watches look for what has changed. Objects that have need a new
// version: see Touch. Call it without the lock.
func (c *Cloud) Changed() {
	c.Lock()
	defer c.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// Touch gives an object a new version.
func (c *Cloud) Touch(m *metav1.ObjectMeta) {
	c.version++
	m.ResourceVersion = strconv.Itoa(c.version)
}

// Cluster finds one by its name.
func (c *Cloud) Cluster(name string) *Cluster {
	for _, x := range c.Clusters {
		if x.Name == name {
			return x
		}
	}
	return nil
}

// Kubeconfig is the text of a kubeconfig with a context for each cluster, and the
// federation's.
func (c *Cloud) Kubeconfig() string {
	type named map[string]any
	config := named{"apiVersion": "v1", "kind": "Config", "users": []named{{"name": "test", "user": named{"token": "test"}}}}
	var clusters, contexts []named
	names := []string{"federation-cluster"}
	for _, x := range c.Clusters {
		names = append(names, x.Name)
	}
	for _, n := range names {
		clusters = append(clusters, named{"name": n, "cluster": named{"server": c.http.URL + "/" + n}})
		contexts = append(contexts, named{"name": n, "context": named{"cluster": n, "user": "test"}})
	}
	config["clusters"], config["contexts"] = clusters, contexts
	text, err := json.Marshal(config)
	if err != nil {
		panic(err) // maps and texts
	}
	return string(text)
}

// Outputs are a stack's, as `pulumi stack output --json` prints them.
func (c *Cloud) Outputs() string {
	clusters := map[string]any{}
	for _, x := range c.Clusters {
		var nodes []map[string]string
		for _, n := range x.Nodes {
			nodes = append(nodes, map[string]string{"name": n.Name, "publicAddress": "198.51.100.1"})
		}
		clusters[x.Name] = map[string]any{"cloud": x.Cloud, "region": x.Region, "nodes": nodes, "sshUser": "root", "federationHost": x.Cloud == "gce"}
	}
	text, err := json.Marshal(map[string]any{"clusters": clusters, "kubeconfig": c.Kubeconfig(), "next": "…"})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Pulumi puts a program on PATH that prints Outputs, whatever it is asked.
func (c *Cloud) Pulumi(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\ncat <<'END'\n" + c.Outputs() + "\nEND\n"
	if err := os.WriteFile(filepath.Join(dir, "pulumi"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}
