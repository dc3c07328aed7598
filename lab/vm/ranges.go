package vm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"hybrid/internal/shell"
	"hybrid/lab/system/docker"

	"github.com/docker/docker/api/types/network"
)

// CheckRanges fails if a network of this machine's Docker that isn't the lab's has
// addresses of any of the ranges, by whatever they are for. It names all such networks.
// It needs no image.
func CheckRanges(ctx context.Context, ranges map[string]netip.Prefix) error {
	cli, err := docker.Connect(ctx)
	if err != nil {
		return err
	}
	h := &Host{docker: cli}
	defer h.Close()
	networks, err := h.foreignNetworks(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for what, p := range ranges {
		if err := overlapping(networks, p); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// checkRange is CheckRanges for one that is about to be a network's. Docker would say
// no more than that there is an overlap.
func (h *Host) checkRange(ctx context.Context, subnet string) error {
	p, err := netip.ParsePrefix(subnet)
	if err != nil {
		return err
	}
	networks, err := h.foreignNetworks(ctx)
	if err != nil {
		return err
	}
	return overlapping(networks, p)
}

// foreignNetworks are Docker's that aren't the lab's.
func (h *Host) foreignNetworks(ctx context.Context) ([]network.Summary, error) {
	all, err := h.docker.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(n network.Summary) bool { return n.Labels[Label] == docker.LabelValue }), nil
}

// overlapping names the networks that have addresses of a range.
func overlapping(networks []network.Summary, p netip.Prefix) error {
	var errs []error
	for _, n := range networks {
		for _, c := range n.IPAM.Config {
			has, err := netip.ParsePrefix(c.Subnet)
			if err != nil || !has.Overlaps(p) {
				continue
			}
			mend := "remove that by `" + shell.Join("docker", "network", "rm", n.Name) + "`"
			if n.Name == network.NetworkBridge { // which is Docker's own
				mend = "give that another range (bip in /etc/docker/daemon.json)"
			}
			if p != Internet { // which is no setting
				mend += ", or choose another range"
			}
			errs = append(errs, fmt.Errorf("the range %s is taken: this machine's Docker network %q has %s: %s", p, n.Name, has, mend))
		}
	}
	return errors.Join(errs...)
}
