package reboot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hybrid/internal/observe"
)

// turn is a node's, under way.
type turn struct {
	*Rebooter
	Turn
	say func(format string, args ...any)
}

// take goes through all of it, or through what an interrupted one has left.
func (t *turn) take(ctx context.Context) error {
	n, err := t.node(ctx)
	if err != nil {
		return err
	}
	m, err := markOf(n)
	if err == nil && m == nil {
		m, err = t.begin(ctx, n)
	}
	if err != nil {
		return err
	}
	var before []string
	if n.Status.NodeInfo.BootID == m.Boot {
		if before, err = t.empty(ctx, m, n.Annotations[ask] == m.Boot); err != nil {
			return err
		}
		if err := t.reboot(ctx, m); err != nil {
			return err
		}
	}
	return t.back(ctx, m, before)
}

// begin writes down how things are, and lets no more pods in.
func (t *turn) begin(ctx context.Context, n *corev1.Node) (*mark, error) {
	pods, err := t.pods(ctx)
	if err != nil {
		return nil, err
	}
	well, err := t.settle(ctx, t.say)
	if err != nil {
		return nil, err
	}
	m := &mark{Boot: n.Status.NodeInfo.BootID, Cordoned: n.Spec.Unschedulable, Missing: len(missing(pods, nil)), Members: well}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	cordoned := true
	return m, t.patch(ctx, t.Turn, map[string]any{begun: string(text)}, &cordoned)
}

// empty drains the node, and returns the containers that are left. One that isn't drained is
// in use again, unless it has been asked to reboot already.
func (t *turn) empty(ctx context.Context, m *mark, asked bool) ([]string, error) {
	start := time.Now()
	if err := t.drain(ctx); err != nil {
		if asked {
			return nil, fmt.Errorf("%w; it has been asked to reboot in a run before", err)
		}
		// Also when the user has had enough.
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.Limits.Request)
		defer cancel()
		if undone := t.patch(undo, t.Turn, map[string]any{begun: nil}, &m.Cordoned); undone != nil {
			return nil, errors.Join(err, fmt.Errorf("it lets no pods in still: %w", undone))
		}
		return nil, fmt.Errorf("%w; it is in use as before", err)
	}
	t.say("drained, after %s", time.Since(start).Round(time.Second))
	pods, err := t.pods(ctx)
	if err != nil {
		return nil, err
	}
	var containers []string
	for _, p := range pods {
		if p.Spec.NodeName == t.Node {
			for _, c := range p.Status.ContainerStatuses {
				containers = append(containers, c.ContainerID)
			}
		}
	}
	return containers, nil
}

// reboot asks the machine to, and waits for another boot.
func (t *turn) reboot(ctx context.Context, m *mark) error {
	start := time.Now()
	err := t.await(ctx, t.Limits.Reboot, t.say, func(ctx context.Context) (string, error) {
		if err := t.patch(ctx, t.Turn, map[string]any{ask: m.Boot}, nil); err != nil {
			return "can't be asked to reboot: " + err.Error(), nil
		}
		return "", nil
	})
	if err == nil {
		err = t.await(ctx, t.Limits.Reboot, t.say, func(ctx context.Context) (string, error) {
			switch n, err := t.node(ctx); {
			case err != nil:
				return "has been asked to reboot, and " + err.Error(), nil
			case n.Status.NodeInfo.BootID != m.Boot:
				return "", nil
			case isReady(n):
				return "has been asked to reboot, which the machine sees within a minute", nil
			}
			return "goes down", nil
		})
	}
	if err != nil {
		return fmt.Errorf("%w: see its console at the cloud, or \"journalctl -u hybrid-report-reboots\" on it; it lets no pods in until it has rebooted", err)
	}
	t.say("has rebooted, after %s", time.Since(start).Round(time.Second))
	return nil
}

