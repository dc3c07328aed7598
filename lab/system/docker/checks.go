package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"hybrid/lab/system/paths"

	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/versions"
)

// minMemoryKiB is what three clusters of two machines need, with room for a build
// beside them.
const minMemoryKiB = 6 << 20

// kernelShare is what a host of a nominal size lacks in MemTotal: the kernel and
// the firmware keep some for themselves.
const kernelShare = 0.08

// inotifyInstances suffices for some fifty machines. Every machine's systemd,
// kubelet and containerd use dozens, and all are counted for the host's root.
const inotifyInstances = 8192

const inotifyFile = "/proc/sys/fs/inotify/max_user_instances"

// bufferBytes is what a socket may hold on machines in life: clouds/cloud-config.yaml sets
// it. The kernel has one setting for a host and all its containers.
const bufferBytes = 4 << 20

const bufferFile = "/proc/sys/net/core/rmem_default"

// checkHost reports everything that is wrong with the host, on whose disk so many bytes
// are to be written.
func checkHost(disk uint64) error {
	errs := []error{checkPlatform(runtime.GOOS, runtime.GOARCH)}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil { // there on every Linux
		errs = append(errs, checkMemory(string(text)))
	}
	// The engine's own folder, or where it will be, and the caches'.
	dirs := []string{"/var/lib"}
	if exists("/var/lib/docker") {
		dirs[0] = "/var/lib/docker"
	}
	if cache, err := paths.Cache(); err != nil {
		errs = append(errs, err)
	} else if err := os.MkdirAll(cache, 0o755); err != nil {
		errs = append(errs, err)
	} else {
		dirs = append(dirs, cache)
	}
	for _, dir := range dirs {
		errs = append(errs, checkDisk(dir, disk))
	}
	return errors.Join(errs...)
}

func checkPlatform(system, architecture string) error {
	if system != "linux" || architecture != "amd64" {
		return fmt.Errorf("the lab's machines are linux/amd64, this host is %s/%s: use an x86-64 Linux", system, architecture)
	}
	return nil
}

func checkMemory(meminfo string) error {
	for line := range strings.Lines(meminfo) {
		fields := strings.Fields(line) // MemTotal:  24683424 kB
		if len(fields) < 2 || fields[0] != "MemTotal:" {
			continue
		}
		total, err := strconv.ParseFloat(fields[1], 64)
		if err == nil && total < minMemoryKiB*(1-kernelShare) {
			return fmt.Errorf("the lab needs %d GiB of memory, this host has %.1f: use a larger host", minMemoryKiB>>20, total/(1<<20))
		}
		return err
	}
	return errors.New("/proc/meminfo: want a line MemTotal, found none")
}

func checkDisk(dir string, need uint64) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		if errors.Is(err, os.ErrPermission) {
			return nil // the engine's folder is root's
		}
		return fmt.Errorf("%s: %w", dir, err)
	}
	return checkFree(dir, s.Bavail*uint64(s.Bsize), need)
}

func checkFree(dir string, free, need uint64) error {
	if free < need {
		return fmt.Errorf("the lab needs %d GB of free disk at %s, there are %.1f: make room", need/1_000_000_000, dir, float64(free)/1e9)
	}
	return nil
}

// bridgeFile is there when the module br_netfilter is loaded, or built in. Kubernetes
// nodes need it; Docker loads it up to version 27.
const bridgeFile = "/proc/sys/net/bridge/bridge-nf-call-iptables"

// loadBridgeFilter loads the module until the next boot, and says so.
func loadBridgeFilter(ctx context.Context, file string, progress func(string)) error {
	if exists(file) {
		return nil
	}
	out, err := exec.CommandContext(ctx, "modprobe", "br_netfilter").CombinedOutput()
	if err == nil && !exists(file) {
		err = fmt.Errorf("there is still no %s", file)
	}
	if err != nil {
		return fmt.Errorf("the kernel module br_netfilter isn't loaded, which the machines need: `sudo modprobe br_netfilter`: %w: %s", err, bytes.TrimSpace(out))
	}
	progress("loaded this host's kernel module br_netfilter until the next boot")
	return nil
}

// leastAPI is the version of the API of Docker Engine 20.10.
const leastAPI = "1.41"

// checkEngine reports everything about an engine that keeps machines from running. host
// is where it answers, api the newest version of its API.
func checkEngine(host, api string, info system.Info) error {
	var errs []error
	if versions.LessThan(api, leastAPI) {
		errs = append(errs, fmt.Errorf("the lab needs Docker Engine 20.10 or later, this is %s: install a later one", info.ServerVersion))
	}
	if u, err := url.Parse(host); err == nil && u.Scheme != "unix" {
		if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			errs = append(errs, fmt.Errorf("DOCKER_HOST=%s is another machine, whose containers' networks can't be reached from here: `unset DOCKER_HOST`", host))
		}
	}
	if strings.Contains(info.OperatingSystem, "Docker Desktop") {
		errs = append(errs, errors.New("this is Docker Desktop, whose containers run in a virtual machine with networks that can't be reached from here: install Docker Engine, and `unset DOCKER_HOST`"))
	}
	for _, option := range info.SecurityOptions {
		switch name, _, _ := strings.Cut(option, ","); name {
		case "name=rootless":
			errs = append(errs, errors.New("this is a rootless Docker, whose containers can't be machines: start the system's own (`sudo systemctl start docker`), and `unset DOCKER_HOST`"))
		case "name=userns":
			errs = append(errs, errors.New("this Docker maps its containers' users to others (userns-remap), so that they can't be machines: take userns-remap out of /etc/docker/daemon.json and `sudo systemctl restart docker`"))
		}
	}
	return errors.Join(errs...)
}

// raiseInotify raises the limit until the next boot, and says so.
func raiseInotify(want int, progress func(string)) error {
	now, err := raise(inotifyFile, want, progress)
	if err != nil && now > 0 {
		return fmt.Errorf("fs.inotify.max_user_instances is %d, the machines need %d: `sudo sysctl -w fs.inotify.max_user_instances=%d`", now, want, want)
	}
	return err
}

// raiseBuffer raises it until the next boot, and says so. The machines work with less, too.
func raiseBuffer(file string, want int, progress func(string)) {
	if now, err := raise(file, want, progress); err != nil && now > 0 {
		progress(fmt.Sprintf("net.core.rmem_default is %d: the mesh between the clouds is faster after `sudo sysctl -w net.core.rmem_default=%d` and a new `make up`", now, want))
	}
}

// raise raises a setting of this host's kernel to what is wanted, if it is less. It returns
// what it was; 0 if that can't be read.
func raise(file string, want int, progress func(string)) (now int, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	now, err = strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || now >= want {
		return now, err
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(want)), 0); err != nil {
		return now, err
	}
	name := strings.ReplaceAll(strings.TrimPrefix(file, "/proc/sys/"), "/", ".")
	progress(fmt.Sprintf("raised this host's %s from %d to %d until the next boot", name, now, want))
	return now, nil
}
