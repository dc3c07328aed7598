package reboot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttest "k8s.io/client-go/testing"

	"hybrid/internal/observe"
)

// world is three clusters of two nodes, whose machines reboot when they are asked.
type world struct {
	*Rebooter
	t       *testing.T
	clients map[string]*fake.Clientset
	// log is what happens to nodes and pods.
	log []string
	// told is what users are.
	told []string
	// stuck are nodes whose machines don't reboot.
	stuck []string
	// database is how it is.
	database observe.PostgreSQL
	// boots counts them.
	boots int
}

var (
	nodesResource = corev1.SchemeGroupVersion.WithResource("nodes")
	podsResource  = corev1.SchemeGroupVersion.WithResource("pods")
)

// newWorld is for a test in a bubble, where time passes at once when all wait.
func newWorld(t *testing.T) *world {
	w := &world{t: t, clients: map[string]*fake.Clientset{}}
	w.database = observe.PostgreSQL{Installed: true, Leader: &observe.Server{}, Replicas: []observe.Stream{{Pod: "psql-replica-a", OK: true}}}
	w.Rebooter = &Rebooter{
		Database: func(context.Context) *observe.PostgreSQL { return &w.database },
		Kubectl:  func(cluster string) string { return "kubectl --context " + cluster },
		Tell:     func(line string) { w.told = append(w.told, line) },
		Limits:   DefaultLimits,
	}
	for _, name := range []string{"america", "frankfurt", "london"} {
		client := fake.NewClientset()
		w.clients[name] = client
		c := &Cluster{Name: name, Host: name == "america", Client: client}
		for i := range 2 {
			node := fmt.Sprintf("%s-%d", name, 2-i)
			c.Nodes = append(c.Nodes, node)
			labels := map[string]string{}
			if i == 1 {
				labels[controlPlane] = ""
			}
			w.add(name, &corev1.Node{
				ObjectMeta: metav1.ObjectMeta{Name: node, Labels: labels, Annotations: map[string]string{observe.RebootAnnotation: observe.NoReboot}},
				Status: corev1.NodeStatus{
					NodeInfo:   corev1.NodeSystemInfo{BootID: "boot-" + node},
					Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
				},
			})
			w.pod(name, node, "proxy-"+node, "DaemonSet")
			w.pod(name, node, "web-"+node, "ReplicaSet")
		}
		client.PrependReactor("get", "nodes", func(a clienttest.Action) (bool, runtime.Object, error) {
			w.machine(name, a.(clienttest.GetAction).GetName())
			return false, nil, nil
		})
		client.PrependReactor("patch", "nodes", func(a clienttest.Action) (bool, runtime.Object, error) {
			w.patched(a.(clienttest.PatchAction))
			return false, nil, nil
		})
		client.PrependReactor("create", "pods", func(a clienttest.Action) (bool, runtime.Object, error) {
			if a.GetSubresource() != "eviction" {
				return false, nil, nil
			}
			return true, nil, w.evicted(name, a.(clienttest.CreateAction).GetObject().(*policyv1.Eviction))
		})
		w.Clusters = append(w.Clusters, c)
	}
	return w
}

func (w *world) add(cluster string, object runtime.Object) {
	w.t.Helper()
	if err := w.clients[cluster].Tracker().Add(object); err != nil {
		w.t.Fatal(err)
	}
}

// pod adds one that is ready, with a controller of a kind, or none.
func (w *world) pod(cluster, node, name, kind string) {
	w.t.Helper()
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{NodeName: node},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{ContainerID: "containerd://" + name}},
		},
	}
	if kind != "" {
		yes := true
		p.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: "owner", Controller: &yes}}
	}
	w.add(cluster, p)
}

// node reads one past the client, for what isn't part of a turn.
func (w *world) node(name string) *corev1.Node {
	cluster, _, _ := strings.Cut(name, "-")
	object, err := w.clients[cluster].Tracker().Get(nodesResource, "", name)
	if err != nil {
		w.t.Fatal(err)
	}
	return object.(*corev1.Node)
}

