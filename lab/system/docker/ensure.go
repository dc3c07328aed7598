package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/docker/client"
)

// Ensure checks the host and makes Docker answer: an engine that runs is used as
// it is; on Debian and Ubuntu, root gets one installed and started. It raises the
// host's inotify limit and its sockets' buffers, and loads the module br_netfilter, all
// that the lab changes of the host. What is wrong is reported together, as is less free disk than the bytes that
// are to be written. progress receives one line at a time.
func Ensure(ctx context.Context, disk uint64, progress func(line string)) error {
	if err := findSystemPrograms(); err != nil {
		return err
	}
	if err := checkHost(disk); err != nil {
		return err
	}
	if err := ensureEngine(ctx, progress); err != nil {
		return err
	}
	raiseBuffer(bufferFile, bufferBytes, progress)
	return errors.Join(
		askEngine(ctx),
		loadBridgeFilter(ctx, bridgeFile, progress),
		raiseInotify(inotifyInstances, progress),
	)
}

// findSystemPrograms adds to PATH the folders of dockerd, iptables, modprobe and the
// like: after `su`, root has not got them there, nor have others.
func findSystemPrograms() error {
	path := filepath.SplitList(os.Getenv("PATH"))
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if !slices.Contains(path, dir) {
			path = append(path, dir)
		}
	}
	return os.Setenv("PATH", strings.Join(path, string(filepath.ListSeparator)))
}

// askEngine checks the engine by what it says of itself.
func askEngine(ctx context.Context) error {
	cli, err := Connect(ctx)
	if err != nil {
		return err
	}
	defer cli.Close()
	version, err := cli.ServerVersion(ctx)
	if err != nil {
		return err
	}
	info, err := cli.Info(ctx)
	if err != nil {
		return err
	}
	return checkEngine(cli.DaemonHost(), version.APIVersion, info)
}

func ensureEngine(ctx context.Context, progress func(string)) error {
	cli, err := Connect(ctx)
	if err == nil {
		return cli.Close()
	}
	if ctx.Err() != nil || os.Getenv(client.EnvOverrideHost) != "" || os.Geteuid() != 0 {
		return err // not ours to start
	}
	dockerd, missing := exec.LookPath("dockerd")
	if missing != nil {
		if !debianLike() {
			return fmt.Errorf("this system is neither Debian nor Ubuntu, so that the lab can't install Docker: %w", err)
		}
		progress("installing Docker (package docker.io)")
		if err := AptInstall(ctx, progress, "docker.io"); err != nil {
			return err
		}
		if dockerd, err = exec.LookPath("dockerd"); err != nil {
			return fmt.Errorf("the package docker.io brought no dockerd: %w", err)
		}
		// The package may have started it.
		if cli, err := Connect(ctx); err == nil {
			return cli.Close()
		}
	}
	if exists("/run/systemd/system") {
		progress("starting Docker with systemd")
		return startUnit(ctx)
	}
	progress("starting dockerd by hand, since systemd doesn't run here")
	return startDaemon(ctx, dockerd)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}
