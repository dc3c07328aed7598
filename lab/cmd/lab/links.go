package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"hybrid/lab/vm"
)

// links are those between all clusters of the lab.
type links struct {
	host interface {
		Links(ctx context.Context, networkID string) (*vm.Links, error)
		ChangeWay(ctx context.Context, from, to string, change func(*vm.Link)) error
		ChangeLinks(ctx context.Context, networkID string, change func(*vm.Links)) error
	}
	sites []site
}

func (k *links) find(cluster string) (site, error) {
	var names []string
	for _, s := range k.sites {
		if s.cluster == cluster {
			return s, nil
		}
		names = append(names, s.cluster)
	}
	return site{}, fmt.Errorf("want a cluster's name, found %q: there are %s", cluster, strings.Join(names, ", "))
}

// wire finds what lies between two clusters.
func (k *links) wire(a, b string) (wire, error) {
	from, errFrom := k.find(a)
	to, errTo := k.find(b)
	if err := errors.Join(errFrom, errTo); err != nil {
		return wire{}, err
	}
	if a == b {
		return wire{}, fmt.Errorf("want two clusters, found %s twice", a)
	}
	return wire{from, to}, nil
}

// each calls a function with each pair of clusters once.
func (k *links) each(do func(wire) error) error {
	var errs []error
	for i, a := range k.sites {
		for _, b := range k.sites[i+1:] {
			errs = append(errs, do(wire{a, b}))
		}
	}
	return errors.Join(errs...)
}

// read returns all links by network.
func (k *links) read(ctx context.Context) (map[string]*vm.Links, error) {
	all := map[string]*vm.Links{}
	for _, s := range k.sites {
		l, err := k.host.Links(ctx, s.network)
		if err != nil {
			return nil, err
		}
		all[s.network] = l
	}
	return all, nil
}

// both changes both ways between two clusters.
func (k *links) both(ctx context.Context, w wire, change func(*vm.Link)) error {
	if err := k.host.ChangeWay(ctx, w.a.network, w.b.network, change); err != nil {
		return err
	}
	return k.host.ChangeWay(ctx, w.b.network, w.a.network, change)
}

func (k *links) set(ctx context.Context, a, b string, roundTrip time.Duration) error {
	w, err := k.wire(a, b)
	if err != nil {
		return err
	}
	return k.both(ctx, w, func(way *vm.Link) { way.Delay = roundTrip / 2 })
}

func (k *links) cut(ctx context.Context, a, b string, oneWay bool) error {
	w, err := k.wire(a, b)
	if err != nil {
		return err
	}
	cut := func(way *vm.Link) { way.Cut = true }
	if oneWay {
		return k.host.ChangeWay(ctx, w.a.network, w.b.network, cut)
	}
	return k.both(ctx, w, cut)
}

// off cuts a cluster off from everything, or ends that.
func (k *links) off(ctx context.Context, cluster string, off bool) error {
	s, err := k.find(cluster)
	if err != nil {
		return err
	}
	return k.host.ChangeLinks(ctx, s.network, func(l *vm.Links) { l.Off = off })
}

// mend ends cuts: between two clusters, or all of those named, or all.
func (k *links) mend(ctx context.Context, clusters []string) error {
	open := func(way *vm.Link) { way.Cut = false }
	if len(clusters) == 2 {
		w, err := k.wire(clusters[0], clusters[1])
		if err != nil {
			return err
		}
		return k.both(ctx, w, open)
	}
	of := func(site) bool { return true }
	if len(clusters) == 1 {
		s, err := k.find(clusters[0])
		if err != nil {
			return err
		}
		of = func(other site) bool { return other == s }
	}
	var errs []error
	for _, s := range k.sites {
		if of(s) {
			errs = append(errs, k.off(ctx, s.cluster, false))
		}
	}
	errs = append(errs, k.each(func(w wire) error {
		if !of(w.a) && !of(w.b) {
			return nil
		}
		return k.both(ctx, w, open)
	}))
	return errors.Join(errs...)
}

// far sets all distances as they are in life.
func (k *links) far(ctx context.Context, regions func(context.Context) (map[string]string, error)) error {
	where, err := regions(ctx)
	if err != nil {
		return err
	}
	// All are known before any is set.
	roundTrips := map[wire]time.Duration{}
	err = k.each(func(w wire) (err error) {
		roundTrips[w], err = distance(where[w.a.cluster], where[w.b.cluster])
		return err
	})
	if err != nil {
		return err
	}
	return k.each(func(w wire) error { return k.set(ctx, w.a.cluster, w.b.cluster, roundTrips[w]) })
}
