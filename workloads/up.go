package workloads

import (
	_ "embed"
	"fmt"
	"strings"

	"hybrid/clouds"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

//go:embed checks/streaming.sh
var streaming string

// up is last: it waits until the master accepts writes and all replicas follow it.
func (b *builder) up() (err error) {
	var want []string
	for _, cluster := range placed(b.args.Placement) {
		want = append(want, fmt.Sprintf("%s %d", cluster, b.args.Placement[cluster]))
	}
	needs := b.made
	for _, c := range b.args.Clusters {
		if up := b.args.Mesh[c.Name]; up != nil {
			needs = append(needs, up)
		}
	}
	master := b.cluster(b.args.Master)
	b.Up, err = master.Run(b.ctx, b.named("streaming"), master.ControlPlane(), clouds.Script{
		Name: "postgres-streaming", Body: streaming, Timeout: "10m",
		Params: pulumi.StringMap{
			"MASTER":      pulumi.String(master.Name),
			"WANT":        pulumi.String(strings.Join(want, "\n")),
			"SYNCHRONOUS": pulumi.String(synchronous(b.args.Master, b.args.Placement, b.args.Synchronous)),
		},
	}, pulumi.Parent(b), pulumi.DependsOn(needs))
	return err
}
