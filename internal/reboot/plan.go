package reboot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hybrid/internal/observe"
)

// federation is the namespace that the federation's host has.
const federation = "federation"

// controlPlane is the label that kubeadm gives control planes.
const controlPlane = "node-role.kubernetes.io/control-plane"

// facts are what a cluster's API says.
type facts struct {
	nodes []corev1.Node
	pods  []corev1.Pod
}

// ask asks all clusters, side by side. All must answer.
func (r *Rebooter) ask(ctx context.Context) (map[string]facts, error) {
	ctx, cancel := context.WithTimeout(ctx, r.Limits.Request)
	defer cancel()
	found, errs := make([]facts, len(r.Clusters)), make([]error, len(r.Clusters))
	var all sync.WaitGroup
	for i, c := range r.Clusters {
		all.Go(func() {
			nodes, err := c.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
			if err == nil {
				found[i].nodes = nodes.Items
				var pods *corev1.PodList
				if pods, err = c.Client.CoreV1().Pods("").List(ctx, metav1.ListOptions{}); err == nil {
					found[i].pods = pods.Items
				}
			}
			if err != nil {
				errs[i] = fmt.Errorf("cluster %s tells nothing of its nodes: %w", c.Name, err)
			}
		})
	}
	all.Wait()
	by := map[string]facts{}
	for i, c := range r.Clusters {
		by[c.Name] = found[i]
	}
	return by, errors.Join(errs...)
}

