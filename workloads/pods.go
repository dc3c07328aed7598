package workloads

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// user and group are those of the official image's user postgres, and of its
// Debian base. Everything in the pods runs as that, but what gives it its folder.
const user = 999

// folders are the pods' own places: without them their file system is read-only.
var folders = []struct{ name, path, medium string }{
	{"run", "/run/psql", "Memory"}, // with the password file
	{"sockets", "/var/run/postgresql", ""},
	{"tmp", "/tmp", ""},
	{"shm", "/dev/shm", "Memory"}, // parallel queries outgrow a container's 64 MB
}

// dataPath is where the data are, in pods.
const dataPath = "/var/lib/psql"

// template is what master, replicas and witness have in common. secret is whose
// passwords they get; node is the one that has their data, or empty.
func (b *builder) template(server, script, secret, node string, ready corev1.ProbeArgs) corev1.PodTemplateSpecArgs {
	volumes := corev1.VolumeArray{
		corev1.VolumeArgs{Name: pulumi.String("scripts"), ConfigMap: corev1.ConfigMapVolumeSourceArgs{Name: pulumi.String(scriptsName)}},
		corev1.VolumeArgs{Name: pulumi.String("settings"), ConfigMap: corev1.ConfigMapVolumeSourceArgs{Name: pulumi.String("psql-settings")}},
		// PostgreSQL refuses a key that others can read.
		corev1.VolumeArgs{Name: pulumi.String("secrets"), Secret: corev1.SecretVolumeSourceArgs{SecretName: pulumi.String(secret), DefaultMode: pulumi.Int(0o440)}},
		corev1.VolumeArgs{Name: pulumi.String("tls"), Secret: corev1.SecretVolumeSourceArgs{SecretName: pulumi.String(server + "-tls"), DefaultMode: pulumi.Int(0o440)}},
	}
	mounts := corev1.VolumeMountArray{corev1.VolumeMountArgs{Name: pulumi.String("data"), MountPath: pulumi.String(dataPath)}}
	for _, name := range []string{"scripts", "settings", "secrets", "tls"} {
		mounts = append(mounts, corev1.VolumeMountArgs{Name: pulumi.String(name), MountPath: pulumi.String("/etc/psql/" + name), ReadOnly: pulumi.Bool(true)})
	}
	for _, f := range folders {
		volumes = append(volumes, corev1.VolumeArgs{Name: pulumi.String(f.name), EmptyDir: corev1.EmptyDirVolumeSourceArgs{Medium: pulumi.String(f.medium)}})
		mounts = append(mounts, corev1.VolumeMountArgs{Name: pulumi.String(f.name), MountPath: pulumi.String(f.path)})
	}
	spec := corev1.PodSpecArgs{
		Containers: corev1.ContainerArray{corev1.ContainerArgs{
			Name: pulumi.String("postgres"), Image: pulumi.String(b.args.Image),
			Command: pulumi.ToStringArray([]string{"/bin/sh", "/etc/psql/scripts/" + script}),
			Env: corev1.EnvVarArray{
				field("NODE", "spec.nodeName"), field("POD_IP", "status.podIP"),
				corev1.EnvVarArgs{Name: pulumi.String("POD_CIDR"), Value: pulumi.String(b.args.PodCIDR.String())},
			},
			Ports:          corev1.ContainerPortArray{corev1.ContainerPortArgs{Name: pulumi.String("postgres"), ContainerPort: pulumi.Int(Port)}},
			ReadinessProbe: ready,
			Resources:      corev1.ResourceRequirementsArgs{Requests: pulumi.StringMap{"cpu": pulumi.String("20m"), "memory": pulumi.String("64Mi")}},
			SecurityContext: corev1.SecurityContextArgs{
				AllowPrivilegeEscalation: pulumi.Bool(false), ReadOnlyRootFilesystem: pulumi.Bool(true), RunAsNonRoot: pulumi.Bool(true),
				Capabilities: corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
			},
			VolumeMounts: mounts,
		}},
		SecurityContext: corev1.PodSecurityContextArgs{
			RunAsUser: pulumi.Int(user), RunAsGroup: pulumi.Int(user), FsGroup: pulumi.Int(user),
			// Or kubelet would walk through all data at each start.
			FsGroupChangePolicy: pulumi.String("OnRootMismatch"),
		},
		// Nothing here talks to Kubernetes.
		AutomountServiceAccountToken: pulumi.Bool(false), EnableServiceLinks: pulumi.Bool(false),
		TerminationGracePeriodSeconds: pulumi.Int(30),
	}
	if node != "" {
		volumes = append(volumes, corev1.VolumeArgs{Name: pulumi.String("data"), HostPath: corev1.HostPathVolumeSourceArgs{
			Path: pulumi.String("/var/lib/" + server), Type: pulumi.String("DirectoryOrCreate"),
		}})
		b.pin(&spec, node)
	} else if server == Replica {
		volumes = append(volumes, corev1.VolumeArgs{Name: pulumi.String("data"), EmptyDir: corev1.EmptyDirVolumeSourceArgs{}})
		// Not all on the machine that is lost.
		spec.TopologySpreadConstraints = corev1.TopologySpreadConstraintArray{corev1.TopologySpreadConstraintArgs{
			MaxSkew: pulumi.Int(1), TopologyKey: pulumi.String("kubernetes.io/hostname"), WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
			LabelSelector: metav1.LabelSelectorArgs{MatchLabels: pulumi.StringMap{"app": pulumi.String(server)}},
		}}
	}
	spec.Volumes = volumes
	return corev1.PodTemplateSpecArgs{
		Metadata: metav1.ObjectMetaArgs{Labels: pulumi.StringMap{"app": pulumi.String(server)}},
		Spec:     spec,
	}
}