// back waits until the node works again, and all that it has to do with. Before are the
// containers that ran on it: the cluster shows them until the kubelet has looked.
func (t *turn) back(ctx context.Context, m *mark, before []string) error {
	err := t.await(ctx, t.Limits.Return, t.say, func(ctx context.Context) (string, error) {
		n, err := t.node(ctx)
		switch {
		case err != nil:
			return err.Error(), nil
		case !isReady(n):
			return "is not Ready yet", nil
		}
		if err := t.patch(ctx, t.Turn, map[string]any{ask: nil}, &m.Cordoned); err != nil {
			return "can't be told to let pods in: " + err.Error(), nil
		}
		return "", nil
	})
	if err != nil {
		return fmt.Errorf("%w: %s describe node %s", err, t.Kubectl(t.Cluster.Name), t.Node)
	}
	t.say("is Ready")
	err = t.await(ctx, t.Limits.Return, t.say, func(ctx context.Context) (string, error) {
		pods, err := t.pods(ctx)
		if err != nil {
			return err.Error(), nil
		}
		if now := missing(pods, before); len(now) > m.Missing {
			return fmt.Sprintf("waits for pods, of which %d are not ready, and %d were before: %s", len(now), m.Missing, list(now)), nil
		}
		return "", nil
	})
	if err != nil {
		return fmt.Errorf("%w: %s get pods -A; if it isn't by the reboot: %s", err, t.Kubectl(t.Cluster.Name), t.forget())
	}
	err = t.await(ctx, t.Limits.Return, t.say, func(ctx context.Context) (string, error) {
		well, why := members(t.Database(ctx))
		if well < m.Members {
			return fmt.Sprintf("waits for the database, of which %d members are well, and %d were before: %s", well, m.Members, why), nil
		}
		return "", nil
	})
	if err != nil {
		return fmt.Errorf("%w: hybrid postgres status; if it isn't by the reboot: %s", err, t.forget())
	}
	return t.end(ctx)
}

// end waits until the machine has said that it waits for no reboot: another run would
// reboot it once more.
func (t *turn) end(ctx context.Context) error {
	err := t.await(ctx, t.Limits.Told, t.say, func(ctx context.Context) (string, error) {
		switch n, err := t.node(ctx); {
		case err != nil:
			return err.Error(), nil
		case observe.Reboot(n) != "":
			return "waits for its machine to say that no reboot is pending", nil
		}
		return "", nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		t.say("says still that it waits for a reboot: %v", err)
	}
	return t.await(ctx, t.Limits.Return, t.say, func(ctx context.Context) (string, error) {
		if err := t.patch(ctx, t.Turn, map[string]any{begun: nil}, nil); err != nil {
			return "its turn can't be ended: " + err.Error(), nil
		}
		return "", nil
	})
}

// forget is the command by which a turn that has begun is taken for ended.
func (t *turn) forget() string {
	return fmt.Sprintf("%s annotate node %s %s-", t.Kubectl(t.Cluster.Name), t.Node, begun)
}

func (t *turn) node(ctx context.Context) (*corev1.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, t.Limits.Request)
	defer cancel()
	n, err := t.Cluster.Client.CoreV1().Nodes().Get(ctx, t.Node, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("the API of %s doesn't tell of it: %w", t.Cluster.Name, err)
	}
	return n, nil
}

// pods are all of the cluster's.
func (t *turn) pods(ctx context.Context) ([]corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, t.Limits.Request)
	defer cancel()
	list, err := t.Cluster.Client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("the API of %s doesn't tell of its pods: %w", t.Cluster.Name, err)
	}
	return list.Items, nil
}

// missing are the pods that are not ready and have not ended. One that shows a container of
// before a reboot is not ready, whatever its node has said last.
func missing(pods []corev1.Pod, before []string) (names []string) {
	for _, p := range pods {
		if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		ready := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
		if !ready || slices.ContainsFunc(p.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool { return slices.Contains(before, c.ContainerID) }) {
			names = append(names, p.Namespace+"/"+p.Name)
		}
	}
	slices.Sort(names)
	return names
}

// list names a few.
func list(names []string) string {
	const few = 5
	if len(names) > few {
		return strings.Join(names[:few], ", ") + " …"
	}
	return strings.Join(names, ", ")
}
