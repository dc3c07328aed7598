// Command karmada holds the programs of Karmada's control plane. It runs the one
// that it is called by: their images can then share one layer.
//
// It is a Go module of its own, so that Karmada's dependencies stay out of the
// lab's other programs.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	aggregatedapiserver "github.com/karmada-io/karmada/cmd/aggregated-apiserver/app"
	controllermanager "github.com/karmada-io/karmada/cmd/controller-manager/app"
	scheduler "github.com/karmada-io/karmada/cmd/scheduler/app"
	webhook "github.com/karmada-io/karmada/cmd/webhook/app"
	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"
	controllerruntime "sigs.k8s.io/controller-runtime"
)

// programs do what the main functions of the released programs do.
var programs = map[string]func(context.Context) *cobra.Command{
	"karmada-aggregated-apiserver": aggregatedapiserver.NewAggregatedApiserverCommand,
	"karmada-controller-manager":   controllermanager.NewControllerManagerCommand,
	"karmada-scheduler":            func(ctx context.Context) *cobra.Command { return scheduler.NewSchedulerCommand(ctx) },
	"karmada-webhook":              webhook.NewWebhookCommand,
}

func main() {
	name := filepath.Base(os.Args[0])
	command, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "called as %q: call it by a link that has the name of one of Karmada's programs\n", name)
		os.Exit(2)
	}
	code := cli.Run(command(controllerruntime.SetupSignalHandler()))
	logs.FlushLogs()
	os.Exit(code)
}
