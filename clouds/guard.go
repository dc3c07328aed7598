package clouds

import (
	_ "embed"
	"fmt"
	"strconv"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// GuardArgs says what a guard watches over.
type GuardArgs struct {
	// Kubeconfigs lead to all APIs that must answer.
	Kubeconfigs pulumi.StringArray
	// About says whose API one is, a cluster's name, and what to do when it doesn't
	// answer.
	About func(API) (cluster, advice string)
	// Stack is the stack's whole name: an API isn't asked when the stack's settings say
	// by then that its cluster is lost.
	Stack string
	// Everything is what must not be deleted then.
	Everything []pulumi.Resource
}

// guardScript runs where pulumi does.
//
//go:embed scripts/local/guard.sh
var guardScript string

// NewGuard makes what `pulumi destroy` deletes first, which it can't while an API does
// not answer. Without it nothing would ask: the program doesn't run then, and what is
// in a cluster goes with its machines.
func NewGuard(ctx *pulumi.Context, name string, args *GuardArgs, opts ...pulumi.ResourceOption) error {
	script := pulumi.ToSecret(args.Kubeconfigs.ToStringArrayOutput().ApplyT(func(texts []string) (string, error) {
		var apis []API
		for _, text := range texts {
			some, err := APIs(text)
			if err != nil {
				return "", err
			}
			apis = append(apis, some...)
		}
		params := map[string]string{
			"STACK": args.Stack, "COUNT": strconv.Itoa(len(apis)), "PATIENCE": strconv.Itoa(int(Patience.Seconds())),
		}
		for i, a := range apis {
			cluster, advice := args.About(a)
			for key, value := range map[string]string{
				"NAME": a.Context, "CLUSTER": cluster, "SERVER": a.Server, "ADVICE": advice, "TOKEN": a.Token,
				"AUTHORITY": string(a.Authority), "CERTIFICATE": string(a.Certificate), "KEY": string(a.Key),
			} {
				params[fmt.Sprintf("%s_%d", key, i+1)] = value
			}
		}
		return assign(params) + guardScript, nil
	})).(pulumi.StringOutput)
	_, err := local.NewCommand(ctx, name, &local.CommandArgs{
		Interpreter: pulumi.ToStringArray([]string{"/bin/sh", "-c"}),
		Create:      pulumi.String("true"), // and so on each update
		Delete:      pulumi.String("sh -s"),
		// All of it is secret, and so never on a command line.
		Stdin:                  script,
		Logging:                local.LoggingStderr,
		AddPreviousOutputInEnv: pulumi.Bool(false),
	}, append([]pulumi.ResourceOption{
		pulumi.DependsOn(args.Everything), pulumi.Timeouts(&pulumi.CustomTimeouts{Delete: "5m"}),
	}, opts...)...)
	if err != nil {
		return fmt.Errorf("guard %q: %w", name, err)
	}
	return nil
}
