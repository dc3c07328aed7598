package vm

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"hybrid/lab/image"
	"hybrid/lab/system/docker"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// Machine is a virtual machine.
type Machine struct {
	ID        string // the cloud's instance id; unique in the lab
	Name      string // also its host name
	Cloud     string
	NetworkID string
	PrivateIP netip.Addr
	PublicIP  netip.Addr // on the NIC itself (droplet); the zero Addr on AWS and GCE
	// Anchor is one more address on the NIC (droplet), with the range to which the
	// machine has a route for it; the zero Prefix on AWS and GCE.
	Anchor netip.Prefix
	// Stock says that it boots what the vendor's image has, without Kubernetes.
	Stock      bool
	UserData   string // UserData, MetaData and VendorData are cloud-init's
	MetaData   string // NoCloud seed, given as they are
	VendorData string
}

// Status is a machine that exists.
type Status struct {
	Machine
	Running bool
}

// bootWait returns when the machine's entrypoint has become systemd.
var bootWait = []string{"sh", "-c", `until [ "$(cat /proc/1/comm)" = systemd ]; do sleep 0.02; done`}

// CreateMachine makes and starts a machine. It returns when systemd starts to
// boot, seconds before cloud-init is done. On an error nothing is left.
func (h *Host) CreateMachine(ctx context.Context, m Machine) error {
	n, err := h.Network(ctx, m.NetworkID)
	if err != nil {
		return fmt.Errorf("machine %s (%s): %w", m.ID, m.Name, err)
	}
	if !n.CIDR.Contains(m.PrivateIP) || m.PrivateIP == n.router() || m.PrivateIP == n.parked() {
		return fmt.Errorf("machine %s (%s): address %s: want one in %s that is neither the first nor the last usable", m.ID, m.Name, m.PrivateIP, n.CIDR)
	}
	if _, err := h.Machine(ctx, m.ID); !errors.Is(err, ErrNotFound) {
		if err == nil {
			err = errors.New("it exists already")
		}
		return fmt.Errorf("machine %s (%s): %w", m.ID, m.Name, err)
	}
	if err := h.DeleteMachine(ctx, m.ID); err != nil { // what a killed run left of it
		return fmt.Errorf("machine %s (%s): %w", m.ID, m.Name, err)
	}
	if err := h.createMachine(ctx, m, *n); err != nil {
		return fmt.Errorf("machine %s (%s): %w", m.ID, m.Name, err)
	}
	return nil
}

func (h *Host) createMachine(ctx context.Context, m Machine, n Network) error {
	config, hostConfig, err := machineConfig(m, n)
	if err != nil {
		return err
	}
	id, err := h.create(ctx, namePrefix+m.Name, config, hostConfig, namePrefix+n.ID, m.PrivateIP)
	if errdefs.IsConflict(err) {
		// Two machines may have the same name in life, for instance while one
		// replaces the other.
		id, err = h.create(ctx, namePrefix+m.Name+"-"+m.ID, config, hostConfig, namePrefix+n.ID, m.PrivateIP)
	}
	if err != nil {
		return err
	}
	if err := h.seed(ctx, id, m); err != nil {
		return errors.Join(err, h.removeContainer(context.WithoutCancel(ctx), id))
	}
	if err := h.start(ctx, id, bootWait...); err != nil {
		return errors.Join(err, h.removeContainer(context.WithoutCancel(ctx), id))
	}
	return nil
}

// machineConfig is what a container needs in which systemd and Kubernetes run.
func machineConfig(m Machine, n Network) (*container.Config, *container.HostConfig, error) {
	labels, err := labels(kindMachine, m.ID, m)
	if err != nil {
		return nil, nil, err
	}
	capabilities, err := machineCapabilities()
	if err != nil {
		return nil, nil, err
	}
	public := ""
	if m.PublicIP.IsValid() {
		public = m.PublicIP.String()
	}
	anchor, anchors := "", ""
	if m.Anchor.IsValid() {
		anchor, anchors = m.Anchor.String(), m.Anchor.Masked().String()
	}
	stock := ""
	if m.Stock {
		stock = "true"
	}
	config := &container.Config{
		Image: image.Current, Hostname: m.Name, Labels: labels,
		Env: []string{
			"container=docker", "container_uuid=" + uuid(), // systemd's, the latter for /etc/machine-id
			"LAB_PRIVATE=" + m.PrivateIP.String(), "LAB_PUBLIC=" + public,
			"LAB_ANCHOR=" + anchor, "LAB_ANCHORS=" + anchors, "LAB_STOCK=" + stock,
			"LAB_NETWORK=" + n.CIDR.Masked().String(), "LAB_ROUTER=" + n.router().String(), "LAB_DNS=" + NameServer.String(),
		},
	}
	hostConfig := &container.HostConfig{
		CapAdd:       capabilities,
		CgroupnsMode: container.CgroupnsModePrivate,
		// A reboot ends all that is in the container. Stopped is what is stopped from outside.
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyUnlessStopped},
		Tmpfs:         map[string]string{"/run": "", "/run/lock": "", "/tmp": ""},
		Resources:     container.Resources{DeviceCgroupRules: []string{"a *:* rwm"}},
	}
	unconfined(hostConfig)
	// Not on the container's own layers: containerd stacks layers itself, the others
	// are databases.
	for _, dir := range []string{"/var/lib/containerd", "/var/lib/etcd", "/var/lib/kubelet", "/var/lib/weave"} {
		hostConfig.Mounts = append(hostConfig.Mounts, mount.Mount{
			Type: mount.TypeVolume, Target: dir,
			VolumeOptions: &mount.VolumeOptions{Labels: map[string]string{Label: docker.LabelValue}},
		})
	}
	return config, hostConfig, nil
}

