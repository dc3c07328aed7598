package clouds

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi-command/sdk/go/command/remote"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Script is a shell script to be run on a node, as root, when its resource is
// created and again when the script or its parameters change. So it must bear
// being run twice.
type Script struct {
	// Name names the step in error messages.
	Name string
	// Body defines main and calls it last, with its arguments and without
	// standard input: that is the script itself. main gets the name, and
	// "create" or "delete". Library comes before it.
	Body string
	// Params are assigned to shell variables before the body begins.
	Params pulumi.StringMapInput
	// Triggers run the script as a new one when one of them changes.
	Triggers pulumi.Array
	// Leaves says that the script also has something to do on deletion.
	Leaves bool
	// Secret says that the output is secret.
	Secret bool
	// Timeout bounds a run, such as "5m"; deletion has five minutes. It is kept on
	// the machine: the provider waits for the end of an SSH session however long
	// that takes.
	Timeout string
}

// deletion is how long a script may take when its resource is deleted.
const deletion = 5 * time.Minute

// Library begins every script: it fails early, and says why.
//
//go:embed scripts/node/lib.sh
var Library string

// DrainLibrary begins the body of the scripts that empty nodes.
//
//go:embed scripts/node/drain.sh
var DrainLibrary string

// Run runs a script on a node of the cluster, over SSH with the pinned host key.
// The resource is a child of opts' parent.
func (c *Cluster) Run(ctx *pulumi.Context, name string, n *Node, s Script, opts ...pulumi.ResourceOption) (*remote.Command, error) {
	return command(ctx, name, n, c.SSHPrivateKey, s, opts...)
}

func command(ctx *pulumi.Context, name string, n *Node, key pulumi.StringOutput, s Script, opts ...pulumi.ResourceOption) (*remote.Command, error) {
	limit, err := time.ParseDuration(s.Timeout)
	if err != nil {
		return nil, fmt.Errorf("step %s: %w", name, err)
	}
	params := s.Params
	if params == nil {
		params = pulumi.StringMap{}
	}
	stdin := params.ToStringMapOutput().ApplyT(func(params map[string]string) string {
		return Compose(s.Body, params)
	}).(pulumi.StringOutput)
	args := &remote.CommandArgs{
		Connection: n.connection(key),
		Create:     pulumi.String(shell(n.user, s.Name, "create", limit)),
		Stdin:      stdin,
		Triggers:   s.Triggers,
		Logging:    remote.LoggingStderr,
		// sshd takes no environment by default, and output may be secret.
		AddPreviousOutputInEnv: pulumi.Bool(false),
	}
	options := append([]pulumi.ResourceOption{
		pulumi.DependsOn([]pulumi.Resource{n.attached}),
		pulumi.DeleteBeforeReplace(true),
		// Of these the provider keeps only what is left for connecting.
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: s.Timeout, Update: s.Timeout, Delete: deletion.String()}),
	}, opts...)
	if s.Leaves {
		args.Delete = pulumi.String(shell(n.user, s.Name, "delete", deletion))
	}
	if s.Secret {
		args.Logging = remote.LoggingNone
		options = append(options, pulumi.AdditionalSecretOutputs([]string{"stdout", "stderr"}))
	}
	return remote.NewCommand(ctx, name, args, options...)
}

// shell is the command line that reads a script from standard input. It names
// the step, for error messages quote it. When its time is over the script is told to
// end (see lib.sh), with all that it has started.
func shell(user, script, verb string, limit time.Duration) string {
	command := fmt.Sprintf("timeout -k 30 %.0f sh -s %s %s", limit.Seconds(), script, verb)
	if user != "root" {
		command = "sudo -n " + command
	}
	return command
}

// Compose is a script with what it needs: the library and the parameters. All of
// it goes over standard input, for parameters may be secret and so must never
// appear on a command line.
func Compose(body string, params map[string]string) string {
	return Library + assign(params) + body
}

// assign is the shell's commands that set variables.
func assign(params map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(params)) {
		fmt.Fprintf(&text, "%s=%s\n", name, quote(params[name]))
	}
	return text.String()
}

// parameter reads back what Compose has assigned to a variable, or nothing if it hasn't
// or the value is of several lines or has quotes.
func parameter(script, name string) string {
	for line := range strings.Lines(script) {
		if value, ok := strings.CutPrefix(strings.TrimSuffix(line, "'\n"), name+"='"); ok && !strings.ContainsAny(value, "'\n") {
			return value
		}
	}
	return ""
}

// quote makes one word of the shell's language.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// connection leads to a node. Before the host's key is known it is generous, for
// a machine takes minutes to boot: refused connections are tried again within
// 5 s, unanswered ones after PerDialTimeout.
func (n *Node) connection(key pulumi.StringInput) remote.ConnectionArgs {
	c := remote.ConnectionArgs{
		Host:           n.PublicAddress,
		User:           pulumi.String(n.user),
		PrivateKey:     key,
		DialErrorLimit: pulumi.Int(100),
		PerDialTimeout: pulumi.Int(10),
	}
	if n.hostKey != (pulumi.StringOutput{}) {
		c.HostKey = n.hostKey
		c.DialErrorLimit = pulumi.Int(12)
	}
	return c
}
