package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"hybrid/clouds"
	"hybrid/federation"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// adminsOutput is the stack's output of hybrid:adminCidrs.
const adminsOutput = "adminCidrs"

// reach asks, before anything is changed, whether the Kubernetes APIs can be used that
// the stack has had after its last update. One that can't is not taken for one that is
// gone: the error names its cluster, and what to do. Those of clusters that are lost
// aren't asked.
//
// An API that this very update may mend is asked again when it has: before anything in
// its cluster is made or changed.
func (s *system) reach(ctx *pulumi.Context) error {
	if s.former.Kubeconfig == "" {
		return nil
	}
	apis, err := clouds.APIs(s.former.Kubeconfig)
	if err != nil {
		return fmt.Errorf("the stack's output kubeconfig: %w", err)
	}
	apis = slices.DeleteFunc(apis, func(a clouds.API) bool { return s.settings.isLost(a.Context) })
	if err := s.checkGone(ctx.Context(), apis); err != nil {
		return err
	}
	apis = slices.DeleteFunc(apis, func(a clouds.API) bool { return s.isRestored(a.Context) })
	why := ask(ctx.Context(), apis)
	s.verify = map[string]bool{}
	var errs []error
	for i, a := range apis {
		host := slices.IndexFunc(apis, func(a clouds.API) bool { return a.Context == s.settings.host() })
		if why[i] == nil || a.Context == federation.Context && host >= 0 && why[host] != nil {
			continue // with its host, the federation is out of reach
		}
		problem := s.settings.problem(ctx, a, why[i])
		if !s.mends(a, why[i]) {
			errs = append(errs, problem)
			continue
		}
		s.verify[a.Context] = true
		if err := ctx.Log.Warn(fmt.Sprintf("unless this update mends it, it will end with this error: %v", problem), nil); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}

// checkGone finds control planes that are there, and are to be brought back from a snapshot
// all the same: that would end what has been done since the snapshot. An update that has
// begun to bring one back isn't kept from going on.
func (s *system) checkGone(ctx context.Context, apis []clouds.API) error {
	ctx, cancel := context.WithTimeout(ctx, patience/4)
	defer cancel()
	var errs []error
	for _, a := range apis {
		if a.Context == federation.Context || !s.isRestored(a.Context) || s.former.Replaced(a.Context) {
			continue
		}
		var refused *clouds.RefusedError
		if err := a.Reach(ctx); err == nil || errors.As(err, &refused) {
			errs = append(errs, fmt.Errorf("%s: restore has changed, and the control plane answers at %s: expected one that is gone; set restore back or, if you want the state of its last snapshot, switch its machine off before", a.Context, a.Server))
		}
	}
	return errors.Join(errs...)
}

// patience is for how long APIs are asked. Tests have less.
var patience = clouds.Patience

// ask returns why APIs can't be used, in their order.
func ask(ctx context.Context, apis []clouds.API) []error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	why := make([]error, len(apis))
	var all sync.WaitGroup
	for i, a := range apis {
		all.Go(func() { why[i] = a.Reach(ctx) })
	}
	all.Wait()
	return why
}

// mends says whether this update may make an API usable: it opens the firewalls to
// other networks, reads or makes a renewed certificate, or changes the federation's
// programs. What leaves isn't mended.
func (s *system) mends(a clouds.API, why error) bool {
	if a.Context == federation.Context {
		return true
	}
	var refused *clouds.RefusedError
	opens := !slices.Equal(s.former.AdminCIDRs, texts(s.settings.AdminCIDRs))
	return slices.Contains(s.settings.clusterNames(), a.Context) && (errors.As(why, &refused) || opens)
}

// isLost says whether nothing is asked that a context leads to.
func (s *Settings) isLost(context string) bool {
	hostLost := slices.ContainsFunc(s.Clusters, func(c clouds.Settings) bool {
		return c.Lost && (c.Name == context || context == federation.Context)
	})
	return hostLost || slices.Contains(s.left, context)
}

// verifier asks the API of a context once more, if need be.
func (s *system) verifier(ctx *pulumi.Context, name string) func(string) error {
	if !s.verify[name] || ctx.DryRun() {
		return nil
	}
	return func(kubeconfig string) error {
		apis, err := clouds.APIs(kubeconfig)
		if err != nil {
			return err
		}
		for i, why := range ask(ctx.Context(), apis) {
			if why != nil {
				return s.settings.problem(ctx, apis[i], why)
			}
		}
		return nil
	}
}

// collect returns what is registered from now on, when it has been.
func collect(ctx *pulumi.Context) (func() []pulumi.Resource, error) {
	var all []pulumi.Resource
	// A component is of no use as a dependency: it stands for those of its children
	// that have been registered by then.
	err := ctx.RegisterStackTransformation(func(a *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
		if _, custom := a.Resource.(pulumi.CustomResource); custom {
			all = append(all, a.Resource)
		}
		return nil
	})
	return func() []pulumi.Resource { return slices.Clone(all) }, err
}

// guard makes `pulumi destroy`, in which the program doesn't run, look whether all
// clusters are there.
func (s *system) guard(ctx *pulumi.Context, everything []pulumi.Resource) error {
	var asked pulumi.StringArray
	for _, c := range s.clusters {
		if !c.Lost {
			asked = append(asked, c.Kubeconfig)
		}
	}
	if !s.host().Lost {
		asked = append(asked, s.federation.Kubeconfig)
	}
	stack := ctx.Stack()
	return clouds.NewGuard(ctx, "reachable", &clouds.GuardArgs{
		Kubeconfigs: asked,
		About: func(a clouds.API) (cluster, advice string) {
			if cluster = a.Context; cluster == federation.Context {
				cluster = s.settings.host()
			}
			return cluster, s.settings.advice(stack, a)
		},
		Stack:      clouds.StackName(ctx),
		Everything: everything,
	})
}

// isRestored says whether this update brings what a context leads to back from a snapshot:
// a cluster, or the federation with its host.
func (s *system) isRestored(context string) bool {
	return slices.ContainsFunc(s.settings.Clusters, func(c clouds.Settings) bool {
		return s.former.Restoring(c) && (c.Name == context || c.FederationHost && context == federation.Context)
	})
}
