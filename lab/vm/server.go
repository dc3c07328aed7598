package vm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"syscall"
	"time"

	"hybrid/lab/image"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// server is one that the lab's internet has for everybody: a program of this host in
// a container of its own.
type server struct {
	kind    string // also its name
	address netip.Addr
	program string            // on this host; another one makes another container
	command []string          // in the container
	mounts  map[string]string // folders of this host, read-only, by those in the container
	data    map[string]string // the same, which it writes to: then it runs as this user
	files   map[string]string // in the container's root, besides
	answers func(ctx context.Context) error
}

// version is what a container is made from: another one needs another container.
type version struct {
	Program time.Time // when it was built
	Mounts  map[string]folder
	Files   map[string]string
}

// folder is one of this host. If it is removed and made again, it is another one, of
// which a container that runs sees nothing.
type folder struct {
	Path  string
	Inode uint64
}

func (s server) version() (*version, error) {
	program, err := os.Stat(s.program)
	if err != nil {
		return nil, fmt.Errorf("its program is not there: run `make up`, which makes it: %w", err)
	}
	v := &version{Program: program.ModTime().UTC(), Mounts: map[string]folder{}, Files: s.files}
	for inside, path := range s.folders() {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil, fmt.Errorf("%s: this system doesn't say which folder that is", path)
		}
		v.Mounts[inside] = folder{path, stat.Ino}
	}
	return v, nil
}

// folders are all of this host that it sees.
func (s server) folders() map[string]string {
	all := maps.Clone(s.mounts)
	maps.Copy(all, s.data)
	return all
}

// ensureServer starts a server, or restarts it if what it is made from has changed. The caller
// holds internetLock.
func (h *Host) ensureServer(ctx context.Context, s server) error {
	version, err := s.version()
	if err != nil {
		return err
	}
	labels, err := labels(s.kind, s.kind, version)
	if err != nil {
		return err
	}
	found, err := h.container(ctx, s.kind, s.kind)
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
	hostConfig := &container.HostConfig{RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyUnlessStopped}}
	for inside, path := range s.folders() {
		_, writes := s.data[inside]
		hostConfig.Mounts = append(hostConfig.Mounts, mount.Mount{Type: mount.TypeBind, Source: path, Target: inside, ReadOnly: !writes})
	}
	user := ""
	if len(s.data) > 0 { // who removes the lab can remove what it has written
		user = fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
	}
	id, err := h.create(ctx, namePrefix+s.kind, &container.Config{
		Image: image.Current, Labels: labels, Entrypoint: s.command, User: user,
	}, hostConfig, internetName, s.address)
	if err != nil {
		return err
	}
	if len(s.files) > 0 {
		files, err := archive(s.files)
		if err != nil {
			return err
		}
		if err := h.docker.CopyToContainer(ctx, id, "/", files, container.CopyToContainerOptions{}); err != nil {
			return err
		}
	}
	if err := h.docker.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.answers(waiting); err != nil {
		return fmt.Errorf("%w: does a VPN or firewall of this host take %s? The container's log ends with:\n%s",
			err, Internet, h.logs(context.WithoutCancel(ctx), id))
	}
	return nil
}

// await tries until it succeeds. It returns the last error when time is up.
func await(ctx context.Context, try func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
