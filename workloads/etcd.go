package workloads

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"hybrid/federation"
	"hybrid/workloads/topology"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	etcdPort, etcdPeerPort = 2379, 2380
	// etcdHealthPort is open to all in the mesh, and tells nothing but that.
	etcdHealthPort = 2381
	// etcdSize is that of the volume of a storage class: four times etcd's own limit.
	etcdSize = "1Gi"
	etcdPath = "/var/lib/etcd"
	etcdTLS  = "/etc/psql/tls/"
)

// etcd knows who leads: three members in three clusters, each by a name of its own.
func (b *builder) etcd() error {
	for _, cluster := range b.topology.Etcd {
		name := topology.EtcdName(cluster)
		app := pulumi.StringMap{"app": pulumi.String(name)}
		service, err := b.service(name, app, true, map[string][2]int{"client": {etcdPort, etcdPort}, "peer": {etcdPeerPort, etcdPeerPort}})
		if err != nil {
			return err
		}
		everywhere, err := b.everywhere(name, []string{cluster}, service)
		if err != nil {
			return err
		}
		policy, err := b.policy(name+"-tls", []selector{{"v1", "Secret", name + "-tls"}}, []string{cluster}, nil)
		if err != nil {
			return err
		}
		b.made = append(b.made, everywhere, policy)
		if err := b.stateful(name, cluster, etcdSize, etcdPath, 0, b.etcdMember(name)); err != nil {
			return err
		}
	}
	return nil
}

// etcdSettings are etcd's, but for what scripts/pod/join.py adds.
func (b *builder) etcdSettings() map[string]any {
	var initial []string
	for _, cluster := range b.topology.Etcd {
		name := topology.EtcdName(cluster)
		initial = append(initial, fmt.Sprintf("%s=https://%s:%d", name, name, etcdPeerPort))
	}
	security := map[string]any{"cert-file": etcdTLS + "tls.crt", "key-file": etcdTLS + "tls.key", "trusted-ca-file": etcdTLS + "ca.crt", "client-cert-auth": true}
	settings := map[string]any{
		"data-dir":        etcdPath + "/data",
		"initial-cluster": strings.Join(initial, ","), "initial-cluster-state": "new", "initial-cluster-token": "psql", "strict-reconfig-check": true,
		"listen-peer-urls": fmt.Sprintf("https://0.0.0.0:%d", etcdPeerPort), "initial-advertise-peer-urls": fmt.Sprintf("https://NAME:%d", etcdPeerPort),
		"listen-client-urls": fmt.Sprintf("https://0.0.0.0:%d", etcdPort), "advertise-client-urls": fmt.Sprintf("https://NAME:%d", etcdPort),
		"listen-metrics-urls": fmt.Sprintf("http://0.0.0.0:%d", etcdHealthPort),
		// Milliseconds. The longest round trip between clouds is 140 ms: etcd's tuning guide
		// wants about that for the heartbeat, and ten times as much for the election
		// (https://etcd.io/docs/v3.5/tuning/). No longer: a new leader restarts all leases.
		"heartbeat-interval": 200, "election-timeout": 1500,
		"auto-compaction-mode": "periodic", "auto-compaction-retention": "1h", "quota-backend-bytes": 256 << 20,
		"client-transport-security": security, "peer-transport-security": security,
		"log-level": "warn",
	}
	maps.Copy(settings, b.args.Etcd)
	return settings
}

func (b *builder) etcdMember(name string) *corev1.PodTemplateSpecArgs {
	mounts := corev1.VolumeMountArray{
		corev1.VolumeMountArgs{Name: pulumi.String("tls"), MountPath: pulumi.String(etcdTLS), ReadOnly: pulumi.Bool(true)},
		corev1.VolumeMountArgs{Name: pulumi.String("run"), MountPath: pulumi.String("/run/etcd")},
		corev1.VolumeMountArgs{Name: pulumi.String("data"), MountPath: pulumi.String(etcdPath)},
	}
	env := corev1.EnvVarArray{}
	for _, e := range [][2]string{
		{"NAME", name}, {"ETCDCTL_ENDPOINTS", fmt.Sprintf("https://%s:%d", name, etcdPort)},
		{"ETCDCTL_CACERT", etcdTLS + "ca.crt"}, {"ETCDCTL_CERT", etcdTLS + "tls.crt"}, {"ETCDCTL_KEY", etcdTLS + "tls.key"},
	} {
		env = append(env, corev1.EnvVarArgs{Name: pulumi.String(e[0]), Value: pulumi.String(e[1])})
	}
	volumes := corev1.VolumeArray{
		corev1.VolumeArgs{Name: pulumi.String("tls"), Secret: corev1.SecretVolumeSourceArgs{SecretName: pulumi.String(name + "-tls"), DefaultMode: pulumi.Int(0o400)}},
		corev1.VolumeArgs{Name: pulumi.String("run"), EmptyDir: corev1.EmptyDirVolumeSourceArgs{Medium: pulumi.String("Memory")}},
	}
	joining := slices.Clone(mounts)
	for _, v := range [][2]string{{"scripts", scriptsName}, {"config", topology.Settings}} {
		volumes = append(volumes, corev1.VolumeArgs{Name: pulumi.String(v[0]), ConfigMap: corev1.ConfigMapVolumeSourceArgs{Name: pulumi.String(v[1])}})
		joining = append(joining, corev1.VolumeMountArgs{Name: pulumi.String(v[0]), MountPath: pulumi.String("/etc/psql/" + v[0]), ReadOnly: pulumi.Bool(true)})
	}
	asRoot := confined(false)
	asRoot.RunAsUser, asRoot.RunAsGroup = pulumi.Int(0), pulumi.Int(0)
	return &corev1.PodTemplateSpecArgs{
		Metadata: metav1.ObjectMetaArgs{Labels: labels(name, "psql-etcd")},
		Spec: &corev1.PodSpecArgs{
			// etcd's image has no shell.
			InitContainers: corev1.ContainerArray{corev1.ContainerArgs{
				Name: pulumi.String("join"), Image: pulumi.String(b.args.Image),
				Command: pulumi.ToStringArray([]string{"python3", "/etc/psql/scripts/join.py"}), Env: env,
				SecurityContext: asRoot, VolumeMounts: joining,
			}},
			Containers: corev1.ContainerArray{corev1.ContainerArgs{
				Name: pulumi.String("etcd"), Image: pulumi.String(federation.EtcdImage),
				Command: pulumi.ToStringArray([]string{"etcd", "--config-file=/run/etcd/etcd.json"}), Env: env,
				// As long as it runs: one that is in the minority is well, and not ready.
				LivenessProbe:   probe("HTTP", etcdHealthPort, "/livez", 10, 6),
				ReadinessProbe:  probe("HTTP", etcdHealthPort, "/readyz", 5, 3),
				Resources:       requests("20m", "100Mi"),
				SecurityContext: asRoot, VolumeMounts: mounts,
			}},
			SecurityContext:              corev1.PodSecurityContextArgs{SeccompProfile: corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")}},
			AutomountServiceAccountToken: pulumi.Bool(false), EnableServiceLinks: pulumi.Bool(false),
			// Who leads depends on it.
			PriorityClassName: pulumi.String("system-cluster-critical"),
			Volumes:           volumes,
		},
	}
}
