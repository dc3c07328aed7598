package vm

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"

	"hybrid/lab/image"
	"hybrid/lab/system/lock"

	"github.com/docker/docker/api/types/container"
)

// routerReady returns when a router enforces its policy.
var routerReady = []string{"lab-router", "ready"}

// ensureRouter starts the router, after making it if it isn't there whole.
func (h *Host) ensureRouter(ctx context.Context, n Network) error {
	unlock, err := lock.Take(routerLock(n.ID))
	if err != nil {
		return err
	}
	defer unlock()
	found, err := h.container(ctx, kindRouter, n.ID)
	if err == nil && found.State == container.StateRunning {
		return h.start(ctx, found.ID, routerReady...)
	}
	if err == nil {
		if err := h.removeContainer(ctx, found.ID); err != nil { // may lack a NIC
			return err
		}
	} else if !errors.Is(err, ErrNotFound) {
		return err
	}
	labels, err := labels(kindRouter, n.ID, n)
	if err != nil {
		return err
	}
	config := &container.Config{
		Image: image.Current, Labels: labels, Hostname: "router",
		Entrypoint: []string{"/usr/local/sbin/lab-router", "start"},
		Env:        []string{"LAB_ROUTER=" + n.router().String(), "LAB_HARDWARE=" + n.hardwareAddress()},
		StopSignal: "SIGKILL",
	}
	hostConfig := &container.HostConfig{
		CapAdd:        []string{"NET_ADMIN", "NET_RAW"},
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyUnlessStopped},
		Tmpfs:         map[string]string{"/run": ""},
	}
	unconfined(hostConfig)
	id, err := h.create(ctx, namePrefix+kindRouter+"-"+n.ID, config, hostConfig, namePrefix+n.ID, n.router())
	if err != nil {
		return err
	}
	// Docker chooses the address on the internet's side.
	if err = h.docker.NetworkConnect(ctx, internetName, id, nil); err == nil {
		err = h.start(ctx, id, routerReady...)
	}
	if err != nil {
		return errors.Join(err, h.removeContainer(context.WithoutCancel(ctx), id))
	}
	return nil
}

// ApplyPolicy makes the network's router enforce the policy in place of the former
// one, at once and as a whole. Once begun it isn't interrupted: it would be unknown what
// the router enforces.
func (h *Host) ApplyPolicy(ctx context.Context, networkID string, p Policy) error {
	n, err := h.Network(ctx, networkID)
	if err != nil {
		return err
	}
	if err := p.validate(n.CIDR); err != nil {
		return fmt.Errorf("policy for network %s: %w", networkID, err)
	}
	unlock, err := lock.Take(routerLock(networkID))
	if err != nil {
		return err
	}
	defer unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ctx, cancel := unbroken(ctx)
	defer cancel()
	router, err := h.container(ctx, kindRouter, networkID)
	if err != nil {
		return err
	}
	r := render(*n, p)
	files, err := archive(map[string]string{"ruleset.nft": r.ruleset, "addresses": r.addresses})
	if err != nil {
		return err
	}
	if err := h.docker.CopyToContainer(ctx, router.ID, "/etc/lab-router/next", files, container.CopyToContainerOptions{}); err != nil {
		return fmt.Errorf("router of network %s: %w", networkID, err)
	}
	if err := h.start(ctx, router.ID, routerReady...); err != nil { // in case it was stopped
		return fmt.Errorf("router of network %s: %w", networkID, err)
	}
	if _, err := h.run(ctx, router.ID, "lab-router", "apply"); err != nil {
		return fmt.Errorf("router of network %s: %w", networkID, err)
	}
	return nil
}

// archive makes a tar of files that only root reads, as Docker wants them.
func archive(files map[string]string) (*bytes.Buffer, error) { return archiveWith(0o600, files) }

func archiveWith(mode int64, files map[string]string) (*bytes.Buffer, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(text))}); err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return nil, err
		}
	}
	return &out, w.Close()
}
