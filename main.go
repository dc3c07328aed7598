// Command hybrid makes Kubernetes clusters on several clouds, names them and joins
// them to one network: see README.md. It is run by Pulumi.
package main

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

func main() { pulumi.Run(program) }

func program(ctx *pulumi.Context) error {
	settings, err := loadSettings(ctx)
	if err != nil {
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
	if err := joinClusters(ctx, settings, clusters); err != nil {
		return err
	}
	for name, value := range outputs(settings, clusters, zone) {
		ctx.Export(name, value)
	}
	return nil
}
