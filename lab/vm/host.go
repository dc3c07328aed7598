// Package vm runs virtual machines, their networks and their routers as Docker
// containers. It uses Docker's API and nothing else: the host's own network
// configuration is never touched.
//
// A network is a Docker network with a router container at its first address. The
// routers meet in one more Docker network, the lab's internet, where the host
// itself, the registry and the name server are too. Machines carry /32 addresses and reach
// everything, even their neighbors, through the router, which enforces the
// firewall rules and translates public addresses.
package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"hybrid/lab/image"
	"hybrid/lab/system/docker"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// Label is on every container, network and volume of the lab.
const Label = docker.Label

// The labels that say what a thing is.
const (
	labelKind = Label + ".kind"
	labelID   = Label + ".id"
	labelSpec = Label + ".spec" // JSON
)

// The kinds of things.
const (
	kindInternet   = "internet"
	kindRegistry   = "registry"
	kindNameServer = "nameserver"
	kindS3         = "s3"
	kindNetwork    = "network"
	kindRouter     = "router"
	kindMachine    = "machine"
)

// namePrefix keeps the lab's names apart from the user's.
const namePrefix = "hybrid-lab-"

// ErrNotFound is what lookups return for an ID that doesn't exist.
var ErrNotFound = errors.New("not found")

// Host is the machine's Docker engine seen as a hypervisor. It is safe for
// concurrent use, also by several processes.
type Host struct{ docker *client.Client }

// Open connects to the Docker engine. The lab's image must have been built.
func Open(ctx context.Context) (*Host, error) {
	cli, err := docker.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := cli.ImageInspect(ctx, image.Current); err != nil {
		cli.Close()
		return nil, fmt.Errorf("the machines' image %s: run `make up`, which builds it: %w", image.Current, err)
	}
	return &Host{docker: cli}, nil
}

// Engine is where the Docker engine answers, as DOCKER_HOST has it.
func (h *Host) Engine() string { return h.docker.DaemonHost() }

// Close ends the connection.
func (h *Host) Close() error { return h.docker.Close() }

// labels returns those of a thing of this lab; spec is kept as JSON, so that Docker itself is
// the truth about what exists.
func labels(kind, id string, spec any) (map[string]string, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	me, err := self()
	if err != nil {
		return nil, err
	}
	whose, err := json.Marshal(me)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		Label: docker.LabelValue, labelOwner: string(whose), labelKind: kind, labelID: id, labelSpec: string(text),
	}, nil
}

func labelFilter(kind, id string) filters.Args {
	args := filters.NewArgs(filters.Arg("label", Label+"="+docker.LabelValue))
	if kind != "" {
		args.Add("label", labelKind+"="+kind)
	}
	if id != "" {
		args.Add("label", labelID+"="+id)
	}
	return args
}

// container finds the one container of a kind and ID, running or not.
func (h *Host) container(ctx context.Context, kind, id string) (*container.Summary, error) {
	found, err := h.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: labelFilter(kind, id)})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s %s: %w", kind, id, ErrNotFound)
	}
	return &found[0], nil
}

// removeContainer removes a container with its volumes, running or not. One that
// is gone, or going, is fine.
func (h *Host) removeContainer(ctx context.Context, id string) error {
	err := h.docker.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsNotFound(err) {
		return nil
	}
	if errdefs.IsConflict(err) { // another process is removing it: wait for that
		removed, failed := h.docker.ContainerWait(ctx, id, container.WaitConditionRemoved)
		select {
		case result := <-removed:
			if result.Error != nil {
				return fmt.Errorf("removing container %s: %s", id, result.Error.Message)
			}
			return nil
		case err = <-failed:
			if errdefs.IsNotFound(err) {
				return nil
			}
		}
	}
	return err
}
