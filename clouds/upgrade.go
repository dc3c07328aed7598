package clouds

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// How long the parts of an upgrade may take. kubeadm waits up to five minutes for each
// of a control plane's four components, and is tried three times.
const (
	controlPlaneTime = 75 * time.Minute
	workerTime       = 20 * time.Minute
	kubeletTime      = 2 * time.Minute
)

// part is a script of an upgrade.
type part struct {
	on           *login
	script, verb string
	limit        time.Duration
	params       map[string]string
}

// upgrade returns the options of the step that prepares a node, which are none unless
// the node gets another version of Kubernetes, and what is to be told of the step once
// it is registered. The upgrade comes before the step is updated: a step that is
// recorded says that the node runs its version, and an upgrade that has failed is tried
// again by the next update.
//
// A worker is drained. A control plane is not: what it runs are static pods, which
// kubeadm replaces, those of DaemonSets, which a drain leaves, and on the host the
// federation's, which can't move.
func (r *Rollout) upgrade(cluster string, args *ClusterArgs, node string) (*turn, []pulumi.ResourceOption, error) {
	if r == nil {
		return &turn{}, nil, nil
	}
	settings := args.Settings
	settings.Name = cluster
	for _, u := range r.former.Upgrades(settings, args.Shared) {
		if u.Node != node {
			continue
		}
		parts, err := r.parts(cluster, args, u)
		if err != nil || parts == nil {
			return &turn{}, nil, err
		}
		hook, err := r.register(node+"-upgrade", func(*pulumi.ResourceHookArgs) error { return r.run(u, parts) }, nil)
		if err != nil {
			return nil, nil, err
		}
		opts := []pulumi.ResourceOption{pulumi.ResourceHooks(&pulumi.ResourceHookBinding{BeforeUpdate: []*pulumi.ResourceHook{hook}})}
		return &turn{r}, append(opts, r.afterLast()...), nil
	}
	return &turn{}, nil, nil
}

// parts are what an upgrade is made of.
func (r *Rollout) parts(cluster string, args *ClusterArgs, u Upgrade) ([]part, error) {
	control, err := r.former.login(cluster)
	if err != nil || control == nil {
		return nil, err
	}
	own, err := r.former.loginBy(u.Node + "-prepare")
	if err != nil || own == nil {
		return nil, err
	}
	params := map[string]string{
		"NODE": u.Node, "VERSION": u.To, "PACKAGES": args.PackageMirror,
		"IGNORE": ignoredErrors(args.Kubeadm.JoinConfiguration),
	}
	if u.ControlPlane {
		params["IGNORE"] = ignoredErrors(args.Kubeadm.InitConfiguration)
		return []part{{own, "upgrade", "control-plane", controlPlaneTime, params}}, nil
	}
	turn := map[string]string{"NODE": u.Node, "VERSION": u.To}
	return []part{
		{own, "upgrade", "restart-kubelet", kubeletTime, params},
		{control, "turn", "empty", emptyTime, turn},
		{own, "upgrade", "worker", workerTime, params},
		{control, "turn", "return", returnTime, turn},
	}, nil
}

// ignoredErrors are those of kubeadm's preflight that the settings of new nodes ignore.
func ignoredErrors(configuration document) string {
	registration, _ := configuration["nodeRegistration"].(document)
	list, _ := registration["ignorePreflightErrors"].([]any)
	var names []string
	for _, n := range list {
		names = append(names, fmt.Sprint(n))
	}
	return strings.Join(names, ",")
}

// run runs an upgrade's scripts one after the other, and tells what they say.
func (r *Rollout) run(u Upgrade, parts []part) error {
	tell := func(line string) { _ = r.ctx.Log.Info(line, nil) } // what can't be told stops no upgrade
	tell(fmt.Sprintf("%s: upgrading Kubernetes from %s to %s", u.Node, u.From, u.To))
	for _, p := range parts {
		body, err := scriptBody(p.script)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(r.ctx.Context(), p.limit+bootTime)
		err = p.on.run(ctx, shell(p.on.User, p.script, p.verb, p.limit), Compose(body, p.params), tell)
		err = errors.Join(err, ctx.Err())
		cancel()
		if err != nil {
			return fmt.Errorf("%s: upgrading Kubernetes from %s to %s: %w; when that has its reason found, run pulumi up again: it goes on here, and other nodes wait until then", u.Node, u.From, u.To, err)
		}
	}
	tell(fmt.Sprintf("%s: runs Kubernetes %s", u.Node, u.To))
	return nil
}
