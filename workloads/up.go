package workloads

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"hybrid/clouds"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Scripts for the control plane of psql-master's cluster.
var (
	//go:embed scripts/node/keep.sh
	keep string
	//go:embed scripts/node/up.sh
	up string
	//go:embed scripts/node/list.py
	listScript string
)

// initializedName is the ConfigMap, in psql-master's cluster alone, that says that
// there has been a database, and which clusters had etcd's members. It is none of the
// federation's: what says so must not be made before it is true.
const initializedName = "psql-initialized"

// keep is first: members of etcd leave it before they are deleted.
func (b *builder) keep() (err error) {
	master := b.cluster(b.args.Master)
	b.guard, err = master.Run(b.ctx, b.named("etcd-members"), master.ControlPlane(), clouds.Script{
		Name: "etcd-members", Body: keep, Timeout: "5m",
		Params: pulumi.StringMap{"MASTER": pulumi.String(master.Name), "ETCD": pulumi.String(strings.Join(b.topology.Etcd, " "))},
	}, pulumi.Parent(b), pulumi.DependsOn([]pulumi.Resource{master.ControlPlane().Member}))
	return err
}

// up is last: it gives Patroni its settings, after a trial of PostgreSQL's, and waits
// until there is a leader and all replicas follow it.
func (b *builder) up() error {
	var want []string
	for _, cluster := range b.topology.Clusters() {
		want = append(want, fmt.Sprintf("%s %d", cluster, b.topology.Members()[cluster]))
	}
	dynamic, err := json.Marshal(b.dynamic())
	if err != nil {
		return err
	}
	needs := b.made
	for _, c := range b.args.Clusters {
		if up := b.args.Mesh[c.Name]; up != nil {
			needs = append(needs, up)
		}
	}
	master := b.cluster(b.args.Master)
	b.Up, err = master.Run(b.ctx, b.named("streaming"), master.ControlPlane(), clouds.Script{
		Name: "postgres-streaming", Body: up, Timeout: "10m",
		Params: pulumi.StringMap{
			"MASTER":     pulumi.String(master.Name),
			"WANT":       pulumi.String(strings.Join(want, "\n")),
			"PARAMETERS": pulumi.String(b.args.Parameters.text()),
			"DYNAMIC":    pulumi.String(dynamic),
			"ETCD":       pulumi.String(strings.Join(b.topology.Etcd, " ")),
			"LIST":       pulumi.String(listScript),
		},
	}, pulumi.Parent(b), pulumi.DependsOn(needs))
	return err
}
