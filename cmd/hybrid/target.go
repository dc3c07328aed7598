package main

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"hybrid/internal/observe"
)

// target is what to look at, by flags.
type target struct{ stack, kubeconfig string }

func (t *target) flags(f *pflag.FlagSet) {
	f.StringVarP(&t.stack, "stack", "s", "", "the Pulumi stack; the current one if not given")
	f.StringVar(&t.kubeconfig, "kubeconfig", "", "a kubeconfig file with a context for each cluster, instead of a stack")
}

// open finds out what there is to look at.
func (t *target) open(ctx context.Context) (*observe.Observer, error) {
	if t.stack != "" && t.kubeconfig != "" {
		return nil, errors.New("want --stack or --kubeconfig, found both")
	}
	var s *observe.Stack
	var err error
	if t.kubeconfig != "" {
		s, err = observe.FromFile(t.kubeconfig)
	} else {
		s, err = observe.FromPulumi(ctx, t.stack)
	}
	if err != nil {
		return nil, err
	}
	return observe.New(s)
}
