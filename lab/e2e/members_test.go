package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// federation is the context of the federation's API, and the namespace that its
// control plane runs in.
const (
	federation          = "federation-cluster"
	federationNamespace = "federation"
)

var clusterKind = schema.GroupVersionResource{Group: "cluster.karmada.io", Version: "v1alpha1", Resource: "clusters"}

// karmada is a client for Karmada's own kinds.
func (l *lab) karmada() dynamic.Interface {
	l.Helper()
	client, err := dynamic.NewForConfig(l.connection(federation))
	if err != nil {
		l.Fatal(err)
	}
	return client
}

// kubectl runs it on the federation's API and returns what it prints.
func (l *lab) kubectl(args ...string) (string, error) {
	cmd := exec.CommandContext(l.ctx, filepath.Join(l.stack.Bin(), "kubectl"), append([]string{"--context", federation}, args...)...)
	cmd.Env = l.stack.Env()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), err
}

// member is a cluster as the federation sees it.
type member struct {
	uid   string
	ready bool
}

func (l *lab) members() (map[string]member, error) {
	l.Helper()
	return l.membersBy(l.karmada())
}

func (l *lab) membersBy(client dynamic.Interface) (map[string]member, error) {
	list, err := client.Resource(clusterKind).List(l.ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	members := map[string]member{}
	for _, c := range list.Items {
		conditions, _, err := unstructured.NestedSlice(c.Object, "status", "conditions")
		if err != nil {
			return nil, err
		}
		members[c.GetName()] = member{string(c.GetUID()), slices.ContainsFunc(conditions, func(c any) bool {
			condition := c.(map[string]any)
			return condition["type"] == "Ready" && condition["status"] == "True"
		})}
	}
	return members, nil
}

// membersReady checks that the members are those and no others, all Ready.
func (l *lab) membersReady(want ...string) error {
	l.Helper()
	members, err := l.members()
	if err != nil {
		return err
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(members)); !slices.Equal(got, want) {
		return fmt.Errorf("the federation has the members %v, want %v", got, want)
	}
	for name, m := range members {
		if !m.ready {
			return fmt.Errorf("member %s is not Ready", name)
		}
	}
	return nil
}

// sameMembers checks that none of the members has been replaced.
func (l *lab) sameMembers(before map[string]member) {
	l.Helper()
	now, err := l.members()
	if err != nil {
		l.Fatal(err)
	}
	for name, m := range before {
		if now[name].uid != m.uid {
			l.Errorf("member %s has been replaced", name)
		}
	}
}

// parts are the pods of the federation's control plane, in its host, whose image has the
// text in its name.
func (l *lab) parts(host, image string) ([]corev1.Pod, error) {
	list, err := l.cluster(host).CoreV1().Pods(federationNamespace).List(l.ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
		return !strings.Contains(p.Spec.Containers[0].Image, image)
	}), nil
}

// controlPlaneReady checks all pods of the federation's control plane.
func (l *lab) controlPlaneReady(host string) error {
	pods, err := l.parts(host, "")
	if err != nil {
		return err
	}
	for _, p := range pods {
		if !isReady(p) {
			return fmt.Errorf("pod %s is not Ready", p.Name)
		}
	}
	return nil
}

func isReady(p corev1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// replaceParts kills the pods with that image, and waits until others are Ready.
func (l *lab) replaceParts(image string, within time.Duration) {
	l.Helper()
	old, err := l.parts("america", image)
	if err != nil {
		l.Fatal(err)
	}
	if len(old) == 0 {
		l.Fatalf("the federation has no pod with an image %s", image)
	}
	zero := int64(0)
	for _, p := range old {
		err := l.cluster("america").CoreV1().Pods(federationNamespace).Delete(l.ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: &zero})
		if err != nil {
			l.Fatal(err)
		}
	}
	l.eventually(within, func() error {
		now, err := l.parts("america", image)
		if err != nil {
			return err
		}
		ready := 0
		for _, p := range now {
			if isReady(p) && !slices.ContainsFunc(old, func(o corev1.Pod) bool { return o.UID == p.UID }) {
				ready++
			}
		}
		if ready != len(old) {
			return fmt.Errorf("%d new pods with an image %s are Ready, want %d", ready, image, len(old))
		}
		return nil
	})
}

// holds checks that a condition doesn't cease for a while.
func (l *lab) holds(period time.Duration, condition func() error) {
	l.Helper()
	end := time.After(period)
	for {
		if err := condition(); err != nil {
			l.Fatal(err)
		}
		select {
		case <-end:
			return
		case <-l.ctx.Done():
			l.Fatal(l.ctx.Err())
		case <-time.After(time.Second):
		}
	}
}