// seed gives cloud-init its data, as a hypervisor's seed disk would.
func (h *Host) seed(ctx context.Context, id string, m Machine) error {
	files := map[string]string{"user-data": m.UserData, "meta-data": m.MetaData}
	if m.VendorData != "" {
		files["vendor-data"] = m.VendorData
	}
	seed, err := archive(files)
	if err != nil {
		return err
	}
	return h.docker.CopyToContainer(ctx, id, "/var/lib/cloud/seed/nocloud", seed, container.CopyToContainerOptions{})
}

// DeleteMachine switches a machine off and removes it with its disks. One that
// isn't there is fine.
func (h *Host) DeleteMachine(ctx context.Context, id string) error {
	found, err := h.container(ctx, kindMachine, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return h.removeContainer(ctx, found.ID)
}

// Machine looks a machine up. One that has never been started isn't a machine yet:
// it may lack its seed, because the process that made it was killed.
func (h *Host) Machine(ctx context.Context, id string) (*Status, error) {
	found, err := h.container(ctx, kindMachine, id)
	if err != nil {
		return nil, err
	}
	if found.State == container.StateCreated {
		return nil, fmt.Errorf("machine %s, which was never started: %w", id, ErrNotFound)
	}
	s := &Status{Running: found.State == container.StateRunning}
	if err := json.Unmarshal([]byte(found.Labels[labelSpec]), &s.Machine); err != nil {
		return nil, fmt.Errorf("machine %s: label %s: %w", id, labelSpec, err)
	}
	return s, nil
}

// StartMachine switches on a machine that is off.
func (h *Host) StartMachine(ctx context.Context, id string) error {
	if _, err := h.Machine(ctx, id); err != nil {
		return err
	}
	found, err := h.container(ctx, kindMachine, id)
	if err != nil {
		return err
	}
	if err := h.start(ctx, found.ID, bootWait...); err != nil {
		return fmt.Errorf("machine %s: %w", id, err)
	}
	return nil
}

// StopMachine switches a machine off as a power cut does.
func (h *Host) StopMachine(ctx context.Context, id string) error {
	found, err := h.container(ctx, kindMachine, id)
	if err != nil {
		return err
	}
	if err := h.docker.ContainerKill(ctx, found.ID, "KILL"); err != nil {
		return fmt.Errorf("machine %s: %w", id, err)
	}
	return nil
}

// freezeTimeout bounds the time in which all of a machine's processes are to stand still.
const freezeTimeout = 10 * time.Second

// PauseMachine stops a machine's processes where they are, and its clock doesn't stop:
// as a hypervisor does that has no time for it.
func (h *Host) PauseMachine(ctx context.Context, id string) error {
	found, err := h.container(ctx, kindMachine, id)
	if err != nil {
		return err
	}
	// Where new processes start all the time Docker gives up before all are frozen.
	freezing, cancel := context.WithTimeout(ctx, freezeTimeout)
	defer cancel()
	if err := await(freezing, func() error { return h.docker.ContainerPause(ctx, found.ID) }); err != nil {
		return fmt.Errorf("machine %s: %w", id, err)
	}
	return nil
}

// ResumeMachine ends what PauseMachine began.
func (h *Host) ResumeMachine(ctx context.Context, id string) error {
	found, err := h.container(ctx, kindMachine, id)
	if err != nil {
		return err
	}
	if err := h.docker.ContainerUnpause(ctx, found.ID); err != nil {
		return fmt.Errorf("machine %s: %w", id, err)
	}
	return nil
}

// uuid is random (RFC 9562, version 4).
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
