// Package reboot reboots nodes of a hybrid cloud, one at a time over all its clusters: each is
// drained before, and the next one's turn comes when it is back, with its pods and with the
// database's replicas.
//
// A machine reboots itself when its node asks for that: see the program's
// clouds/scripts/node/report-reboots.sh.
package reboot

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"hybrid/internal/observe"
)

// Annotations of a node.
const (
	// ask has the ID of the boot that is to end. The machine looks once a minute.
	ask = "hybrid/reboot"
	// begun says that the node's turn has begun and not ended: a mark.
	begun = "hybrid/reboot-turn"
)

// Limits are how long the parts of a turn may take.
type Limits struct {
	// Leave is for pods to leave, and Reboot from being asked until another boot shows.
	Leave, Reboot time.Duration
	// Return is for the node to be Ready again, then for all pods, then for the database.
	Return time.Duration
	// Told is for the machine to say that it waits for no reboot any more.
	Told time.Duration
	// Settle is for what doesn't look well at first.
	Settle time.Duration
	// Request is for each question, and Poll lies between two.
	Request, Poll time.Duration
}

// DefaultLimits are those of life. Programs that don't end when they are told to have a
// machine take a minute and a half to go down.
var DefaultLimits = Limits{
	Leave: 5 * time.Minute, Reboot: 10 * time.Minute, Return: 10 * time.Minute, Told: 3 * time.Minute,
	Settle: 2 * time.Minute, Request: 10 * time.Second, Poll: 2 * time.Second,
}

// Cluster is one of them.
type Cluster struct {
	Name string
	// Host says that the federation is in it.
	Host   bool
	Client kubernetes.Interface
	// Nodes are the names of those that there should be; empty if that isn't known.
	Nodes []string
}

// Rebooter reboots nodes.
type Rebooter struct {
	Clusters []*Cluster
	// Database says how the database is.
	Database func(context.Context) *observe.PostgreSQL
	// Kubectl begins a command for a cluster, to be copied.
	Kubectl func(cluster string) string
	// Tell is told what happens.
	Tell   func(line string)
	Limits Limits
}

// Turn is a node's.
type Turn struct {
	Cluster *Cluster
	Node    string
	// Why it is to be rebooted.
	Why string
	// begun says that its turn has begun in an earlier run.
	begun bool
}

// mark is what is written to a node before its turn changes anything, so that an
// interrupted turn can go on.
type mark struct {
	// Boot is the ID of the boot that is to end.
	Boot string `json:"boot"`
	// Cordoned says that it let no pods in before.
	Cordoned bool `json:"cordoned,omitempty"`
	// Missing is how many of its cluster's pods were not ready, and Members how many of
	// the database's were well.
	Missing int `json:"missing"`
	Members int `json:"members"`
}

// markOf reads a node's; nil if it has none.
func markOf(n *corev1.Node) (*mark, error) {
	text, ok := n.Annotations[begun]
	if !ok {
		return nil, nil
	}
	m := &mark{}
	if err := json.Unmarshal([]byte(text), m); err != nil || m.Boot == "" {
		return nil, fmt.Errorf("node %s: expected what a turn has written to annotation %s, found %q: take it away", n.Name, begun, text)
	}
	return m, nil
}

// Run gives nodes their turns. The first failure ends it; done are those that had theirs.
func (r *Rebooter) Run(ctx context.Context, turns []Turn) (done int, err error) {
	for i, t := range turns {
		start := time.Now()
		if i > 0 {
			if err := r.alone(ctx, t, turns[i:]); err != nil {
				return i, err
			}
		}
		say := func(format string, args ...any) { r.Tell(t.Node + ": " + fmt.Sprintf(format, args...)) }
		if err := (&turn{r, t, say}).take(ctx); err != nil {
			return i, fmt.Errorf("node %s of %s: %w", t.Node, t.Cluster.Name, err)
		}
		say("is back at work, after %s; %d of %d", time.Since(start).Round(time.Second), i+1, len(turns))
	}
	return len(turns), nil
}

// settle returns how many of the database's members are well, once all are. It isn't asked
// for more than a moment: one answer may come too late.
func (r *Rebooter) settle(ctx context.Context, say func(string, ...any)) (well int, err error) {
	err = r.await(ctx, r.Limits.Settle, say, func(ctx context.Context) (why string, _ error) {
		if well, why = members(r.Database(ctx)); why != "" {
			why = "the database is not well, and would lack one more member: " + why
		}
		return why, nil
	})
	if err != nil {
		return 0, fmt.Errorf("%w: hybrid postgres status", err)
	}
	return well, nil
}

// alone is an error if a node is out of work before another one's turn.
func (r *Rebooter) alone(ctx context.Context, t Turn, planned []Turn) error {
	facts, err := r.ask(ctx)
	if err == nil {
		err = r.others(facts, planned)
	}
	if err != nil {
		return fmt.Errorf("node %s of %s is not rebooted: %w", t.Node, t.Cluster.Name, err)
	}
	return nil
}

// patch changes a node's annotations, and whether it lets pods in. A nil takes an
// annotation away.
func (r *Rebooter) patch(ctx context.Context, t Turn, annotations map[string]any, cordoned *bool) error {
	change := map[string]any{"metadata": map[string]any{"annotations": annotations}}
	if cordoned != nil {
		change["spec"] = map[string]any{"unschedulable": *cordoned}
	}
	text, err := json.Marshal(change)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.Limits.Request)
	defer cancel()
	_, err = t.Cluster.Client.CoreV1().Nodes().Patch(ctx, t.Node, types.MergePatchType, text, metav1.PatchOptions{})
	return err
}

// await waits until there is nothing left to wait for, and tells what that is. The error
// says what it is at the end.
func (r *Rebooter) await(ctx context.Context, limit time.Duration, say func(string, ...any), left func(context.Context) (string, error)) error {
	told := ""
	for start := time.Now(); ; {
		what, err := left(ctx)
		if err != nil || what == "" {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(start) > limit {
			return fmt.Errorf("%s, after %s", what, limit)
		}
		if what != told {
			say("%s", what)
			told = what
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(r.Limits.Poll):
		}
	}
}
