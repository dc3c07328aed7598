package e2e

import (
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"hybrid/lab/registry"
)

// Kinds that say, and show, where objects are placed.
var (
	policyKind  = schema.GroupVersionResource{Group: "policy.karmada.io", Version: "v1alpha1", Resource: "propagationpolicies"}
	bindingKind = schema.GroupVersionResource{Group: "work.karmada.io", Version: "v1alpha2", Resource: "resourcebindings"}
	sharedKind  = schema.GroupVersionResource{Group: "networking.karmada.io", Version: "v1alpha1", Resource: "multiclusterservices"}
)

// placing bounds the time until what the federation is told is so in its members.
const placing = 2 * time.Minute

// idle are replicas that do nothing.
func idle(name string, replicas int32) *appsv1.ReplicaSet {
	return replicaSet(name, replicas, "sleep", "infinity")
}

// serving is one replica that tells who asks for the address of the one who asks,
// and its own.
func serving(name string, port int) *appsv1.ReplicaSet {
	return replicaSet(name, 1, "socat", fmt.Sprintf("TCP4-LISTEN:%d,fork,reuseaddr", port), "SYSTEM:echo $SOCAT_PEERADDR $SOCAT_SOCKADDR")
}

func replicaSet(name string, replicas int32, command ...string) *appsv1.ReplicaSet {
	labels, zero := map[string]string{"app": name}, int64(0)
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.ReplicaSetSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					TerminationGracePeriodSeconds: &zero,
					Containers:                    []corev1.Container{{Name: "main", Image: registry.Tools, Command: command}},
				},
			},
		},
	}
}

// place asks the federation to divide replicas among clusters by weight.
func (l *lab) place(set *appsv1.ReplicaSet, weights map[string]int64) {
	l.Helper()
	var weighted []any
	for _, cluster := range slices.Sorted(maps.Keys(weights)) {
		weighted = append(weighted, map[string]any{
			"targetCluster": map[string]any{"clusterNames": []any{cluster}}, "weight": weights[cluster],
		})
	}
	names := []any{}
	for cluster := range weights {
		names = append(names, cluster)
	}
	policy := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": policyKind.GroupVersion().String(), "kind": "PropagationPolicy",
		"metadata": map[string]any{"name": set.Name},
		"spec": map[string]any{
			"resourceSelectors": []any{map[string]any{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set.Name}},
			"placement": map[string]any{
				"clusterAffinity": map[string]any{"clusterNames": names},
				"replicaScheduling": map[string]any{
					"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
					"weightPreference": map[string]any{"staticWeightList": weighted},
				},
			},
		},
	}}
	if _, err := l.karmada().Resource(policyKind).Namespace("default").Create(l.ctx, policy, metav1.CreateOptions{}); err != nil {
		l.Fatal(err)
	}
	if _, err := l.cluster(federation).AppsV1().ReplicaSets("default").Create(l.ctx, set, metav1.CreateOptions{}); err != nil {
		l.Fatal(err)
	}
}

// scale asks the federation for another number of replicas.
func (l *lab) scale(name string, replicas int) {
	l.Helper()
	_, err := l.cluster(federation).AppsV1().ReplicaSets("default").Patch(l.ctx, name, types.MergePatchType,
		fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas), metav1.PatchOptions{})
	if err != nil {
		l.Fatal(err)
	}
}

// remove takes replicas back, and waits until no cluster has any.
func (l *lab) remove(name string) {
	l.Helper()
	if err := l.cluster(federation).AppsV1().ReplicaSets("default").Delete(l.ctx, name, metav1.DeleteOptions{}); err != nil {
		l.Fatal(err)
	}
	if err := l.karmada().Resource(policyKind).Namespace("default").Delete(l.ctx, name, metav1.DeleteOptions{}); err != nil {
		l.Fatal(err)
	}
	l.eventually(placing, func() error {
		for _, cluster := range l.clusters() {
			if _, err := l.cluster(cluster).AppsV1().ReplicaSets("default").Get(l.ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("%s: ReplicaSet %s is still there: %v", cluster, name, err)
			}
			if pods, err := l.running(cluster, name); err != nil || len(pods) > 0 {
				return fmt.Errorf("%s: %d pods of %s are still there: %v", cluster, len(pods), name, err)
			}
		}
		return nil
	})
}

