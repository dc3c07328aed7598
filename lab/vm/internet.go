package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"hybrid/lab/image"
	"hybrid/lab/registry/store"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
)

// The lab's internet is RFC 2544's range for benchmarks, which nobody routes.
var (
	Internet = netip.MustParsePrefix("198.18.0.0/16")
	// Workstation is the host itself, from where the user works.
	Workstation = netip.MustParseAddr("198.18.0.1")
	// Registry serves images by plain HTTP on port 80. Machines have it as name
	// server too: it refuses, which is faster than no answer.
	Registry = netip.MustParseAddr("198.18.0.5")

	routerRange = netip.MustParsePrefix("198.18.1.0/24")
)

const internetName = namePrefix + kindInternet

// bridge are the options of every Docker network: no translation behind the
// routers' back.
func bridge() map[string]string {
	return map[string]string{"com.docker.network.bridge.enable_ip_masquerade": "false"}
}

// ensureInternet makes the network that joins the routers, and starts the
// registry in it. The caller holds internetLock.
func (h *Host) ensureInternet(ctx context.Context) error {
	found, err := h.docker.NetworkList(ctx, network.ListOptions{Filters: labelFilter(kindInternet, "")})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		if err := checkUnused(); err != nil {
			return err
		}
		labels, err := labels(kindInternet, kindInternet, Internet)
		if err != nil {
			return err
		}
		_, err = h.docker.NetworkCreate(ctx, internetName, network.CreateOptions{
			Driver: "bridge", Options: bridge(), Labels: labels,
			IPAM: &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{
				Subnet: Internet.String(), Gateway: Workstation.String(), IPRange: routerRange.String(),
			}}},
		})
		if err != nil {
			return fmt.Errorf("the lab's internet %s: %w", Internet, err)
		}
	}
	if err := h.ensureRegistry(ctx); err != nil {
		return fmt.Errorf("the registry: %w", err)
	}
	return nil
}

// checkUnused reports who has addresses of the lab's internet on this host already:
// an engine that was removed leaves its bridges, and what is sent to the lab would
// go there.
func checkUnused() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	var errs []error
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			return fmt.Errorf("interface %s: %w", i.Name, err)
		}
		errs = append(errs, inUse(i.Name, addresses))
	}
	return errors.Join(errs...)
}

func inUse(name string, addresses []net.Addr) error {
	for _, a := range addresses {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Overlaps(Internet) {
			return fmt.Errorf("the lab needs %s, and this host's interface %s has %s: if a removed Docker has left it, `sudo ip link delete %s`; if it is a VPN's, switch that off",
				Internet, name, p, name)
		}
	}
	return nil
}

// ensureRegistry starts the registry's container, anew if its program has changed.
func (h *Host) ensureRegistry(ctx context.Context) error {
	dir, err := store.Dir()
	if err != nil {
		return err
	}
	version, err := digest(filepath.Join(dir, store.Server))
	if err != nil {
		return fmt.Errorf("its images are not there: run `make up`, which makes them: %w", err)
	}
	labels, err := labels(kindRegistry, kindRegistry, version)
	if err != nil {
		return err
	}
	found, err := h.container(ctx, kindRegistry, kindRegistry)
	if err == nil && found.State == container.StateRunning && found.Labels[labelSpec] == labels[labelSpec] {
		return nil
	}
	if err == nil {
		if err := h.removeContainer(ctx, found.ID); err != nil {
			return err
		}
	} else if !errors.Is(err, ErrNotFound) {
		return err
	}
	const inside = "/registry"
	id, err := h.create(ctx, namePrefix+kindRegistry, &container.Config{
		Image: image.Current, Labels: labels,
		Entrypoint: []string{inside + "/" + store.Server, inside},
	}, &container.HostConfig{
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyUnlessStopped},
		Mounts:        []mount.Mount{{Type: mount.TypeBind, Source: dir, Target: inside, ReadOnly: true}},
	}, internetName, Registry)
	if err != nil {
		return err
	}
	if err := h.docker.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return err
	}
	return h.awaitRegistry(ctx, id)
}

// awaitRegistry also proves that the host reaches the lab's internet.
func (h *Host) awaitRegistry(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	url := fmt.Sprintf("http://%s/v2/", Registry)
	direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // whatever proxy the environment has
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := direct.Do(request)
		if err == nil {
			response.Body.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: does a VPN or firewall of this host take %s? The container's log ends with:\n%s",
				err, Internet, h.logs(context.WithoutCancel(ctx), id))
		case <-tick.C:
		}
	}
}

// removeInternet removes what ensureInternet made. The caller holds internetLock.
func (h *Host) removeInternet(ctx context.Context) error {
	found, err := h.container(ctx, kindRegistry, kindRegistry)
	if err == nil {
		err = h.removeContainer(ctx, found.ID)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return h.removeNetworks(ctx, labelFilter(kindInternet, ""))
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
