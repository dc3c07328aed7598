package languagehost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// stopGrace is how long a program may take to end after an interrupt.
const stopGrace = 5 * time.Second

// Run builds and runs the program.
func (h *host) Run(ctx context.Context, r *rpc.RunRequest) (*rpc.RunResponse, error) {
	ctx, release := h.bound(ctx)
	defer release()
	program, built, err := target(r.GetInfo())
	if err == nil && !built {
		err = build(ctx, programDir(r.GetInfo()), program, h.say)
	}
	if err != nil {
		return &rpc.RunResponse{Error: err.Error()}, nil
	}
	env, err := environment(r, h.engine())
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, r.GetArgs()...)
	cmd.Dir, cmd.Env = r.GetPwd(), append(os.Environ(), env...)
	// What the program prints, the CLI shows: it reads this process's output.
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopGrace
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = runLocked(cmd)
	h.mu.Lock()
	cancelled := h.cancelled
	h.mu.Unlock()
	return outcome(err, cancelled), nil
}

// runLocked runs a command whose Pdeathsig is set: the signal is sent when the
// thread ends that has started the process, not when this process does.
func runLocked(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run()
}

// outcome tells the engine how the program has ended.
func outcome(err error, cancelled bool) *rpc.RunResponse {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &rpc.RunResponse{}
	case cancelled:
		return &rpc.RunResponse{Bail: true}
	case errors.As(err, &exit) && exit.ExitCode() == constant.ExitStatusLoggedError:
		return &rpc.RunResponse{Bail: true} // the program has already told why
	}
	return &rpc.RunResponse{Error: fmt.Sprintf("the program ended with an error: %v", err)}
}

// environment is what pulumi.Run of the Go SDK reads. The configuration, which
// holds secrets, goes this way in the vendor's host too: the SDK knows no other.
func environment(r *rpc.RunRequest, engine string) ([]string, error) {
	config, err := json.Marshal(r.GetConfig())
	if err != nil {
		return nil, fmt.Errorf("encoding the configuration: %w", err)
	}
	keys, err := json.Marshal(r.GetConfigSecretKeys())
	if err != nil {
		return nil, fmt.Errorf("encoding the names of secrets: %w", err)
	}
	return []string{
		pulumi.EnvOrganization + "=" + r.GetOrganization(),
		pulumi.EnvProject + "=" + r.GetProject(),
		pulumi.EnvPulumiRootDirectory + "=" + r.GetInfo().GetRootDirectory(),
		pulumi.EnvStack + "=" + r.GetStack(),
		pulumi.EnvConfig + "=" + string(config),
		pulumi.EnvConfigSecretKeys + "=" + string(keys),
		pulumi.EnvDryRun + "=" + strconv.FormatBool(r.GetDryRun()),
		pulumi.EnvParallel + "=" + strconv.Itoa(int(r.GetParallel())),
		pulumi.EnvMonitor + "=" + r.GetMonitorAddress(),
		pulumi.EnvEngine + "=" + engine,
	}, nil
}
