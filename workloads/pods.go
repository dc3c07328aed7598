package workloads

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func field(name, path string) corev1.EnvVarArgs {
	return corev1.EnvVarArgs{Name: pulumi.String(name), ValueFrom: corev1.EnvVarSourceArgs{
		FieldRef: corev1.ObjectFieldSelectorArgs{ApiVersion: pulumi.String("v1"), FieldPath: pulumi.String(path)},
	}}
}

// probe asks every so many seconds, and gives up after so many failures.
func probe(scheme string, port int, path string, seconds, failures int) corev1.ProbeArgs {
	return corev1.ProbeArgs{
		HttpGet:       corev1.HTTPGetActionArgs{Scheme: pulumi.String(scheme), Port: pulumi.Int(port), Path: pulumi.String(path)},
		PeriodSeconds: pulumi.Int(seconds), FailureThreshold: pulumi.Int(failures), TimeoutSeconds: pulumi.Int(5),
	}
}

func requests(cpu, memory string) corev1.ResourceRequirementsArgs {
	return corev1.ResourceRequirementsArgs{Requests: pulumi.StringMap{"cpu": pulumi.String(cpu), "memory": pulumi.String(memory)}}
}

// confined is a container without any rights but its user's.
func confined(nonRoot bool) corev1.SecurityContextArgs {
	return corev1.SecurityContextArgs{
		AllowPrivilegeEscalation: pulumi.Bool(false), ReadOnlyRootFilesystem: pulumi.Bool(true), RunAsNonRoot: pulumi.Bool(nonRoot),
		Capabilities: corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
	}
}

// stateful makes a StatefulSet of one pod in a cluster, with its data: on a volume of
// the storage class, or in a folder of the first worker, the last to go when there are
// fewer.
func (b *builder) stateful(name, cluster, size, path string, owner int, template *corev1.PodTemplateSpecArgs) error {
	var claims corev1.PersistentVolumeClaimTypeArray
	if b.args.StorageClass != "" {
		claims = corev1.PersistentVolumeClaimTypeArray{corev1.PersistentVolumeClaimTypeArgs{
			Metadata: metav1.ObjectMetaArgs{Name: pulumi.String("data")},
			Spec: corev1.PersistentVolumeClaimSpecArgs{
				AccessModes: pulumi.ToStringArray([]string{"ReadWriteOnce"}), StorageClassName: pulumi.String(b.args.StorageClass),
				Resources: corev1.VolumeResourceRequirementsArgs{Requests: pulumi.StringMap{"storage": pulumi.String(size)}},
			},
		}}
	} else {
		b.pin(template.Spec.(*corev1.PodSpecArgs), name, b.cluster(cluster).Nodes[1].Name, path, owner)
	}
	app := template.Metadata.(metav1.ObjectMetaArgs).Labels.(pulumi.StringMap)["app"]
	set, err := v1.NewStatefulSet(b.ctx, b.named(name), &v1.StatefulSetArgs{
		Metadata: metadata(name),
		Spec: v1.StatefulSetSpecArgs{
			ServiceName: pulumi.String(name), Replicas: pulumi.Int(1),
			// In order, a pod that never gets ready is not replaced by what corrects it.
			PodManagementPolicy:  pulumi.String("Parallel"),
			Selector:             metav1.LabelSelectorArgs{MatchLabels: pulumi.StringMap{"app": app}},
			Template:             template,
			VolumeClaimTemplates: claims,
		},
	}, b.federated(pulumi.DependsOn(b.shared))...)
	if err != nil {
		return err
	}
	policy, err := b.policy(name, []selector{{"apps/v1", "StatefulSet", name}}, []string{cluster}, nil)
	b.made = append(b.made, set, policy)
	return err
}

// pin keeps a pod where its data are: in a folder of one node.
func (b *builder) pin(spec *corev1.PodSpecArgs, name, node, path string, owner int) {
	volumes, _ := spec.Volumes.(corev1.VolumeArray)
	spec.Volumes = append(volumes, corev1.VolumeArgs{Name: pulumi.String("data"), HostPath: corev1.HostPathVolumeSourceArgs{
		Path: pulumi.String("/var/lib/" + name), Type: pulumi.String("DirectoryOrCreate"),
	}})
	spec.NodeSelector = pulumi.StringMap{"kubernetes.io/hostname": pulumi.String(node)}
	// It can't go elsewhere, so it needn't be deleted when the node is away.
	var tolerations corev1.TolerationArray
	for _, key := range []string{"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"} {
		tolerations = append(tolerations, corev1.TolerationArgs{
			Key: pulumi.String(key), Operator: pulumi.String("Exists"), Effect: pulumi.String("NoExecute"),
		})
	}
	spec.Tolerations = tolerations
	if owner == 0 {
		return // Kubernetes gives such a folder to root
	}
	security := confined(false)
	security.RunAsUser, security.RunAsGroup = pulumi.Int(0), pulumi.Int(0)
	security.Capabilities = corev1.CapabilitiesArgs{
		Drop: pulumi.ToStringArray([]string{"ALL"}), Add: pulumi.ToStringArray([]string{"CHOWN", "FOWNER"}),
	}
	spec.InitContainers = corev1.ContainerArray{corev1.ContainerArgs{
		Name: pulumi.String("folder"), Image: pulumi.String(b.args.Image),
		Command:         pulumi.ToStringArray([]string{"/bin/sh", "-c", "chmod 700 " + path + " && chown 26:26 " + path}),
		SecurityContext: security,
		VolumeMounts:    corev1.VolumeMountArray{corev1.VolumeMountArgs{Name: pulumi.String("data"), MountPath: pulumi.String(path)}},
	}}
}
