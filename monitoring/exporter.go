package monitoring

import (
	"fmt"
	"path"

	"hybrid/internal/objects"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	// Namespace is where the exporter runs, in the host cluster.
	Namespace = "hybrid-monitoring"
	// Port is where it serves metrics, without TLS.
	Port = 9939

	exporterName = "hybrid-exporter"
	// files is where it finds the stack's outputs.
	files, outputsFile = "/etc/hybrid", "outputs.json"
	// user runs it: it has no name and no rights.
	user = 65532
	// awaySeconds is for how long it stays on a node that doesn't answer: it is wanted
	// when machines fail. Kubernetes' own limit is five minutes.
	awaySeconds = 30
)

func labels() pulumi.StringMap { return pulumi.StringMap{"app": pulumi.String(exporterName)} }

// metadata is that of an object in the exporter's namespace.
func metadata(annotations pulumi.StringMap) metav1.ObjectMetaArgs {
	return metav1.ObjectMetaArgs{
		Name: pulumi.String(exporterName), Namespace: pulumi.String(Namespace), Labels: labels(), Annotations: annotations,
	}
}

// inHost are the options of each object in the host cluster.
func (b *builder) inHost(needs []pulumi.Resource, more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	h := b.args.Host
	return objects.Options(b.Monitoring, h.Provider, h.Identity, append(more, pulumi.DependsOn(needs))...)
}

func (b *builder) namespace() (pulumi.Resource, error) {
	return corev1.NewNamespace(b.ctx, b.named("namespace"), &corev1.NamespaceArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(Namespace), Annotations: objects.Adopt(),
			Labels: pulumi.StringMap{"pod-security.kubernetes.io/enforce": pulumi.String("restricted")},
		},
	}, b.inHost(nil)...)
}

// files are the exporter's, in a Secret.
func (b *builder) files(outputs pulumi.StringOutput, namespace pulumi.Resource) (*corev1.Secret, error) {
	return corev1.NewSecret(b.ctx, b.named("outputs"), &corev1.SecretArgs{
		Metadata: metadata(objects.Adopt()), StringData: pulumi.StringMap{outputsFile: outputs},
	}, b.inHost([]pulumi.Resource{namespace})...)
}

// service is the exporter's name for Prometheus. It is not waited for: it is there before
// the pod.
func (b *builder) service(namespace pulumi.Resource) (pulumi.Resource, error) {
	return corev1.NewService(b.ctx, b.named("service"), &corev1.ServiceArgs{
		Metadata: metadata(objects.AdoptAndGo()),
		Spec: corev1.ServiceSpecArgs{Selector: labels(), Ports: corev1.ServicePortArray{
			corev1.ServicePortArgs{Name: pulumi.String("metrics"), Port: pulumi.Int(Port)},
		}},
	}, b.inHost([]pulumi.Resource{namespace})...)
}

// exporter is the Deployment. It is there when the exporter has looked once.
func (b *builder) exporter(files *corev1.Secret, service pulumi.Resource) error {
	needs := []pulumi.Resource{files, service}
	if up := b.args.Mesh[b.args.Host.Name]; up != nil {
		needs = append(needs, up)
	}
	needs = append(needs, b.args.PeerRules...)
	// A hash of what is secret could be used to guess it.
	version := pulumi.StringMap{"hybrid/secret-version": objects.Version(files.Metadata.ResourceVersion())}
	_, err := appsv1.NewDeployment(b.ctx, b.named("exporter"), &appsv1.DeploymentArgs{
		Metadata: metadata(objects.Adopt()),
		Spec: appsv1.DeploymentSpecArgs{
			Replicas: pulumi.Int(1),
			Selector: metav1.LabelSelectorArgs{MatchLabels: labels()},
			Template: corev1.PodTemplateSpecArgs{Metadata: metav1.ObjectMetaArgs{Labels: labels(), Annotations: version}, Spec: b.pod()},
		},
	}, b.inHost(needs, pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "10m", Update: "10m", Delete: "5m"}))...)
	return err
}

func (b *builder) pod() corev1.PodSpecArgs {
	var tolerations corev1.TolerationArray
	for _, state := range []string{"not-ready", "unreachable"} {
		tolerations = append(tolerations, corev1.TolerationArgs{
			Key: pulumi.String("node.kubernetes.io/" + state), Operator: pulumi.String("Exists"), Effect: pulumi.String("NoExecute"),
			TolerationSeconds: pulumi.Int(awaySeconds),
		})
	}
	// A cluster may be one machine.
	tolerations = append(tolerations, corev1.TolerationArgs{
		Key: pulumi.String("node-role.kubernetes.io/control-plane"), Operator: pulumi.String("Exists"), Effect: pulumi.String("NoSchedule"),
	})
	return corev1.PodSpecArgs{
		AutomountServiceAccountToken: pulumi.Bool(false), // it has accounts of its own
		EnableServiceLinks:           pulumi.Bool(false),
		SecurityContext: corev1.PodSecurityContextArgs{
			RunAsNonRoot: pulumi.Bool(true), RunAsUser: pulumi.Int(user), RunAsGroup: pulumi.Int(user), FsGroup: pulumi.Int(user),
			SeccompProfile: corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
		},
		Tolerations: tolerations,
		Containers:  corev1.ContainerArray{b.container()},
		Volumes: corev1.VolumeArray{corev1.VolumeArgs{Name: pulumi.String("outputs"), Secret: corev1.SecretVolumeSourceArgs{
			SecretName: pulumi.String(exporterName), DefaultMode: pulumi.Int(0o440),
		}}},
	}
}

func (b *builder) container() corev1.ContainerArgs {
	probe := corev1.ProbeArgs{
		HttpGet:       corev1.HTTPGetActionArgs{Path: pulumi.String("/healthz"), Port: pulumi.Int(Port)},
		PeriodSeconds: pulumi.Int(2), TimeoutSeconds: pulumi.Int(5),
	}
	return corev1.ContainerArgs{
		Name: pulumi.String("exporter"), Image: pulumi.String(b.args.Image),
		Command: pulumi.ToStringArray([]string{
			"/hybrid", "exporter", "--outputs", path.Join(files, outputsFile), "--listen", fmt.Sprintf(":%d", Port),
		}),
		Ports:          corev1.ContainerPortArray{corev1.ContainerPortArgs{Name: pulumi.String("metrics"), ContainerPort: pulumi.Int(Port)}},
		ReadinessProbe: probe,
		Resources:      corev1.ResourceRequirementsArgs{Requests: pulumi.StringMap{"cpu": pulumi.String("20m"), "memory": pulumi.String("60Mi")}},
		SecurityContext: corev1.SecurityContextArgs{
			AllowPrivilegeEscalation: pulumi.Bool(false), ReadOnlyRootFilesystem: pulumi.Bool(true),
			Capabilities: corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
		},
		VolumeMounts: corev1.VolumeMountArray{corev1.VolumeMountArgs{
			Name: pulumi.String("outputs"), MountPath: pulumi.String(files), ReadOnly: pulumi.Bool(true),
		}},
	}
}
