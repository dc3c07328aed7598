package clouds

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// How long a node may take to be drained, of which its pods have five minutes, for a budget
// that allows none to leave may change meanwhile; and to be Ready again with all its pods;
// and how long its control plane may take to let SSH in, which may be itself.
const (
	emptyTime  = 6 * time.Minute
	returnTime = 15 * time.Minute
	bootTime   = 5 * time.Minute
)

// Rollout gives machines another type, which every cloud stops them for, and nodes
// another version of Kubernetes. So they take turns, over all clusters, in the order in
// which the clusters are made: each is drained before, and the next one's turn comes when
// it is back, with its pods.
//
// It works by hooks, which run in this program when the engine updates a machine.
// Steps of their own couldn't: a step before a machine's update would stand before
// the machine's creation, too, when there is no cluster to drain it from.
type Rollout struct {
	ctx    *pulumi.Context
	former *Former
	// last is the machine whose turn comes before the next one's; nil at first.
	last pulumi.Resource
	// register is the context's own, or a test's, for the SDK's mocks know no hooks.
	register func(name string, hook pulumi.ResourceHookFunction, opts *pulumi.ResourceHookOptions) (*pulumi.ResourceHook, error)
}

// NewRollout prepares for what may have to change in the stack as it was.
func NewRollout(ctx *pulumi.Context, former *Former) *Rollout {
	return &Rollout{ctx: ctx, former: former, register: ctx.RegisterResourceHook}
}

// turn is a machine's.
type turn struct {
	rollout *Rollout // nil: it needs none
}

// turn returns the options of a node's machine, which are none unless its type
// changes, and what is to be told of the machine once it is registered.
func (r *Rollout) turn(cluster, node, machineType string) (*turn, []pulumi.ResourceOption, error) {
	if r == nil {
		return &turn{}, nil, nil
	}
	if was := r.former.machineType(node); was == "" || was == machineType {
		return &turn{}, nil, nil
	}
	control, err := r.former.login(cluster)
	if err != nil || control == nil {
		return &turn{}, nil, err
	}
	before, err := r.hook(control, cluster, node, "empty", emptyTime)
	if err != nil {
		return nil, nil, err
	}
	after, err := r.hook(control, cluster, node, "return", returnTime)
	if err != nil {
		return nil, nil, err
	}
	opts := []pulumi.ResourceOption{pulumi.ResourceHooks(&pulumi.ResourceHookBinding{
		BeforeUpdate: []*pulumi.ResourceHook{before}, AfterUpdate: []*pulumi.ResourceHook{after},
	})}
	return &turn{r}, append(opts, r.afterLast()...), nil
}

// afterLast makes a resource wait for the one whose turn is before.
func (r *Rollout) afterLast() []pulumi.ResourceOption {
	if r.last == nil {
		return nil
	}
	return []pulumi.ResourceOption{pulumi.DependsOn([]pulumi.Resource{r.last})}
}

// of says which resource the turn is of.
func (t *turn) of(machine pulumi.Resource) {
	if t.rollout != nil {
		t.rollout.last = machine
	}
}

// hook runs turn.sh on the cluster's control plane.
func (r *Rollout) hook(control *login, cluster, node, verb string, limit time.Duration) (*pulumi.ResourceHook, error) {
	body, err := scriptBody("turn")
	if err != nil {
		return nil, err
	}
	script := Compose(body, map[string]string{"NODE": node, "VERSION": ""})
	return r.register(node+"-"+verb, func(a *pulumi.ResourceHookArgs) error {
		ctx, cancel := context.WithTimeout(r.ctx.Context(), limit+bootTime)
		defer cancel()
		if err := control.run(ctx, shell(control.User, "turn", verb, limit), script, nil); err != nil {
			return fmt.Errorf("%s takes another machine type, and did not %s: %w; when that has its reason found, run pulumi up again, or if it has its type and is Ready: kubectl --context %s uncordon %s",
				node, verb, errors.Join(err, ctx.Err()), cluster, node)
		}
		return nil
	}, nil)
}
