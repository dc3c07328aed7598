package observe

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The federation's kinds.
var (
	karmadaClusters = schema.GroupVersionResource{Group: "cluster.karmada.io", Version: "v1alpha1", Resource: "clusters"}
	karmadaPolicies = schema.GroupVersionResource{Group: "policy.karmada.io", Version: "v1alpha1", Resource: "propagationpolicies"}
	karmadaBindings = schema.GroupVersionResource{Group: "work.karmada.io", Version: "v1alpha2", Resource: "resourcebindings"}
)

// policyName is where a binding names the policy that made it.
const policyName = "propagationpolicy.karmada.io/name"

// conditions are those of any object.
type conditions []metav1.Condition

func (all conditions) find(kind string) *metav1.Condition {
	i := slices.IndexFunc(all, func(c metav1.Condition) bool { return c.Type == kind })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// karmadaCluster is the part of a Cluster that is of interest.
type karmadaCluster struct {
	Status struct {
		Conditions conditions `json:"conditions"`
	} `json:"status"`
}

// karmadaBinding is that of a ResourceBinding.
type karmadaBinding struct {
	Spec struct {
		Resource struct {
			Kind      string `json:"kind"`
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		} `json:"resource"`
		Replicas int `json:"replicas"`
		Clusters []struct {
			Name     string `json:"name"`
			Replicas int    `json:"replicas"`
		} `json:"clusters"`
	} `json:"spec"`
	Status struct {
		Conditions       conditions `json:"conditions"`
		AggregatedStatus []struct {
			ClusterName    string          `json:"clusterName"`
			Applied        bool            `json:"applied"`
			AppliedMessage string          `json:"appliedMessage"`
			Status         json.RawMessage `json:"status"`
		} `json:"aggregatedStatus"`
	} `json:"status"`
}

// readFederation asks the federation for its members and what it has placed where.
func (o *Observer) readFederation(ctx context.Context) {
	if o.federation == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	kinds := []schema.GroupVersionResource{karmadaClusters, karmadaPolicies, karmadaBindings}
	lists, errs := make([]*unstructured.UnstructuredList, len(kinds)), make([]error, len(kinds))
	var all sync.WaitGroup
	if o.federation.broken != nil {
		errs[0], kinds = o.federation.broken, nil
	}
	for i, kind := range kinds {
		all.Go(func() { lists[i], errs[i] = o.federation.dynamic.Resource(kind).List(ctx, metav1.ListOptions{}) })
	}
	all.Wait()
	found := &Federation{Installed: true, Reachable: true}
	if err := firstOf(errs...); err != nil {
		found.Reachable, found.Error = false, plain(err).Error()
		// What was seen last is better than nothing.
		o.mu.Lock()
		if last := o.facts.federation; last != nil {
			found.Members, found.Policies, found.Placements = last.Members, last.Policies, last.Placements
		}
		o.mu.Unlock()
	} else {
		found.Members = members(lists[0].Items)
		for _, p := range lists[1].Items {
			found.Policies = append(found.Policies, p.GetNamespace()+"/"+p.GetName())
		}
		slices.Sort(found.Policies)
		found.Placements = placements(lists[2].Items)
	}
	o.mu.Lock()
	o.facts.federation = found
	o.mu.Unlock()
	o.notify()
}

func members(items []unstructured.Unstructured) []Member {
	var all []Member
	for _, item := range items {
		m := Member{Cluster: item.GetName(), Reason: "the federation hasn't looked at it yet"}
		var c karmadaCluster
		if err := convert(item, &c); err != nil {
			m.Reason = err.Error()
		} else if ready := c.Status.Conditions.find("Ready"); ready != nil {
			m.Ready, m.Reason = ready.Status == metav1.ConditionTrue, ready.Message
		}
		if m.Ready {
			m.Reason = ""
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Member) int { return strings.Compare(a.Cluster, b.Cluster) })
	return all
}

func placements(items []unstructured.Unstructured) []Placement {
	var all []Placement
	for _, item := range items {
		var b karmadaBinding
		if err := convert(item, &b); err != nil {
			all = append(all, Placement{Namespace: item.GetNamespace(), Kind: item.GetKind(), Name: item.GetName(), Error: err.Error()})
			continue
		}
		r := b.Spec.Resource
		p := Placement{Namespace: r.Namespace, Kind: r.Kind, Name: r.Name, Replicas: b.Spec.Replicas, Policy: item.GetAnnotations()[policyName]}
		if scheduled := b.Status.Conditions.find("Scheduled"); scheduled != nil && scheduled.Status != metav1.ConditionTrue {
			p.Error = scheduled.Message
		}
		for _, target := range b.Spec.Clusters {
			placed := Placed{Cluster: target.Name, Wanted: target.Replicas}
			for _, s := range b.Status.AggregatedStatus {
				if s.ClusterName != target.Name {
					continue
				}
				placed.Applied, placed.Error = s.Applied, s.AppliedMessage
				if len(s.Status) > 0 {
					placed.Placed, placed.Ready = counts(r.Kind, target.Replicas, s.Status)
				}
			}
			p.Clusters = append(p.Clusters, placed)
		}
		slices.SortFunc(p.Clusters, func(a, b Placed) int { return strings.Compare(a.Cluster, b.Cluster) })
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Placement) int {
		return strings.Compare(a.Namespace+"/"+a.Kind+"/"+a.Name, b.Namespace+"/"+b.Kind+"/"+b.Name)
	})
	return all
}

// counts are how many of the wanted replicas of an object a member has, and how many of them are
// ready or have done their work: by the object's status in that member. What has no replicas
// has none of either.
func counts(kind string, wanted int, status json.RawMessage) (placed, ready int) {
	switch kind {
	case "Pod":
		var pod corev1.PodStatus
		if json.Unmarshal(status, &pod) != nil || pod.Phase == "" {
			return 0, 0
		}
		if pod.Phase == corev1.PodSucceeded || podReady(pod) {
			ready = 1
		}
		return 1, ready
	case "Job":
		var job batchv1.JobStatus
		if json.Unmarshal(status, &job) != nil {
			return 0, 0
		}
		if slices.ContainsFunc(job.Conditions, func(c batchv1.JobCondition) bool {
			return c.Type == batchv1.JobComplete && c.Status == corev1.ConditionTrue
		}) {
			return wanted, wanted
		}
		if job.Ready != nil {
			ready = int(*job.Ready)
		}
		return int(job.Succeeded + job.Active), int(job.Succeeded) + ready
	default:
		var set struct{ Replicas, ReadyReplicas int }
		if json.Unmarshal(status, &set) != nil {
			return 0, 0
		}
		return set.Replicas, set.ReadyReplicas
	}
}

// podReady says whether a pod can be asked.
func podReady(pod corev1.PodStatus) bool {
	return slices.ContainsFunc(pod.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func convert(item unstructured.Unstructured, to any) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, to)
}
