package reboot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// leaving are the pods that a drain of the node moves: all but those that belong to it, as
// DaemonSets' and static ones do, and those that have ended.
func leaving(pods []corev1.Pod, node string) []corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(p corev1.Pod) bool {
		_, static := p.Annotations[corev1.MirrorPodAnnotationKey]
		controller := metav1.GetControllerOf(&p)
		return p.Spec.NodeName != node || static || controller != nil && controller.Kind == "DaemonSet" ||
			p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	})
}

// drain has all pods leave that can, as far as their budgets allow it. A pod without a
// controller ends it.
func (t *turn) drain(ctx context.Context) error {
	told := false
	err := t.await(ctx, t.Limits.Leave, t.say, func(ctx context.Context) (string, error) {
		all, err := t.pods(ctx)
		if err != nil {
			return err.Error(), nil
		}
		pods := leaving(all, t.Node)
		if !told {
			told = true
			t.say("is drained of %d pods", len(pods))
		}
		var names, kept []string
		for _, p := range pods {
			names = append(names, p.Namespace+"/"+p.Name)
			why, err := t.evict(ctx, &p)
			if err != nil {
				return "", err
			}
			if why != "" {
				kept = append(kept, why)
			}
		}
		switch {
		case len(kept) > 0:
			return strings.Join(kept, "; "), nil
		case len(pods) > 0:
			return "waits for pods to end: " + list(names), nil
		}
		return "", nil
	})
	if err != nil {
		return fmt.Errorf("it was not drained: %w", err)
	}
	return nil
}

// evict has a pod leave, or says why it doesn't.
func (t *turn) evict(ctx context.Context, p *corev1.Pod) (string, error) {
	name := p.Namespace + "/" + p.Name
	switch {
	case p.DeletionTimestamp != nil:
		return "", nil
	case metav1.GetControllerOf(p) == nil:
		return "", fmt.Errorf("pod %s has no controller, and would not come back: %s -n %s delete pod %s", name, t.Kubectl(t.Cluster.Name), p.Namespace, p.Name)
	}
	asking, cancel := context.WithTimeout(ctx, t.Limits.Request)
	defer cancel()
	err := t.Cluster.Client.PolicyV1().Evictions(p.Namespace).Evict(asking, &policyv1.Eviction{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name},
		// Not one of the same name that has come in its place.
		DeleteOptions: &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(p.UID))},
	})
	switch {
	case err == nil, apierrors.IsNotFound(err), apierrors.IsConflict(err), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return "", nil
	case apierrors.IsTooManyRequests(err):
		return t.kept(ctx, p), nil
	case apierrors.IsForbidden(err):
		return "", fmt.Errorf("pod %s: %w", name, err)
	}
	return fmt.Sprintf("pod %s: %v", name, err), nil
}

// kept says which budgets keep a pod. The API doesn't name them.
func (t *turn) kept(ctx context.Context, p *corev1.Pod) string {
	ctx, cancel := context.WithTimeout(ctx, t.Limits.Request)
	defer cancel()
	found, err := t.Cluster.Client.PolicyV1().PodDisruptionBudgets(p.Namespace).List(ctx, metav1.ListOptions{})
	var names []string
	if err == nil {
		for _, b := range found.Items {
			selector, e := metav1.LabelSelectorAsSelector(b.Spec.Selector)
			err = errors.Join(err, e)
			if e == nil && b.Status.DisruptionsAllowed == 0 && selector.Matches(labels.Set(p.Labels)) {
				names = append(names, b.Name)
			}
		}
	}
	if len(names) == 0 {
		if err != nil {
			return fmt.Sprintf("pod %s/%s may not leave, by a PodDisruptionBudget: %v", p.Namespace, p.Name, err)
		}
		return fmt.Sprintf("pod %s/%s may not leave yet", p.Namespace, p.Name) // meanwhile it may
	}
	return fmt.Sprintf("pod %s/%s may not leave, by the PodDisruptionBudget %s: have it allow a disruption, or delete it", p.Namespace, p.Name, strings.Join(names, ", "))
}
