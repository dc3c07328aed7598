package workloads

import (
	"maps"
	"slices"

	"hybrid/internal/objects"
	"hybrid/workloads/topology"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// annotations are on every object. Pulumi doesn't wait for pods and endpoints: those are
// in other clusters, and what the federation's API says of them comes late and in part.
// The last resource waits for what counts.
var annotations = objects.AdoptAndGo()

func metadata(name string) metav1.ObjectMetaArgs {
	return metav1.ObjectMetaArgs{
		Name: pulumi.String(name), Namespace: pulumi.String(topology.Namespace), Annotations: annotations,
		Labels: pulumi.StringMap{"app": pulumi.String(name)},
	}
}

// labels are a pod's: "name" is what the seed of this project called it.
func labels(app, name string) pulumi.StringMap {
	return pulumi.StringMap{"app": pulumi.String(app), "name": pulumi.String(name)}
}

func (b *builder) secret(name string, data pulumi.StringMap) error {
	s, err := v1.NewSecret(b.ctx, b.named(name), &v1.SecretArgs{Metadata: metadata(name), StringData: data}, b.federated()...)
	b.shared = append(b.shared, s)
	return err
}

// settings are what pods mount, the same in every cluster: any member may lead.
func (b *builder) settings() error {
	if err := b.secret(passwordName, pulumi.StringMap{"postgres": b.Password}); err != nil {
		return err
	}
	if err := b.backup(); err != nil {
		return err
	}
	scripts, err := files(scripts, "scripts/pod")
	if err != nil {
		return err
	}
	settings, err := b.config()
	if err != nil {
		return err
	}
	selectors := []selector{{"v1", "Secret", passwordName}, {"v1", "Secret", tlsName}, {"v1", "Secret", clientName}}
	if b.args.Backup != nil {
		selectors = append(selectors, selector{"v1", "Secret", backupName})
	}
	for name, data := range map[string]pulumi.StringMap{
		scriptsName: scripts, topology.Settings: settings,
		topology.Proxy: {"haproxy.cfg": pulumi.String(haproxy), "ca.crt": b.Authority},
	} {
		m, err := v1.NewConfigMap(b.ctx, b.named(name), &v1.ConfigMapArgs{Metadata: metadata(name), Data: data}, b.federated()...)
		if err != nil {
			return err
		}
		b.shared = append(b.shared, m)
	}
	for _, name := range []string{scriptsName, topology.Settings, topology.Proxy} {
		selectors = append(selectors, selector{"v1", "ConfigMap", name})
	}
	policy, err := b.policy("psql-shared", selectors, b.names(), nil)
	b.shared = append(b.shared, policy)
	return err
}

// service makes a Service. headless ones lead to pods that aren't ready, too: those
// who ask find out themselves.
func (b *builder) service(name string, selects pulumi.StringMap, headless bool, ports map[string][2]int) (*v1.Service, error) {
	spec := v1.ServiceSpecArgs{Selector: selects}
	list := v1.ServicePortArray{}
	for _, name := range slices.Sorted(maps.Keys(ports)) {
		list = append(list, v1.ServicePortArgs{Name: pulumi.String(name), Port: pulumi.Int(ports[name][0]), TargetPort: pulumi.Int(ports[name][1])})
	}
	spec.Ports = list
	if headless {
		spec.ClusterIP, spec.PublishNotReadyAddresses = pulumi.String("None"), pulumi.Bool(true)
	}
	s, err := v1.NewService(b.ctx, b.named(name), &v1.ServiceArgs{Metadata: metadata(name), Spec: spec}, b.federated()...)
	b.made = append(b.made, s)
	return s, err
}