// Plan says which nodes are to be rebooted, in the order of their turns: those that wait for
// it, of the clusters, or of all; or the nodes that are named. All is checked that a turn
// would fail by, and the error has all that is wrong.
//
// A turn that was interrupted goes on first. The order is otherwise that of upgrades: one
// cluster after the other, the federation's host last, and in each the control plane first.
func (r *Rebooter) Plan(ctx context.Context, clusters, nodes []string) ([]Turn, error) {
	found, err := r.ask(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.known(found, clusters, nodes); err != nil {
		return nil, err
	}
	var turns []Turn
	for _, c := range r.inOrder(found) {
		if len(clusters) > 0 && !slices.Contains(clusters, c.Name) {
			continue
		}
		for _, n := range found[c.Name].nodes {
			t := Turn{Cluster: c, Node: n.Name}
			_, t.begun = n.Annotations[begun]
			waits := observe.Reboot(&n)
			switch {
			case len(nodes) > 0 && !slices.Contains(nodes, n.Name):
				continue
			case t.begun:
				t.Why = "its turn was interrupted"
			case waits != "":
				t.Why = "waits for it, because of " + waits
			case len(nodes) > 0:
				t.Why = "is named"
			default:
				continue
			}
			turns = append(turns, t)
		}
	}
	slices.SortStableFunc(turns, func(a, b Turn) int { return first(a.begun, b.begun) })
	if len(turns) == 0 {
		return nil, nil
	}
	return turns, errors.Join(r.others(found, turns), r.each(found, turns), r.follow(ctx, turns))
}

// first sorts those of whom something is true before others.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// inOrder are the clusters, and their nodes, in the order of their turns.
func (r *Rebooter) inOrder(found map[string]facts) []*Cluster {
	for _, c := range r.Clusters {
		f := found[c.Name]
		// A kubeconfig alone doesn't tell.
		c.Host = c.Host || slices.ContainsFunc(f.pods, func(p corev1.Pod) bool { return p.Namespace == federation })
		slices.SortFunc(f.nodes, func(a, b corev1.Node) int {
			return cmp.Or(first(isControlPlane(&a), isControlPlane(&b)), observe.CompareNames(a.Name, b.Name))
		})
	}
	ordered := slices.Clone(r.Clusters)
	slices.SortStableFunc(ordered, func(a, b *Cluster) int { return first(!a.Host, !b.Host) })
	return ordered
}

func isControlPlane(n *corev1.Node) bool {
	_, is := n.Labels[controlPlane]
	return is
}

// known checks that what is named is there.
func (r *Rebooter) known(found map[string]facts, clusters, nodes []string) error {
	var names, all []string
	for _, c := range r.Clusters {
		names = append(names, c.Name)
		if len(clusters) > 0 && !slices.Contains(clusters, c.Name) {
			continue
		}
		for _, n := range found[c.Name].nodes {
			all = append(all, n.Name)
		}
	}
	var errs []error
	for _, name := range clusters {
		if !slices.Contains(names, name) {
			errs = append(errs, fmt.Errorf("want --cluster a cluster, found %q: there are %s", name, strings.Join(names, ", ")))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	slices.SortFunc(all, observe.CompareNames)
	for _, name := range nodes {
		if !slices.Contains(all, name) {
			errs = append(errs, fmt.Errorf("want --node a node, found %q: there are %s", name, strings.Join(all, ", ")))
		}
	}
	return errors.Join(errs...)
}

// others says which nodes are out of work already: with one more it would be two.
func (r *Rebooter) others(found map[string]facts, planned []Turn) error {
	var errs []error
	for _, c := range r.Clusters {
		for _, name := range c.Nodes {
			if !slices.ContainsFunc(found[c.Name].nodes, func(n corev1.Node) bool { return n.Name == name }) {
				errs = append(errs, fmt.Errorf("the cluster %s has no node %s: run pulumi up first", c.Name, name))
			}
		}
		for _, n := range found[c.Name].nodes {
			i := slices.IndexFunc(planned, func(t Turn) bool { return t.Cluster == c && t.Node == n.Name })
			_, marked := n.Annotations[begun]
			switch {
			case i >= 0 && planned[i].begun:
			case marked:
				errs = append(errs, fmt.Errorf("node %s of %s has its turn, or it was interrupted: hybrid reboot --node %s", n.Name, c.Name, n.Name))
			case !isReady(&n):
				errs = append(errs, fmt.Errorf("node %s of %s is not Ready, and only one may be out of work: %s describe node %s", n.Name, c.Name, r.Kubectl(c.Name), n.Name))
			case n.Spec.Unschedulable && i < 0:
				errs = append(errs, fmt.Errorf("node %s of %s lets no pods in, and only one may be out of work: %s uncordon %s", n.Name, c.Name, r.Kubectl(c.Name), n.Name))
			}
		}
	}
	return errors.Join(errs...)
}

// each says what a node's turn would fail by.
func (r *Rebooter) each(found map[string]facts, turns []Turn) error {
	var errs []error
	for _, t := range turns {
		for _, n := range found[t.Cluster.Name].nodes {
			if n.Name != t.Node {
				continue
			}
			if _, err := markOf(&n); err != nil {
				errs = append(errs, err)
			}
			if n.Status.NodeInfo.BootID == "" {
				errs = append(errs, fmt.Errorf("node %s of %s doesn't say which boot it is of", n.Name, t.Cluster.Name))
			}
			if n.Annotations[observe.RebootAnnotation] == "" {
				errs = append(errs, fmt.Errorf("node %s of %s has never said whether it waits for a reboot, and so would not see that it is asked: run pulumi up, and try again after two minutes; if that doesn't help, see \"journalctl -u hybrid-report-reboots\" on it", n.Name, t.Cluster.Name))
			}
		}
		for _, p := range leaving(found[t.Cluster.Name].pods, t.Node) {
			if metav1.GetControllerOf(&p) == nil {
				errs = append(errs, fmt.Errorf("pod %s/%s on node %s of %s has no controller, and would not come back: %s -n %s delete pod %s",
					p.Namespace, p.Name, t.Node, t.Cluster.Name, r.Kubectl(t.Cluster.Name), p.Namespace, p.Name))
			}
		}
	}
	return errors.Join(errs...)
}

// follow is an error if the database isn't well. Where a turn was interrupted it may not be
// until that has ended.
func (r *Rebooter) follow(ctx context.Context, turns []Turn) error {
	if turns[0].begun {
		return nil
	}
	_, err := r.settle(ctx, func(format string, args ...any) { r.Tell(fmt.Sprintf(format, args...)) })
	return err
}

// members says how many of the database's are well, and what is wrong with it.
func members(p *observe.PostgreSQL) (well int, why string) {
	if !p.Installed {
		return 0, ""
	}
	if p.Leader == nil || p.Error != "" {
		return 0, cmp.Or(p.Error, "there is no leader")
	}
	well = 1
	var not []string
	for i := range p.Replicas {
		if x := &p.Replicas[i]; x.OK {
			well++
		} else {
			not = append(not, x.Pod+": "+cmp.Or(x.Note, x.State))
		}
	}
	return well, strings.Join(not, "; ")
}

func isReady(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}
