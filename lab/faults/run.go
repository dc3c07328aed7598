package faults

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// World is where faults happen.
type World interface {
	// Begin lets a fault happen, and returns what ends it and what it turned out to be,
	// such as the pod's name. end may be nil, for what ends by itself.
	Begin(ctx context.Context, f Fault) (what string, end func(context.Context) error, err error)
}

// Run lets faults happen one after the other, and says what it does. What has begun is
// ended in any case. A fault that can't be made is an error, and the next one comes all
// the same: a test that does nothing would prove nothing.
func Run(ctx context.Context, world World, faults []Fault, say func(format string, args ...any)) error {
	var errs []error
	for i, f := range faults {
		what, end, err := world.Begin(ctx, f)
		say("fault %d of %d: %s (%s)", i+1, len(faults), f, what)
		if err != nil {
			errs = append(errs, fmt.Errorf("fault %d: %s: %w", i+1, f, err))
		}
		interrupted := wait(ctx, f.Lasts)
		if end != nil {
			// Also when time is up: the next one would find it broken.
			if err := end(context.WithoutCancel(ctx)); err != nil {
				errs = append(errs, fmt.Errorf("fault %d: %s: ending it: %w", i+1, f, err))
			}
		}
		if err := errors.Join(interrupted, wait(ctx, f.Rest)); err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
	return errors.Join(errs...)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
