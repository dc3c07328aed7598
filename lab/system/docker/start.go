package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hybrid/lab/system/paths"
)

// startTimeout is generous: the engine restores its containers before it answers.
const startTimeout = 2 * time.Minute

func startUnit(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "systemctl", "start", "docker").CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl start docker: %w: %s: see `journalctl -u docker`", err, strings.TrimSpace(string(out)))
	}
	return await(ctx, nil)
}

// startDaemon starts dockerd in a session of its own, so that it outlives the
// lab's command and its terminal.
func startDaemon(ctx context.Context, dockerd string) error {
	if pid, ok := readPID(daemonPID); ok && Program(pid) == "dockerd" {
		return await(ctx, nil) // it is just starting
	}
	if err := clearRemains(); err != nil {
		return err
	}
	state, err := paths.State()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(state, 0o755); err != nil {
		return err
	}
	path := filepath.Join(state, "dockerd.log")
	log, err := os.Create(path)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(dockerd) // not CommandContext: it shall outlive ctx
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	if err := await(ctx, exited); err != nil {
		return fmt.Errorf("%w; its log %s ends with:\n%s", err, path, tail(path))
	}
	return nil
}

// await polls until the engine answers, or has exited.
func await(ctx context.Context, exited <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		cli, err := Connect(ctx)
		if err == nil {
			return cli.Close()
		}
		select {
		case status := <-exited:
			return fmt.Errorf("dockerd exited before it answered (%v)", status)
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// What an engine leaves behind that was killed. Each file makes the next one
// wait for, or refuse to start beside, a process that isn't there.
const (
	daemonPID        = "/var/run/docker.pid"
	containerdPID    = "/var/run/docker/containerd/containerd.pid"
	containerdSocket = "/run/containerd/containerd.sock"
)

func clearRemains() error {
	var errs []error
	for file, owner := range map[string]string{daemonPID: "dockerd", containerdPID: "containerd"} {
		if pid, ok := readPID(file); ok && Program(pid) != owner {
			errs = append(errs, os.Remove(file))
		}
	}
	if exists(containerdSocket) {
		if c, err := net.Dial("unix", containerdSocket); err == nil {
			c.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			errs = append(errs, os.Remove(containerdSocket))
		}
	}
	return errors.Join(errs...)
}

func readPID(file string) (pid int, ok bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return pid, err == nil
}

func tail(path string) string {
	text, _ := os.ReadFile(path)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}
