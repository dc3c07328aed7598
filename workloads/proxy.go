package workloads

import (
	"crypto/sha256"
	"fmt"

	"hybrid/workloads/topology"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Ports of the proxies, see config/haproxy.cfg.
const writePort, readPort, healthPort = 5432, 5433, 8404

// proxyUser is none in particular: HAProxy needs no rights.
const proxyUser = 65532

// proxies lead each cluster's Services psql-master and psql-replica to members, from
// every worker: what a cluster needs for itself is there when it is alone.
func (b *builder) proxies() error {
	app := pulumi.StringMap{"app": pulumi.String(topology.Proxy)}
	var selectors []selector
	for name, port := range map[string]int{topology.Master: writePort, topology.Replica: readPort} {
		if _, err := b.service(name, app, false, map[string][2]int{"postgres": {topology.Port, port}}); err != nil {
			return err
		}
	}
	for _, name := range []string{topology.Master, topology.Replica} {
		selectors = append(selectors, selector{"v1", "Service", name})
	}
	set, err := v1.NewDaemonSet(b.ctx, b.named(topology.Proxy), &v1.DaemonSetArgs{
		Metadata: metadata(topology.Proxy),
		Spec: v1.DaemonSetSpecArgs{
			Selector: metav1.LabelSelectorArgs{MatchLabels: app},
			Template: corev1.PodTemplateSpecArgs{
				Metadata: metav1.ObjectMetaArgs{
					Labels: labels(topology.Proxy, topology.Proxy),
					// It reads its files at its start only.
					Annotations: pulumi.StringMap{"hybrid/files": b.Authority.ApplyT(func(authority string) string {
						return fmt.Sprintf("%x", sha256.Sum256([]byte(haproxy+authority)))
					}).(pulumi.StringOutput)},
				},
				Spec: corev1.PodSpecArgs{
					Containers: corev1.ContainerArray{corev1.ContainerArgs{
						Name: pulumi.String("haproxy"), Image: pulumi.String(b.args.ProxyImage),
						// Process 1 of a container ignores SIGTERM unless it handles it. HAProxy's
						// master (-W) does. Without one its pod, and a machine, stop only after a time-out.
						Command:         pulumi.ToStringArray([]string{"haproxy", "-W", "-db", "-f", "/etc/psql/haproxy.cfg"}),
						ReadinessProbe:  probe("HTTP", healthPort, "/health", 5, 3),
						LivenessProbe:   probe("HTTP", healthPort, "/health", 10, 3),
						Resources:       requests("20m", "64Mi"),
						SecurityContext: confined(true),
						VolumeMounts:    corev1.VolumeMountArray{corev1.VolumeMountArgs{Name: pulumi.String("files"), MountPath: pulumi.String("/etc/psql"), ReadOnly: pulumi.Bool(true)}},
					}},
					SecurityContext: corev1.PodSecurityContextArgs{
						RunAsUser: pulumi.Int(proxyUser), RunAsGroup: pulumi.Int(proxyUser),
						SeccompProfile: corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
					},
					AutomountServiceAccountToken: pulumi.Bool(false), EnableServiceLinks: pulumi.Bool(false),
					Volumes: corev1.VolumeArray{corev1.VolumeArgs{Name: pulumi.String("files"), ConfigMap: corev1.ConfigMapVolumeSourceArgs{Name: pulumi.String(topology.Proxy)}}},
				},
			},
		},
	}, b.federated(pulumi.DependsOn(b.shared))...)
	if err != nil {
		return err
	}
	policy, err := b.policy(topology.Proxy, append(selectors, selector{"apps/v1", "DaemonSet", topology.Proxy}), b.names(), nil)
	b.made = append(b.made, set, policy)
	return err
}
