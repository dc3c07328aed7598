package workloads

import (
	"fmt"

	"hybrid/workloads/topology"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// user is the image's postgres, and its group. Everything in members' pods runs as
// that, but what gives it its folder.
const user = 26

// folders are the members' own places: without them their file system is read-only.
var folders = []struct{ name, path, medium string }{
	{"run", "/run/psql", "Memory"},
	{"sockets", "/var/run/postgresql", ""},
	{"tmp", "/tmp", ""},
	{"shm", "/dev/shm", "Memory"}, // parallel queries outgrow a container's 64 MB
}

// dataPath is where the data are, in members' pods.
const dataPath = "/var/lib/psql"

// members are psql-master and the replicas, and where they run. All are Patroni's:
// any may lead.
func (b *builder) members() error {
	scope := pulumi.StringMap{"scope": pulumi.String(topology.Scope)}
	ports := map[string][2]int{"postgres": {topology.Port, topology.Port}, "rest": {topology.RESTPort, topology.RESTPort}}
	all, err := b.service(topology.Members, scope, true, ports)
	if err != nil {
		return err
	}
	everywhere, err := b.everywhere(topology.Members, b.topology.Clusters(), all)
	if err != nil {
		return err
	}
	local, err := b.service(topology.Local, scope, true, ports)
	if err != nil {
		return err
	}
	policy, err := b.policy(topology.Local, []selector{{"v1", "Service", topology.Local}}, b.names(), nil)
	if err != nil {
		return err
	}
	b.made = append(b.made, everywhere, local, policy)

	template := b.member(topology.Master, corev1.EnvVarArgs{Name: pulumi.String("BOOTSTRAP"), Value: pulumi.String("yes")})
	if err := b.stateful(topology.Master, b.args.Master, b.args.StorageSize, dataPath, user, template); err != nil {
		return err
	}
	template = b.member(topology.Replica)
	spec := template.Spec.(*corev1.PodSpecArgs)
	spec.Volumes = append(spec.Volumes.(corev1.VolumeArray), corev1.VolumeArgs{Name: pulumi.String("data"), EmptyDir: corev1.EmptyDirVolumeSourceArgs{}})
	// Not all on the machine that is lost.
	spec.TopologySpreadConstraints = corev1.TopologySpreadConstraintArray{corev1.TopologySpreadConstraintArgs{
		MaxSkew: pulumi.Int(1), TopologyKey: pulumi.String("kubernetes.io/hostname"), WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
		LabelSelector: metav1.LabelSelectorArgs{MatchLabels: pulumi.StringMap{"app": pulumi.String(topology.Replica)}},
	}}
	set, err := v1.NewReplicaSet(b.ctx, b.named(topology.Replica), &v1.ReplicaSetArgs{
		Metadata: metadata(topology.Replica),
		Spec: v1.ReplicaSetSpecArgs{
			Replicas: pulumi.Int(replicas(b.args.Placement)),
			Selector: metav1.LabelSelectorArgs{MatchLabels: pulumi.StringMap{"app": pulumi.String(topology.Replica)}},
			Template: template,
		},
	}, b.federated(pulumi.DependsOn(b.shared))...)
	if err != nil {
		return err
	}
	policy, err = b.policy(topology.Replica, []selector{{"apps/v1", "ReplicaSet", topology.Replica}}, placed(b.args.Placement), b.args.Placement)
	b.made = append(b.made, set, policy)
	return err
}

// member is the template of a member's pod, without its data.
func (b *builder) member(app string, env ...corev1.EnvVarArgs) *corev1.PodTemplateSpecArgs {
	var volumes corev1.VolumeArray
	mounts := corev1.VolumeMountArray{corev1.VolumeMountArgs{Name: pulumi.String("data"), MountPath: pulumi.String(dataPath)}}
	mount := func(volume corev1.VolumeArgs, path string, readOnly bool) {
		volumes = append(volumes, volume)
		mounts = append(mounts, corev1.VolumeMountArgs{Name: volume.Name, MountPath: pulumi.String(path), ReadOnly: pulumi.Bool(readOnly)})
	}
	for _, v := range []struct {
		name, from string
		optional   bool
	}{{"scripts", scriptsName, false}, {"config", topology.Settings, false}, {"initialized", initializedName, true}} {
		source := corev1.ConfigMapVolumeSourceArgs{Name: pulumi.String(v.from)}
		if v.optional {
			source.Optional = pulumi.Bool(true)
		}
		mount(corev1.VolumeArgs{Name: pulumi.String(v.name), ConfigMap: source}, "/etc/psql/"+v.name, true)
	}
	for _, v := range [][2]string{{"password", passwordName}, {"tls", tlsName}, {"etcd", clientName}, {"backup", backupName}} {
		// PostgreSQL refuses a key that others can read.
		source := corev1.SecretVolumeSourceArgs{SecretName: pulumi.String(v[1]), DefaultMode: pulumi.Int(0o440)}
		if v[1] == backupName {
			source.Optional = pulumi.Bool(true)
		}
		mount(corev1.VolumeArgs{Name: pulumi.String(v[0]), Secret: source}, "/etc/psql/"+v[0], true)
	}
	for _, f := range folders {
		mount(corev1.VolumeArgs{Name: pulumi.String(f.name), EmptyDir: corev1.EmptyDirVolumeSourceArgs{Medium: pulumi.String(f.medium)}}, f.path, false)
	}
	// In this order: the address is part of what follows.
	environment := corev1.EnvVarArray{field("NODE", "spec.nodeName"), field("POD_IP", "status.podIP"), field("PATRONI_NAME", "metadata.name")}
	for _, e := range [][2]string{
		{"PATRONI_RESTAPI_CONNECT_ADDRESS", fmt.Sprintf("$(POD_IP):%d", topology.RESTPort)},
		// Patroni connects to its own server as members do: by an address that may.
		{"PATRONI_POSTGRESQL_LISTEN", fmt.Sprintf("$(POD_IP):%d", topology.Port)},
		{"PATRONI_POSTGRESQL_CONNECT_ADDRESS", fmt.Sprintf("$(POD_IP):%d", topology.Port)},
		{"PATRONICTL_CONFIG_FILE", "/run/psql/patroni"},
		{"PGHOST", "/var/run/postgresql"}, {"HOME", "/tmp"}, {"LC_ALL", "C.UTF-8"},
		{"PATH", "/usr/pgsql-17/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	} {
		environment = append(environment, corev1.EnvVarArgs{Name: pulumi.String(e[0]), Value: pulumi.String(e[1])})
	}
	for _, e := range env {
		environment = append(environment, e)
	}
	l := labels(app, app)
	l["scope"] = pulumi.String(topology.Scope)
	return &corev1.PodTemplateSpecArgs{
		Metadata: metav1.ObjectMetaArgs{Labels: l},
		Spec: &corev1.PodSpecArgs{
			Containers: corev1.ContainerArray{corev1.ContainerArgs{
				Name: pulumi.String(topology.Container), Image: pulumi.String(b.args.Image),
				Command: pulumi.ToStringArray([]string{"/bin/sh", "/etc/psql/scripts/start.sh"}),
				Env:     environment,
				Ports: corev1.ContainerPortArray{
					corev1.ContainerPortArgs{Name: pulumi.String("postgres"), ContainerPort: pulumi.Int(topology.Port)},
					corev1.ContainerPortArgs{Name: pulumi.String("rest"), ContainerPort: pulumi.Int(topology.RESTPort)},
				},
				ReadinessProbe: probe("HTTPS", topology.RESTPort, "/readiness", 5, 3),
				// Patroni that hangs can't give the lead away: kubelet does.
				LivenessProbe: probe("HTTPS", topology.RESTPort, "/liveness", 10, 3),
				Lifecycle: corev1.LifecycleArgs{PreStop: corev1.LifecycleHandlerArgs{Exec: corev1.ExecActionArgs{
					Command: pulumi.ToStringArray([]string{"/bin/sh", "/etc/psql/scripts/leave.sh"}),
				}}},
				Resources:       requests("20m", "128Mi"),
				SecurityContext: confined(true),
				VolumeMounts:    mounts,
			}},
			SecurityContext: corev1.PodSecurityContextArgs{
				RunAsUser: pulumi.Int(user), RunAsGroup: pulumi.Int(user), FsGroup: pulumi.Int(user),
				// Or kubelet would walk through all data at each start.
				FsGroupChangePolicy: pulumi.String("OnRootMismatch"),
			},
			// After a power cut it starts before the cluster's DNS, and a question to that is lost:
			// 1 s rather than 5 until the next one.
			DnsConfig: corev1.PodDNSConfigArgs{Options: corev1.PodDNSConfigOptionArray{
				corev1.PodDNSConfigOptionArgs{Name: pulumi.String("timeout"), Value: pulumi.String("1")},
				corev1.PodDNSConfigOptionArgs{Name: pulumi.String("attempts"), Value: pulumi.String("5")},
			}},
			// Nothing here talks to Kubernetes.
			AutomountServiceAccountToken: pulumi.Bool(false), EnableServiceLinks: pulumi.Bool(false),
			TerminationGracePeriodSeconds: pulumi.Int(60),
			Volumes:                       volumes,
		},
	}
}

// replicas is how many there are in all.
func replicas(placement map[string]int) (n int) {
	for _, k := range placement {
		n += k
	}
	return n
}
