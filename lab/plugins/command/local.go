package command

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"

	"hybrid/lab/plugins/provider"
)

func localCommand() *provider.Resource {
	return lifecycle("", runHere, checkLogging, provider.Schema{
		Args: local.CommandArgs{}, Outputs: local.Command{},
		ForceNew: []string{"triggers"},
		Supported: []string{
			"addPreviousOutputInEnv", "create", "delete", "dir", "environment", "interpreter", "logging", "stdin", "triggers", "update",
		},
		Wires: map[string][]string{"stdout": wires, "stderr": wires},
	})
}

// runHere is run, on the machine that pulumi runs on.
func runHere(c *provider.Call, in, before props, script string) (props, error) {
	line := provider.Str(in, script)
	if line == "" {
		return provider.From(map[string]any{"stdout": provider.Str(before, "stdout"), "stderr": provider.Str(before, "stderr")}), nil
	}
	argv := provider.Strs(in, "interpreter")
	if len(argv) == 0 {
		argv = []string{"/bin/sh", "-c"}
	}
	cmd := exec.CommandContext(c.Untimed, argv[0], append(argv[1:], line)...)
	cmd.Dir, cmd.Env = provider.Str(in, "dir"), os.Environ()
	for _, v := range environment(in, before) {
		cmd.Env = append(cmd.Env, v.name+"="+v.value)
	}
	// All that the command has started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	cmd.Stdin = strings.NewReader(provider.Str(in, "stdin"))
	out := capture(c.Untimed, c, provider.Str(in, "logging"))
	cmd.Stdout, cmd.Stderr = out.writers()
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("running the %s command on this machine: %w", script, err)
	}
	return out.end(err)
}
