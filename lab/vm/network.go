package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"hybrid/lab/system/lock"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
)

// Network is a cloud's subnet.
type Network struct {
	ID          string // the cloud's id of the subnet; unique in the lab; part of a container's name, so no slashes
	Cloud, Name string
	CIDR        netip.Prefix
	MTU         int // largest packet, in bytes; 0 means Docker's default, 1500
}

// router is the network's first address, as in the clouds.
func (n Network) router() netip.Addr { return n.CIDR.Masked().Addr().Next() }

// hardwareAddress is its router's on the internet's side. It follows from the range of
// addresses, of which no two networks have the same: other routers know it without
// asking, also after a restart.
func (n Network) hardwareAddress() string {
	a := n.router().As4()
	return fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3]) // 02: given locally (IEEE 802)
}

// parked is the network's last usable address. Docker insists on a gateway of its
// own; nothing has or uses it.
func (n Network) parked() netip.Addr {
	last := n.CIDR.Masked().Addr().As4()
	for bit := n.CIDR.Bits(); bit < 32; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(last).Prev()
}

func (n Network) validate() error {
	var errs []error
	if n.ID == "" {
		errs = append(errs, errors.New("network: want an ID, found none"))
	}
	if !n.CIDR.Addr().Is4() || n.CIDR.Bits() < 8 || n.CIDR.Bits() > 28 {
		errs = append(errs, fmt.Errorf("network %s: range %s: want IPv4 from /8 to /28", n.ID, n.CIDR))
	} else if n.CIDR.Overlaps(Internet) {
		errs = append(errs, fmt.Errorf("network %s: range %s overlaps the lab's internet %s: choose another", n.ID, n.CIDR, Internet))
	}
	return errors.Join(errs...)
}

// CreateNetwork makes a network with a running router that lets nothing through
// until it has a policy. A network that is there is left, or repaired.
func (h *Host) CreateNetwork(ctx context.Context, n Network) error {
	if err := n.validate(); err != nil {
		return err
	}
	if err := h.ensureNetwork(ctx, n); err != nil {
		return fmt.Errorf("network %s (%s): %w", n.ID, n.CIDR, err)
	}
	if err := h.ensureRouter(ctx, n); err != nil {
		return fmt.Errorf("network %s (%s): its router: %w", n.ID, n.CIDR, err)
	}
	return nil
}

func (h *Host) ensureNetwork(ctx context.Context, n Network) error {
	// Under one lock, so that the internet isn't removed with another network while
	// it becomes needed for this one.
	unlock, err := lock.Take(internetLock)
	if err != nil {
		return err
	}
	defer unlock()
	if err := h.checkOwner(ctx); err != nil {
		return err
	}
	if err := h.ensureInternet(ctx); err != nil {
		return err
	}
	found, err := h.findNetwork(ctx, n.ID)
	if err == nil && found.CIDR != n.CIDR {
		return fmt.Errorf("it exists with the range %s: delete it first", found.CIDR)
	}
	if err == nil || !errors.Is(err, ErrNotFound) {
		return err
	}
	labels, err := labels(kindNetwork, n.ID, n)
	if err != nil {
		return err
	}
	options := bridge()
	// The host itself gets no address and no route there: the range may well be in
	// use in the user's own network.
	options["com.docker.network.bridge.inhibit_ipv4"] = "true"
	if n.MTU > 0 {
		options["com.docker.network.driver.mtu"] = strconv.Itoa(n.MTU)
	}
	return h.createBridge(ctx, namePrefix+n.ID, options, labels, network.IPAMConfig{
		Subnet: n.CIDR.Masked().String(), Gateway: n.parked().String(),
	})
}

// findNetwork knows nothing of the router.
func (h *Host) findNetwork(ctx context.Context, id string) (*Network, error) {
	found, err := h.docker.NetworkList(ctx, network.ListOptions{Filters: labelFilter(kindNetwork, id)})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("network %s: %w", id, ErrNotFound)
	}
	var n Network
	if err := json.Unmarshal([]byte(found[0].Labels[labelSpec]), &n); err != nil {
		return nil, fmt.Errorf("network %s: label %s: %w", id, labelSpec, err)
	}
	return &n, nil
}

// CreateTimeout is how long Docker may take to make something, on a host that is busy.
const CreateTimeout = time.Minute

// unbroken returns a context for calls that make something. Docker ends such a call
// also when its caller has hung up; the caller would clear up too early then, and
// what is made afterwards would belong to no resource.
func unbroken(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), CreateTimeout)
}

// createBridge creates a Docker network with one range of addresses.
func (h *Host) createBridge(ctx context.Context, name string, options, labels map[string]string, addresses network.IPAMConfig) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ctx, cancel := unbroken(ctx)
	defer cancel()
	if err := h.checkRange(ctx, addresses.Subnet); err != nil {
		return err
	}
	_, err := h.docker.NetworkCreate(ctx, name, network.CreateOptions{
		Driver: "bridge", Options: options, Labels: labels,
		IPAM: &network.IPAM{Driver: "default", Config: []network.IPAMConfig{addresses}},
	})
	return err
}

// create creates a container with one NIC.
func (h *Host) create(ctx context.Context, name string, c *container.Config, hc *container.HostConfig, net string, address netip.Addr) (string, error) {
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	ctx, cancel := unbroken(ctx)
	defer cancel()
	created, err := h.docker.ContainerCreate(ctx, c, hc, &network.NetworkingConfig{
		EndpointsConfig: map[string]*network.EndpointSettings{
			net: {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: address.String()}},
		},
	}, nil, name)
	return created.ID, err
}

// DeleteNetwork removes a network and its router. With the last network go the
// internet, its servers, and whatever killed processes have left. A network that
// isn't there is fine, also if its router is; one with machines is an error.
func (h *Host) DeleteNetwork(ctx context.Context, id string) error {
	unlock, err := lock.Take(internetLock)
	if err != nil {
		return err
	}
	defer unlock()
	if err := h.deleteNetwork(ctx, id); err != nil {
		return fmt.Errorf("network %s: %w", id, err)
	}
	left, err := h.docker.NetworkList(ctx, network.ListOptions{Filters: labelFilter(kindNetwork, "")})
	if err != nil || len(left) > 0 {
		return err
	}
	return h.purge(ctx, false)
}

func (h *Host) deleteNetwork(ctx context.Context, id string) error {
	// Docker itself objects only to machines that run.
	within := labelFilter(kindMachine, "")
	within.Add("network", namePrefix+id)
	machines, err := h.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: within})
	if err != nil {
		return err
	}
	for _, m := range machines {
		if m.State != container.StateCreated {
			return fmt.Errorf("machine %s is in it: delete the machine first", m.Labels[labelID])
		}
		// Never started: no machine yet, and the process that made it is gone.
		if err := h.removeContainer(ctx, m.ID); err != nil {
			return err
		}
	}
	router, err := h.container(ctx, kindRouter, id)
	if err == nil {
		err = h.removeContainer(ctx, router.ID)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return h.removeNetworks(ctx, labelFilter(kindNetwork, id))
}

func (h *Host) removeNetworks(ctx context.Context, which filters.Args) error {
	found, err := h.docker.NetworkList(ctx, network.ListOptions{Filters: which})
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range found {
		if err := h.docker.NetworkRemove(ctx, n.ID); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Network looks a network up. One without a router isn't a network.
func (h *Host) Network(ctx context.Context, id string) (*Network, error) {
	n, err := h.findNetwork(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := h.container(ctx, kindRouter, id); err != nil {
		return nil, err
	}
	return n, nil
}
