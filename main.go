// Command hybrid makes Kubernetes clusters on several clouds, names them, joins them
// to one network and one federation, and puts a replicated PostgreSQL into that: see
// README.md. It is run by Pulumi.
package main

import (
	"errors"

	"hybrid/clouds"
	"hybrid/federation"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func main() { pulumi.Run(program) }

func program(ctx *pulumi.Context) error {
	settings, err := loadSettings(ctx)
	if err := errors.Join(err, clouds.CheckAgent()); err != nil {
		return err
	}
	clusters, err := makeClusters(ctx, settings)
	if err != nil {
		return err
	}
	zone, err := makeZone(ctx, settings, clusters)
	if err != nil {
		return err
	}
	network, err := joinClusters(ctx, settings, clusters)
	if err != nil {
		return err
	}
	federated, err := federation.New(ctx, "federation", settings.federationArgs(ctx, clusters, network))
	if err != nil {
		return err
	}
	database, err := makePostgres(ctx, settings, clusters, network, federated)
	if err != nil {
		return err
	}
	for name, value := range outputs(settings, clusters, zone, federated, database) {
		ctx.Export(name, value)
	}
	return nil
}
