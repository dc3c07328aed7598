package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// capabilities are Linux's, by number (capability.h), as far as Docker 20.10
// knows them; the later ones are parts of SYS_ADMIN.
var capabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
	"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
}

// withheld are capabilities with which a machine would change the host.
var withheld = map[string]bool{"SYS_MODULE": true, "SYS_TIME": true}

// machineCapabilities are all that the engine has to give. Docker's "privileged"
// mode asks for more where the host withholds some, and then fails; it would also
// show the host's devices to the machine.
func machineCapabilities() ([]string, error) {
	status, err := os.ReadFile("/proc/self/status")
	if pid, e := os.ReadFile("/var/run/docker.pid"); e == nil { // the engine's own set, where it can be told
		if text, e := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/status"); e == nil {
			status, err = text, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return boundingSet(string(status))
}

// boundingSet reads the capabilities that a process can hand on from its status
// (proc_pid_status(5)).
func boundingSet(status string) ([]string, error) {
	for line := range strings.Lines(status) {
		value, ok := strings.CutPrefix(line, "CapBnd:")
		if !ok {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return nil, fmt.Errorf("CapBnd: %w", err)
		}
		var out []string
		for number, name := range capabilities {
			if mask&(1<<number) != 0 && !withheld[name] {
				out = append(out, name)
			}
		}
		return out, nil
	}
	return nil, errors.New("process status: want a line CapBnd, found none")
}

// unconfined lifts the limits that keep a container from administering its own
// namespaces, also those that the engine has by its settings: without new privileges
// there is no sudo, another runtime than runc may have a kernel of its own, and with an
// init of Docker's systemd isn't the first process.
func unconfined(c *container.HostConfig) {
	c.SecurityOpt = []string{"seccomp=unconfined", "apparmor=unconfined", "label=disable", "no-new-privileges=false"}
	c.Runtime, c.Init = "runc", new(bool)
	c.MaskedPaths, c.ReadonlyPaths = []string{}, []string{}
}

// run runs a command in a container and returns what it printed.
func (h *Host) run(ctx context.Context, id string, command ...string) (string, error) {
	exec, err := h.docker.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: command, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return "", err
	}
	stream, err := h.docker.ContainerExecAttach(ctx, exec.ID, container.ExecAttachOptions{})
	if err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, stream.Close) // reading knows nothing of ctx
	defer stop()
	defer stream.Close()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &out, stream.Reader); err != nil && ctx.Err() == nil {
		return "", err
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	result, err := h.docker.ContainerExecInspect(ctx, exec.ID)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(out.String())
	if result.ExitCode != 0 {
		return text, fmt.Errorf("%s: exit status %d: %s", strings.Join(command, " "), result.ExitCode, text)
	}
	return text, nil
}

// startTimeout is how long an entrypoint may take, on a host that is busy.
const startTimeout = 30 * time.Second

// start starts a container and waits until the command succeeds in it.
func (h *Host) start(ctx context.Context, id string, ready ...string) error {
	if err := h.docker.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if _, err := h.run(ctx, id, ready...); err != nil {
		return fmt.Errorf("%w; the container's log ends with:\n%s", err, h.logs(context.WithoutCancel(ctx), id))
	}
	return nil
}

func (h *Host) logs(ctx context.Context, id string) string {
	stream, err := h.docker.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: "10"})
	if err != nil {
		return err.Error()
	}
	defer stream.Close()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &out, stream); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(out.String())
}
