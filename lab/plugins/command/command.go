// Package command serves the command package's remote.Command and local.Command as the
// vendor's provider does: it runs commands over SSH, and where pulumi runs.
package command

import (
	"fmt"
	"slices"
	"strings"

	sdk "github.com/pulumi/pulumi-command/sdk/go/command"
	"github.com/pulumi/pulumi-command/sdk/go/command/remote"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

type props = provider.Props

// Package returns the plugin.
func Package() *provider.Package {
	return &provider.Package{
		Name: "command", Module: "github.com/pulumi/pulumi-command/sdk", Config: sdk.ProviderArgs{},
		Resources: map[string]*provider.Resource{
			"command:remote:Command": remoteCommand(), "command:local:Command": localCommand(),
		},
	}
}

// The values of logging.
const (
	logStdout = "stdout"
	logStderr = "stderr"
	logBoth   = "stdoutAndStderr"
	logNone   = "none"
)

func remoteCommand() *provider.Resource {
	return lifecycle("cmd", run, check, provider.Schema{
		Args: remote.CommandArgs{}, Outputs: remote.Command{},
		ForceNew: []string{"triggers"},
		Secret:   []string{"connection"},
		// As with the vendor, what a secret command prints is secret, and what
		// another prints is not, be its stdin secret or no.
		Wires: map[string][]string{"stdout": wires, "stderr": wires},
	})
}

// lifecycle is a command's, given how one of its scripts is run.
func lifecycle(
	idPrefix string, run func(c *provider.Call, in, before props, script string) (props, error),
	check func(*provider.Call, props) provider.Failures, schema provider.Schema,
) *provider.Resource {
	return &provider.Resource{
		Schema: schema,
		Check:  check,
		Create: func(c *provider.Call, in props) (string, props, error) {
			out, err := run(c, in, nil, "create")
			return idPrefix + cloud.RandomHex(16), provider.Merge(in, out), err
		},
		Update: func(c *provider.Call, _ string, old, in props) (props, error) {
			script := "update"
			if provider.Str(in, script) == "" {
				script = "create"
			}
			out, err := run(c, in, old, script)
			return provider.Merge(in, out), err
		},
		Delete: func(c *provider.Call, _ string, old props) error {
			_, err := run(c, old, old, "delete")
			return err
		},
	}
}

// wires are the inputs that a command's output is made from.
var wires = []string{"create", "update"}

func checkLogging(_ *provider.Call, in props) (f provider.Failures) {
	allowed := []string{logStdout, logStderr, logBoth, logNone}
	if l := provider.Str(in, "logging"); provider.Known(in, "logging") && !slices.Contains(allowed, l) {
		f = append(f, provider.Failure("logging", "expected one of %s, got %q", strings.Join(allowed, ", "), l))
	}
	return f
}

func check(c *provider.Call, in props) (f provider.Failures) {
	f = checkLogging(c, in)
	con := provider.Obj(in, "connection")
	if con == nil {
		return f
	}
	for path, end := range map[string]props{"connection": con, "connection.proxy": provider.Obj(con, "proxy")} {
		if end == nil {
			continue
		}
		if key := provider.Str(end, "hostKey"); provider.Known(end, "hostKey") {
			if _, err := parseHostKey(key); err != nil {
				f = append(f, provider.Failure(path+".hostKey", "%v", err))
			}
		}
		if port := provider.Int(end, "port", 22); port < 1 || port > 65535 {
			f = append(f, provider.Failure(path+".port", "expected a port from 1 to 65535, got %d", port))
		}
	}
	return f
}

// run runs one of the scripts and returns what it prints. Without the script
// there is nothing to run: the output stays as it was.
func run(c *provider.Call, in, before props, script string) (props, error) {
	line := provider.Str(in, script)
	if line == "" {
		return provider.From(map[string]any{"stdout": provider.Str(before, "stdout"), "stderr": provider.Str(before, "stderr")}), nil
	}
	client, err := dial(c, provider.Obj(in, "connection"))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	out, err := execute(c, client, session{
		script: line, stdin: provider.Str(in, "stdin"), environment: environment(in, before), logging: provider.Str(in, "logging"),
	})
	if err != nil {
		return nil, fmt.Errorf("running the %s command on %s: %w", script, provider.Str(provider.Obj(in, "connection"), "host"), err)
	}
	return out, nil
}

// environment returns the variables of a command; optional are those that an
// SSH server may refuse, as it does unless its AcceptEnv names them.
func environment(in, before props) (vars []variable) {
	for name, value := range provider.StrMap(in, "environment") {
		vars = append(vars, variable{name: name, value: value})
	}
	if provider.Bool(in, "addPreviousOutputInEnv", true) {
		for key, name := range map[string]string{"stdout": "PULUMI_COMMAND_STDOUT", "stderr": "PULUMI_COMMAND_STDERR"} {
			if value := provider.Str(before, key); value != "" {
				vars = append(vars, variable{name: name, value: value, optional: true})
			}
		}
	}
	slices.SortFunc(vars, func(a, b variable) int { return strings.Compare(a.name, b.name) })
	return vars
}
