package workloads

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"hybrid/workloads/replication"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// scripts run in the pods.
//
//go:embed scripts
var scripts embed.FS

const scriptsName = "psql-scripts"

// annotations are on every object. The first lets Pulumi create what is there
// already, see mesh/objects.go. The second keeps it from waiting for pods and
// endpoints: those are in other clusters, and what the federation's API says of
// them comes late and in part. The last resource waits for what counts.
var annotations = pulumi.StringMap{
	"pulumi.com/patchForce": pulumi.String("true"),
	"pulumi.com/skipAwait":  pulumi.String("true"),
}

func metadata(name string) metav1.ObjectMetaArgs {
	return metav1.ObjectMetaArgs{
		Name: pulumi.String(name), Namespace: pulumi.String(Namespace), Annotations: annotations,
		Labels: pulumi.StringMap{"app": pulumi.String(name)},
	}
}

// objects are what pods mount, in every cluster: any may get the master.
func (b *builder) objects() error {
	// A replica needs no more than its own password.
	if err := b.secret(Replica, pulumi.StringMap{"replication": b.replicationPassword}); err != nil {
		return err
	}
	if err := b.secret(Master, pulumi.StringMap{"replication": b.replicationPassword, "postgres": b.Password}); err != nil {
		return err
	}
	files, err := scriptFiles()
	if err != nil {
		return err
	}
	settings, err := b.settings()
	if err != nil {
		return err
	}
	for name, data := range map[string]pulumi.StringMap{scriptsName: files, replication.Settings: settings} {
		m, err := v1.NewConfigMap(b.ctx, b.named(name), &v1.ConfigMapArgs{Metadata: metadata(name), Data: data}, b.federated()...)
		if err != nil {
			return err
		}
		b.shared = append(b.shared, m)
	}
	var selectors []selector
	for _, name := range []string{scriptsName, replication.Settings} {
		selectors = append(selectors, selector{"v1", "ConfigMap", name})
	}
	for _, name := range []string{Master, Replica, Master + "-tls", Replica + "-tls", Witness + "-tls"} {
		selectors = append(selectors, selector{"v1", "Secret", name})
	}
	policy, err := b.policy("psql-shared", selectors, b.names(), nil)
	b.shared = append(b.shared, policy)
	return err
}

func scriptFiles() (pulumi.StringMap, error) {
	files, err := scripts.ReadDir("scripts")
	if err != nil {
		return nil, err
	}
	data := pulumi.StringMap{}
	for _, f := range files {
		text, err := scripts.ReadFile("scripts/" + f.Name())
		if err != nil {
			return nil, err
		}
		data[f.Name()] = pulumi.String(text)
	}
	return data, nil
}

// settings follow the stack's, and pods follow them without a restart.
func (b *builder) settings() (pulumi.StringMap, error) {
	var parameters strings.Builder
	for _, name := range slices.Sorted(maps.Keys(b.args.Parameters)) {
		fmt.Fprintf(&parameters, "%s = '%s'\n", name, strings.ReplaceAll(b.args.Parameters[name], "'", "''"))
	}
	topology, err := json.Marshal(replication.Topology{
		Master: b.args.Master, Witness: b.args.Witness, Placement: b.args.Placement, Synchronous: b.args.Synchronous,
	})
	return pulumi.StringMap{
		"parameters":            pulumi.String(parameters.String()),
		"synchronous":           pulumi.String(synchronous(b.args.Master, b.args.Placement, b.args.Synchronous)),
		replication.TopologyKey: pulumi.String(topology),
	}, err
}

// services lead to master, replicas and witness, by the same names in every
// cluster.
func (b *builder) services() error {
	for _, s := range []struct {
		name      string
		providers []string
	}{{Master, []string{b.args.Master}}, {Replica, placed(b.args.Placement)}, {Witness, []string{b.args.Witness}}} {
		service, err := v1.NewService(b.ctx, b.named(s.name), &v1.ServiceArgs{
			Metadata: metadata(s.name),
			Spec: v1.ServiceSpecArgs{
				Selector: pulumi.StringMap{"app": pulumi.String(s.name)},
				Ports:    v1.ServicePortArray{v1.ServicePortArgs{Name: pulumi.String("postgres"), Port: pulumi.Int(Port), TargetPort: pulumi.Int(Port)}},
				// A master that may not accept writes is not ready, and yet its replicas
				// must find it: by them it learns that it may.
				PublishNotReadyAddresses: pulumi.Bool(s.name == Master),
			},
		}, b.federated()...)
		if err != nil {
			return err
		}
		everywhere, err := b.everywhere(s.name, s.providers, service)
		if err != nil {
			return err
		}
		b.made = append(b.made, service, everywhere)
	}
	return nil
}