// pin keeps a pod where its data are: in a folder of one node.
func (b *builder) pin(spec *corev1.PodSpecArgs, node string) {
	spec.NodeSelector = pulumi.StringMap{"kubernetes.io/hostname": pulumi.String(node)}
	// It can't go elsewhere, so it needn't be deleted when the node is away.
	for _, key := range []string{"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"} {
		if spec.Tolerations == nil {
			spec.Tolerations = corev1.TolerationArray{}
		}
		spec.Tolerations = append(spec.Tolerations.(corev1.TolerationArray), corev1.TolerationArgs{
			Key: pulumi.String(key), Operator: pulumi.String("Exists"), Effect: pulumi.String("NoExecute"),
		})
	}
	// Kubernetes gives such a folder to root.
	spec.InitContainers = corev1.ContainerArray{corev1.ContainerArgs{
		Name: pulumi.String("folder"), Image: pulumi.String(b.args.Image),
		Command: pulumi.ToStringArray([]string{"/bin/sh", "-c", "chmod 700 " + dataPath + " && chown 999:999 " + dataPath}),
		SecurityContext: corev1.SecurityContextArgs{
			RunAsUser: pulumi.Int(0), RunAsGroup: pulumi.Int(0), RunAsNonRoot: pulumi.Bool(false), AllowPrivilegeEscalation: pulumi.Bool(false), ReadOnlyRootFilesystem: pulumi.Bool(true),
			Capabilities: corev1.CapabilitiesArgs{
				Drop: pulumi.ToStringArray([]string{"ALL"}), Add: pulumi.ToStringArray([]string{"CHOWN", "FOWNER"}),
			},
		},
		VolumeMounts: corev1.VolumeMountArray{corev1.VolumeMountArgs{Name: pulumi.String("data"), MountPath: pulumi.String(dataPath)}},
	}}
}

