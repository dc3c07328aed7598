package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"

	"hybrid/internal/shell"
	"hybrid/lab/registry/store"
	"hybrid/lab/zones"

	"github.com/docker/docker/api/types/network"
	"golang.org/x/sync/errgroup"
)

// The lab's internet is RFC 2544's range for benchmarks, which is routed nowhere.
var (
	Internet = netip.MustParsePrefix("198.18.0.0/16")
	// Workstation is the host itself, from where the user works.
	Workstation = netip.MustParseAddr("198.18.0.1")
	// Registry serves images by plain HTTP on port 80.
	Registry = netip.MustParseAddr("198.18.0.5")
	// NameServer knows the zones of the simulated clouds, and no others. Machines ask
	// it for names.
	NameServer = netip.MustParseAddr("198.18.0.53")

	// S3 is a server of object storage, by TLS on port 443: all vendors' names of theirs
	// lead to it.
	S3 = netip.MustParseAddr(zones.S3)

	routerRange = netip.MustParsePrefix("198.18.1.0/24")
)

const internetName = namePrefix + kindInternet

// bridge are the options of every Docker network: no translation behind the
// routers' back.
func bridge() map[string]string {
	return map[string]string{"com.docker.network.bridge.enable_ip_masquerade": "false"}
}

// ensureInternet makes the network that joins the routers, and starts the
// registry, the name server and the S3 server in it. The caller holds internetLock.
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
		err = h.createBridge(ctx, internetName, bridge(), labels, network.IPAMConfig{
			Subnet: Internet.String(), Gateway: Workstation.String(), IPRange: routerRange.String(),
		})
		if err != nil {
			return fmt.Errorf("the lab's internet %s: %w", Internet, err)
		}
	}
	var servers errgroup.Group
	for name, ensure := range map[string]func(context.Context) error{"registry": h.ensureRegistry, "name server": h.ensureNameServer, "S3 server": h.ensureS3} {
		servers.Go(func() error {
			if err := ensure(ctx); err != nil {
				return fmt.Errorf("the %s: %w", name, err)
			}
			return nil
		})
	}
	return servers.Wait()
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
				Internet, name, p, shell.Quote(name))
		}
	}
	return nil
}

// ensureRegistry starts the registry's container.
func (h *Host) ensureRegistry(ctx context.Context) error {
	dir, err := store.Dir()
	if err != nil {
		return err
	}
	const inside = "/registry"
	return h.ensureServer(ctx, server{
		kind: kindRegistry, address: Registry,
		program: filepath.Join(dir, store.Server),
		command: []string{inside + "/" + store.Server, inside},
		mounts:  map[string]string{inside: dir},
		answers: h.awaitRegistry,
	})
}

// awaitRegistry also proves that the host reaches the lab's internet.
func (h *Host) awaitRegistry(ctx context.Context) error {
	url := fmt.Sprintf("http://%s/v2/", Registry)
	direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // whatever proxy the environment has
	return await(ctx, func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := direct.Do(request)
		if err != nil {
			return err
		}
		return response.Body.Close()
	})
}