// running are a cluster's running replicas.
func (l *lab) running(cluster, name string) ([]corev1.Pod, error) {
	list, err := l.cluster(cluster).CoreV1().Pods("default").List(l.ctx, metav1.ListOptions{LabelSelector: "app=" + name})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return !isReady(p) }), nil
}

// placed is how many replicas the federation has assigned to each cluster.
func (l *lab) placed(name string) (map[string]int, error) {
	binding, err := l.karmada().Resource(bindingKind).Namespace("default").Get(l.ctx, name+"-replicaset", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	targets, _, err := unstructured.NestedSlice(binding.Object, "spec", "clusters")
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, t := range targets {
		target := t.(map[string]any)
		replicas, _ := target["replicas"].(int64)
		counts[target["name"].(string)] = int(replicas)
	}
	return counts, nil
}

// spread waits until each cluster runs so many replicas, as the federation says.
func (l *lab) spread(name string, counts map[string]int) {
	l.Helper()
	l.eventually(placing, func() error {
		got, err := l.placed(name)
		if err != nil {
			return err
		}
		if !maps.Equal(got, counts) {
			return fmt.Errorf("%s is placed as %v, want %v", name, got, counts)
		}
		for _, cluster := range l.clusters() {
			if pods, err := l.running(cluster, name); err != nil || len(pods) != counts[cluster] {
				return fmt.Errorf("%s runs %d replicas of %s, want %d: %v", cluster, len(pods), name, counts[cluster], err)
			}
		}
		return nil
	})
}

// record is what must outlive the control plane's parts, each thing with what tells
// it from another: members, how replicas are placed, and the pods in the clusters
// that don't host the control plane.
func (l *lab) record(name string) (map[string]string, error) {
	members, err := l.members()
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for member, m := range members {
		all["member "+member] = m.uid
	}
	for what, o := range map[string]struct {
		kind schema.GroupVersionResource
		name string
	}{"policy": {policyKind, name}, "binding": {bindingKind, name + "-replicaset"}} {
		object, err := l.karmada().Resource(o.kind).Namespace("default").Get(l.ctx, o.name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		all[what+" "+o.name] = string(object.GetUID())
	}
	counts, err := l.placed(name)
	if err != nil {
		return nil, err
	}
	for cluster, n := range counts {
		all["replicas in "+cluster] = fmt.Sprint(n)
		pods, err := l.running(cluster, name)
		if err != nil {
			return nil, err
		}
		for _, p := range pods {
			all["pod "+p.Name] = fmt.Sprintf("%s, restarted %d times", p.UID, p.Status.ContainerStatuses[0].RestartCount)
		}
	}
	return all, nil
}

// share makes a service of one cluster known in another.
func (l *lab) share(name string, port int32, from, to string) {
	l.Helper()
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: port}}},
	}
	if _, err := l.cluster(federation).CoreV1().Services("default").Create(l.ctx, service, metav1.CreateOptions{}); err != nil {
		l.Fatal(err)
	}
	shared := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": sharedKind.GroupVersion().String(), "kind": "MultiClusterService",
		"metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"types":            []any{"CrossCluster"},
			"providerClusters": []any{map[string]any{"name": from}},
			"consumerClusters": []any{map[string]any{"name": to}},
		},
	}}
	if _, err := l.karmada().Resource(sharedKind).Namespace("default").Create(l.ctx, shared, metav1.CreateOptions{}); err != nil {
		l.Fatal(err)
	}
}

// unshare takes a service back, and waits until no cluster has it.
func (l *lab) unshare(name string) {
	l.Helper()
	if err := l.karmada().Resource(sharedKind).Namespace("default").Delete(l.ctx, name, metav1.DeleteOptions{}); err != nil {
		l.Fatal(err)
	}
	if err := l.cluster(federation).CoreV1().Services("default").Delete(l.ctx, name, metav1.DeleteOptions{}); err != nil {
		l.Fatal(err)
	}
	l.eventually(placing, func() error {
		for cluster := range want {
			if _, err := l.cluster(cluster).CoreV1().Services("default").Get(l.ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("%s: service %s is still there: %v", cluster, name, err)
			}
		}
		return nil
	})
}