func field(name, path string) corev1.EnvVarArgs {
	return corev1.EnvVarArgs{Name: pulumi.String(name), ValueFrom: corev1.EnvVarSourceArgs{
		FieldRef: corev1.ObjectFieldSelectorArgs{ApiVersion: pulumi.String("v1"), FieldPath: pulumi.String(path)},
	}}
}

// opened is what the scripts do when they are ready for what they are for.
var opened = corev1.ProbeArgs{
	Exec:          corev1.ExecActionArgs{Command: pulumi.ToStringArray([]string{"test", "-e", "/run/psql/open"})},
	PeriodSeconds: pulumi.Int(5),
}

// listening is enough for replicas: whoever can be read from.
var listening = corev1.ProbeArgs{
	TcpSocket:     corev1.TCPSocketActionArgs{Port: pulumi.Int(Port)},
	PeriodSeconds: pulumi.Int(3),
}

// workloads are master, witness and replicas, and where they run.
func (b *builder) workloads() error {
	if err := b.stateful(Witness, "witness.sh", b.args.Witness); err != nil {
		return err
	}
	if err := b.stateful(Master, "master.sh", b.args.Master); err != nil {
		return err
	}
	set, err := v1.NewReplicaSet(b.ctx, b.named(Replica), &v1.ReplicaSetArgs{
		Metadata: metadata(Replica),
		Spec: v1.ReplicaSetSpecArgs{
			Replicas: pulumi.Int(replicas(b.args.Placement)),
			Selector: metav1.LabelSelectorArgs{MatchLabels: pulumi.StringMap{"app": pulumi.String(Replica)}},
			Template: b.template(Replica, "replica.sh", Replica, "", listening),
		},
	}, b.federated(pulumi.DependsOn(b.shared))...)
	if err != nil {
		return err
	}
	policy, err := b.policy(Replica, []selector{{"apps/v1", "ReplicaSet", Replica}}, placed(b.args.Placement), b.args.Placement)
	b.made = append(b.made, set, policy)
	return err
}

// stateful makes the one pod of master or witness, with its data in a cluster.
func (b *builder) stateful(server, script, cluster string) error {
	// The first worker: the last to go when there are fewer.
	node := b.cluster(cluster).Nodes[1].Name
	var claims corev1.PersistentVolumeClaimTypeArray
	if b.args.StorageClass != "" {
		node = ""
		claims = corev1.PersistentVolumeClaimTypeArray{corev1.PersistentVolumeClaimTypeArgs{
			Metadata: metav1.ObjectMetaArgs{Name: pulumi.String("data")},
			Spec: corev1.PersistentVolumeClaimSpecArgs{
				AccessModes: pulumi.ToStringArray([]string{"ReadWriteOnce"}), StorageClassName: pulumi.String(b.args.StorageClass),
				Resources: corev1.VolumeResourceRequirementsArgs{Requests: pulumi.StringMap{"storage": pulumi.String(b.args.StorageSize)}},
			},
		}}
	}
	set, err := v1.NewStatefulSet(b.ctx, b.named(server), &v1.StatefulSetArgs{
		Metadata: metadata(server),
		Spec: v1.StatefulSetSpecArgs{
			ServiceName: pulumi.String(server), Replicas: pulumi.Int(1),
			// In order, a pod that never gets ready is not replaced by what corrects it.
			// The master's is such a one when it moves: if the new cluster gets it
			// before it gets the new node's name.
			PodManagementPolicy:  pulumi.String("Parallel"),
			Selector:             metav1.LabelSelectorArgs{MatchLabels: pulumi.StringMap{"app": pulumi.String(server)}},
			Template:             b.template(server, script, Master, node, opened),
			VolumeClaimTemplates: claims,
		},
	}, b.federated(pulumi.DependsOn(b.shared))...)
	if err != nil {
		return err
	}
	policy, err := b.policy(server, []selector{{"apps/v1", "StatefulSet", server}}, []string{cluster}, nil)
	b.made = append(b.made, set, policy)
	return err
}