// change changes one past the client.
func (w *world) change(name string, change func(*corev1.Node)) {
	cluster, _, _ := strings.Cut(name, "-")
	n := w.node(name).DeepCopy()
	change(n)
	if err := w.clients[cluster].Tracker().Update(nodesResource, n, ""); err != nil {
		w.t.Fatal(err)
	}
}

// waits has nodes wait for a reboot.
func (w *world) waits(nodes ...string) {
	for _, name := range nodes {
		w.change(name, func(n *corev1.Node) { n.Annotations[observe.RebootAnnotation] = "libc6" })
	}
}

func ready(n *corev1.Node, is corev1.ConditionStatus) { n.Status.Conditions[0].Status = is }

// machine does what a node's does: goes down when it is asked, boots, is Ready, and then has
// its containers again.
func (w *world) machine(cluster, name string) {
	if slices.Contains(w.stuck, name) {
		return
	}
	n := w.node(name)
	switch {
	case n.Annotations[ask] == n.Status.NodeInfo.BootID && isReady(n):
		w.change(name, func(n *corev1.Node) { ready(n, corev1.ConditionFalse) })
	case n.Annotations[ask] == n.Status.NodeInfo.BootID:
		w.boots++
		w.log = append(w.log, name+" boots")
		w.change(name, func(n *corev1.Node) {
			n.Status.NodeInfo.BootID = fmt.Sprintf("boot %d", w.boots)
			n.Annotations[observe.RebootAnnotation] = observe.NoReboot
		})
	case !isReady(n):
		w.change(name, func(n *corev1.Node) { ready(n, corev1.ConditionTrue) })
		list, err := w.clients[cluster].Tracker().List(podsResource, corev1.SchemeGroupVersion.WithKind("Pod"), "")
		if err != nil {
			w.t.Fatal(err)
		}
		for _, p := range list.(*corev1.PodList).Items {
			if p.Spec.NodeName == name {
				p.Status.ContainerStatuses[0].ContainerID += fmt.Sprint(" of boot ", w.boots)
				if err := w.clients[cluster].Tracker().Update(podsResource, &p, p.Namespace); err != nil {
					w.t.Fatal(err)
				}
			}
		}
	}
}

// patched writes down what a turn does to a node.
func (w *world) patched(a clienttest.PatchAction) {
	var p struct {
		Spec struct{ Unschedulable *bool }
	}
	if err := json.Unmarshal(a.GetPatch(), &p); err != nil {
		w.t.Error(err)
	}
	if u := p.Spec.Unschedulable; u != nil {
		w.log = append(w.log, fmt.Sprintf("%s cordoned %v", a.GetName(), *u))
	}
}

// evicted removes a pod, unless a budget of its name keeps it.
func (w *world) evicted(cluster string, e *policyv1.Eviction) error {
	budgets := policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets")
	if _, err := w.clients[cluster].Tracker().Get(budgets, e.Namespace, e.Name); err == nil {
		return apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
	}
	w.log = append(w.log, e.Name+" leaves")
	return w.clients[cluster].Tracker().Delete(podsResource, e.Namespace, e.Name)
}

// budget keeps a pod.
func (w *world) budget(cluster, pod string) {
	w.add(cluster, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: pod},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": pod}}},
	})
}

// broken has a cluster not answer.
func (w *world) broken(cluster string) {
	w.clients[cluster].PrependReactor("*", "*", func(clienttest.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("no route to host")
	})
}

// untouched wants no change to have been asked for.
func (w *world) untouched() {
	w.t.Helper()
	for name, client := range w.clients {
		for _, a := range client.Actions() {
			if !slices.Contains([]string{"get", "list"}, a.GetVerb()) {
				w.t.Errorf("%s: found %s of %s, want no change", name, a.GetVerb(), a.GetResource().Resource)
			}
		}
	}
}

// plan wants one that is not refused.
func (w *world) plan(clusters, nodes []string) []Turn {
	w.t.Helper()
	turns, err := w.Plan(w.t.Context(), clusters, nodes)
	if err != nil {
		w.t.Fatal(err)
	}
	return turns
}

func names(turns []Turn) (all []string) {
	for _, t := range turns {
		all = append(all, t.Node)
	}
	return all
}
