package vm

import (
	"context"
	"errors"

	"hybrid/lab/system/docker"
	"hybrid/lab/system/lock"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"
)

// Purge removes every container, network and volume of the lab, also what a killed
// run left half made. Images stay. With keepServers the lab's internet stays up. Of
// another lab (see CheckOwner) it removes nothing.
func (h *Host) Purge(ctx context.Context, keepServers bool) error {
	if err := h.checkOwner(ctx); err != nil {
		return err
	}
	unlock, err := lock.Take(internetLock)
	if err != nil {
		return err
	}
	defer unlock()
	return h.purge(ctx, keepServers)
}

// purge is Purge for who holds internetLock.
func (h *Host) purge(ctx context.Context, keepServers bool) error {
	keep := func(labels map[string]string) bool {
		kind := labels[labelKind]
		return keepServers && (kind == kindRegistry || kind == kindNameServer || kind == kindS3 || kind == kindInternet)
	}
	// Docker may still be making a container for a process that was killed: its network
	// and volumes are in use then, before the container is in any list.
	waiting, cancel := context.WithTimeout(ctx, CreateTimeout)
	defer cancel()
	var err error
	_ = await(waiting, func() error { // what it returns is err, or nothing
		if err = h.purgeOnce(ctx, keep); occupied(err) {
			return err
		}
		return nil
	})
	return err
}

func (h *Host) purgeOnce(ctx context.Context, keep func(map[string]string) bool) error {
	// Each stage needs the former: a network must be empty, a volume unused.
	for _, stage := range []func(context.Context, func(map[string]string) bool) error{
		h.purgeContainers, h.purgeNetworks, h.purgeVolumes,
	} {
		if err := stage(ctx, keep); err != nil {
			return err
		}
	}
	return nil
}

// occupied says whether Docker didn't remove something because it is in use: of
// volumes it says that it is a conflict, of networks that it is forbidden.
func occupied(err error) bool { return errdefs.IsConflict(err) || errdefs.IsPermissionDenied(err) }

func (h *Host) purgeContainers(ctx context.Context, keep func(map[string]string) bool) error {
	found, err := h.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: labelFilter("", "")})
	if err != nil {
		return err
	}
	var all errgroup.Group
	for _, c := range found {
		if !keep(c.Labels) {
			all.Go(func() error { return h.removeContainer(ctx, c.ID) })
		}
	}
	return all.Wait()
}

func (h *Host) purgeNetworks(ctx context.Context, keep func(map[string]string) bool) error {
	found, err := h.docker.NetworkList(ctx, network.ListOptions{Filters: labelFilter("", "")})
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range found {
		if keep(n.Labels) {
			continue
		}
		if err := h.docker.NetworkRemove(ctx, n.ID); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (h *Host) purgeVolumes(ctx context.Context, _ func(map[string]string) bool) error {
	found, err := h.docker.VolumeList(ctx, volume.ListOptions{
		Filters: filters.NewArgs(filters.Arg("label", Label+"="+docker.LabelValue)),
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range found.Volumes {
		if err := h.docker.VolumeRemove(ctx, v.Name, true); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
