package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"

	"hybrid/workloads/topology"
)

// The labels of PostgreSQL's etcd's pods and of Weave Net's, see the program's packages
// workloads and mesh.
const (
	etcdLabel = "psql-etcd"
	meshLabel = "weave-net"
	meshSpace = "kube-system"
)

// readCluster asks a cluster's API for its nodes and pods.
func (o *Observer) readCluster(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	a := o.clusters[name]
	if a.broken != nil {
		o.update(name, func(c *clusterFacts) { c.err = a.broken })
		return
	}
	var found clusterFacts
	var nodesErr, podsErr error
	var all sync.WaitGroup
	all.Go(func() { found.version, found.err = a.version(ctx) })
	all.Go(func() {
		list, err := a.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if nodesErr = err; err == nil {
			for i := range list.Items {
				found.nodes = append(found.nodes, node(&list.Items[i]))
			}
		}
	})
	all.Go(func() {
		list, err := a.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
		if podsErr = err; err == nil {
			for i := range list.Items {
				found.pods = append(found.pods, pod(name, &list.Items[i]))
			}
		}
	})
	all.Wait()
	if err := errors.Join(nodesErr, podsErr); err != nil && found.err == nil {
		if apierrors.IsForbidden(nodesErr) || apierrors.IsForbidden(podsErr) {
			found.denied = err
		} else {
			found.err = plain(firstOf(nodesErr, podsErr))
		}
	}
	o.update(name, func(c *clusterFacts) {
		c.err, c.denied = found.err, found.denied
		if c.err == nil {
			c.version, c.nodes, c.pods = found.version, found.nodes, found.pods
		} else {
			// Whatever they said then, they don't say now.
			c.reports, c.servers, c.patroni = nil, nil, nil
		}
	})
}

// version asks for the version of the API server. Everyone may.
func (a *access) version(ctx context.Context) (string, error) {
	text, err := a.client.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return "", plain(err)
	}
	var info version.Info
	if err := json.Unmarshal(text, &info); err != nil || info.GitVersion == "" {
		return "", fmt.Errorf("expected the version of a Kubernetes API, found %d bytes of something else", len(text))
	}
	return info.GitVersion, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// plain takes from an error what says nothing to who reads it.
func plain(err error) error {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("no answer in time")
	}
	var address *url.Error
	if errors.As(err, &address) {
		return address.Err
	}
	return err
}

// RebootAnnotation is what a node says of itself: for which packages its machine waits for a
// reboot, or NoReboot. One that has never said it has none. See the program's
// clouds/scripts/node/report-reboots.sh.
const (
	RebootAnnotation = "hybrid/reboot-required"
	NoReboot         = "no"
)

// Reboot has the packages for which a node's machine waits for a reboot; empty if it
// doesn't.
func Reboot(n *corev1.Node) string {
	if waits := n.Annotations[RebootAnnotation]; waits != NoReboot {
		return waits
	}
	return ""
}

// node is what is of interest of a node.
func node(n *corev1.Node) Node {
	found := Node{Name: n.Name, Reason: "it has never said that it is ready", Reboot: Reboot(n)}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			found.Ready = c.Status == corev1.ConditionTrue
			found.Reason = c.Message
			if found.Reason == "" {
				found.Reason = c.Reason
			}
		}
	}
	if found.Ready {
		found.Reason = ""
	}
	return found
}

// pod is what is of interest of a pod.
func pod(cluster string, p *corev1.Pod) Pod {
	found := Pod{Namespace: p.Namespace, Name: p.Name, Address: p.Status.PodIP, cluster: cluster, node: p.Spec.NodeName}
	found.State, found.OK = podState(p)
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			found.Containers = append(found.Containers, c.Name)
		}
	}
	for _, c := range p.Spec.Containers {
		found.Containers = append(found.Containers, c.Name)
	}
	app := p.Labels["app"]
	found.member = app == topology.Master || app == topology.Replica // whatever it is called, it may lead
	found.etcd = p.Labels["name"] == etcdLabel
	found.weave = p.Namespace == meshSpace && p.Labels["name"] == meshLabel
	return found
}

// podState is the word that kubectl has for a pod's state, and whether it is good.
func podState(p *corev1.Pod) (string, bool) {
	if p.DeletionTimestamp != nil {
		return "Terminating", true
	}
	if p.Status.Phase == corev1.PodSucceeded {
		return "Completed", true
	}
	for _, c := range p.Status.InitContainerStatuses {
		if why := trouble(&c); why != "" {
			return "Init:" + why, false
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		if why := trouble(&c); why != "" {
			return why, false
		}
	}
	if p.Status.Phase == corev1.PodFailed {
		state := p.Status.Reason
		if state == "" {
			state = "Failed"
		}
		// Its controller has made another one in its place.
		return state, metav1.GetControllerOf(p) != nil
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			if c.Status == corev1.ConditionTrue {
				return "Running", true
			}
			if p.Status.Phase == corev1.PodRunning {
				return "NotReady", false
			}
		}
	}
	return string(p.Status.Phase), false
}

// trouble is why a container waits, or how it ended; empty if it just starts.
func trouble(c *corev1.ContainerStatus) string {
	switch {
	case c.State.Waiting != nil && c.State.Waiting.Reason != "ContainerCreating" && c.State.Waiting.Reason != "PodInitializing":
		return c.State.Waiting.Reason
	case c.State.Terminated != nil && c.State.Terminated.ExitCode != 0:
		return "Error"
	}
	return ""
}
