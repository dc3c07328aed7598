package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hybrid/internal/weave"
	"hybrid/lab/registry"
)

// pod is one that looks at the network from within: there is one on each node.
type pod struct{ cluster, node, name, ip string }

// echo is the port at which each pod returns the hash of what it is sent.
const echo = 5000

// tools starts a pod on every node and returns them by node.
func (l *lab) tools(want map[string][]string) []pod {
	l.Helper()
	labels := map[string]string{"app": "tools"}
	zero := int64(0)
	set := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "tools"},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					TerminationGracePeriodSeconds: &zero,
					Tolerations:                   []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
					Containers: []corev1.Container{{
						Name: "tools", Image: registry.Tools,
						Command: []string{"socat", "-t", "60", fmt.Sprintf("TCP-LISTEN:%d,fork,reuseaddr", echo), "SYSTEM:sha256sum"},
					}},
				},
			},
		},
	}
	var pods []pod
	for cluster := range want {
		_, err := l.cluster(cluster).AppsV1().DaemonSets("default").Create(l.ctx, set.DeepCopy(), metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			l.Fatal(err)
		}
	}
	for cluster, nodes := range want {
		l.eventually(2*time.Minute, func() error {
			found, err := l.podsOf(cluster)
			if err == nil && len(found) != len(nodes) {
				err = fmt.Errorf("%s: pods with an address: %v, want one on each of %v", cluster, found, nodes)
			}
			if err == nil {
				pods = append(pods, found...)
			}
			return err
		})
	}
	slices.SortFunc(pods, func(a, b pod) int { return strings.Compare(a.node, b.node) })
	return pods
}

// podsOf are the running ones of a cluster.
func (l *lab) podsOf(cluster string) ([]pod, error) {
	list, err := l.cluster(cluster).CoreV1().Pods("default").List(l.ctx, metav1.ListOptions{LabelSelector: "app=tools"})
	if err != nil {
		return nil, err
	}
	var pods []pod
	for _, p := range list.Items {
		if p.Status.Phase == corev1.PodRunning && p.Status.PodIP != "" && p.DeletionTimestamp == nil {
			pods = append(pods, pod{cluster, p.Spec.NodeName, p.Name, p.Status.PodIP})
		}
	}
	return pods, nil
}

// in runs a shell script in a pod.
func (l *lab) in(p pod, script string) (string, error) {
	cmd := exec.CommandContext(l.ctx, filepath.Join(l.stack.Bin(), "kubectl"), "--kubeconfig", l.stack.Kubeconfig(),
		"--context", p.cluster, "exec", p.name, "--", "sh", "-c", script)
	cmd.Env = l.stack.Env()
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("in %s: %s: %w: %s", p.node, script, err, stderr.String())
	}
	return out.String(), nil
}

// ping says whether a pod reaches another.
func (l *lab) ping(from, to pod) error {
	_, err := l.in(from, "ping -c 2 -i 0.2 -W 2 -q "+to.ip)
	return err
}

// pings checks all pairs of pods, both ways, at once.
func (l *lab) pings(pods []pod) error {
	var pairs [][2]pod
	for _, a := range pods {
		for _, b := range pods {
			if a != b {
				pairs = append(pairs, [2]pod{a, b})
			}
		}
	}
	failed := make(chan error, len(pairs))
	slots := make(chan struct{}, 8)
	for _, p := range pairs {
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			failed <- l.ping(p[0], p[1])
		}()
	}
	var errs []error
	for range pairs {
		errs = append(errs, <-failed)
	}
	return errors.Join(errs...)
}

// peer asks a node's Weave Net, on the machine itself: without network.
func (l *lab) peer(node string) (*weave.Peer, error) {
	machine, err := l.machine(node)
	if err != nil {
		return nil, err
	}
	out, err := l.host.Exec(l.ctx, machine, "curl", "-s", "-m", "5", "-H", "Accept: application/json", "http://127.0.0.1:6784/report")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", node, err)
	}
	return weave.Parse([]byte(out))
}

// machine is the hypervisor's ID of a node's machine.
func (l *lab) machine(node string) (string, error) {
	for _, m := range l.machines(clusterOf(node)) {
		if m.Name == node {
			return m.ID, nil
		}
	}
	return "", fmt.Errorf("there is no machine %s", node)
}

// meshed checks that every node is connected to all others, encrypted, and owns
// addresses, and that all addresses are owned by nodes that there are.
func (l *lab) meshed(want map[string][]string) error {
	peers, err := l.connected(want)
	if err != nil {
		return err
	}
	for node, p := range peers {
		if p.Share() == 0 {
			return fmt.Errorf("%s owns no addresses", node)
		}
		total := 0
		for _, o := range p.Owners {
			if peers[o.Node] == nil || !o.Reachable {
				return fmt.Errorf("%s: %d addresses belong to %s, which is gone", node, o.Addresses, o.Node)
			}
			total += o.Addresses
		}
		if total != p.Range {
			return fmt.Errorf("%s: %d of %d addresses have an owner", node, total, p.Range)
		}
	}
	return nil
}

// connected checks that every node is connected, encrypted, to all others and to
// no other. It returns their peers.
func (l *lab) connected(want map[string][]string) (map[string]*weave.Peer, error) {
	nodes := slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Values(want))...)))
	peers := map[string]*weave.Peer{}
	for _, node := range nodes {
		p, err := l.peer(node)
		if err != nil {
			return nil, err
		}
		var connected []string
		for _, c := range p.Connections {
			if !c.Encrypted {
				return nil, fmt.Errorf("%s: the connection to %s is not encrypted", node, c.Node)
			}
			connected = append(connected, c.Node)
		}
		slices.Sort(connected)
		if others := slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return n == node }); !slices.Equal(connected, others) {
			return nil, fmt.Errorf("%s is connected to %v, want %v; %v", node, connected, others, p.Failed)
		}
		peers[node] = p
	}
	return peers, nil
}
