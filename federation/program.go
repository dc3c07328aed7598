package federation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"hybrid/clouds"
	"hybrid/internal/objects"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// files is where a program finds its Secret's files.
const files = "/etc/federation"

// user runs the programs: it has no name and no rights, as in images without users.
const user = 65532

// program is one of the control plane, with a Secret of its own: none can
// read what another needs.
type program struct {
	name    string
	image   string
	command []string
	// secret are the files; certificates the public ones among them: when these
	// change, so do the pods.
	secret       pulumi.StringMap
	certificates []pulumi.StringOutput
	// versioned says that pods follow the secret files, too.
	versioned bool
	env       map[string]string
	probes    probes
	// waits are URLs that must answer before the program starts.
	waits []string
	// alone says that two must never run side by side: a program that would do
	// everything twice, unless it elects a leader.
	alone bool
	// dials says that the program calls what may be dead: it gives up on a
	// connection after 7 s and not after two minutes.
	dials       bool
	cpu, memory string
}

// probes say where a program tells how it is.
type probes struct {
	scheme      string
	port        int
	live, ready string
}

// running is a program that runs.
type running struct {
	deployment pulumi.Resource
	// generation changes when its pods do.
	generation pulumi.StringOutput
}

func labels(name string) pulumi.StringMap { return pulumi.StringMap{"app": pulumi.String(name)} }

// metadata is that of an object of the control plane, in the host cluster.
func metadata(name string) metav1.ObjectMetaArgs {
	return metav1.ObjectMetaArgs{
		Name: pulumi.String(name), Namespace: pulumi.String(Namespace), Labels: labels(name), Annotations: objects.Adopt(),
	}
}

// secret makes the Secret with a program's files.
func (b *builder) secret(p program, needs []pulumi.Resource) (*corev1.Secret, error) {
	return corev1.NewSecret(b.ctx, b.named(p.name+"-files"), &corev1.SecretArgs{
		Metadata: metadata(p.name), StringData: p.secret,
	}, b.inHost(pulumi.DependsOn(needs))...)
}

// service makes the Service of a program. It is not waited for: it is there before
// its pods, so that their names are.
func (b *builder) service(name string, spec corev1.ServiceSpecArgs, needs []pulumi.Resource) (pulumi.Resource, error) {
	meta := metadata(name)
	meta.Annotations = objects.AdoptAndGo()
	spec.Selector = labels(name)
	return corev1.NewService(b.ctx, b.named(name+"-service"), &corev1.ServiceArgs{Metadata: meta, Spec: spec}, b.inHost(pulumi.DependsOn(needs))...)
}

// run makes Secret and Deployment of a program, and a budget for its disruption
// where there is more than one.
func (b *builder) run(p program, needs []pulumi.Resource) (running, error) {
	secret, err := b.secret(p, needs)
	if err != nil {
		return running{}, err
	}
	annotations := p.podAnnotations()
	if p.versioned {
		// A hash of what is secret could be used to guess it.
		annotations["hybrid/secret-version"] = objects.Version(secret.Metadata.ResourceVersion())
	}
	elects := b.args.Replicas > 1
	strategy := v1.DeploymentStrategyArgs{Type: pulumi.String("RollingUpdate"), RollingUpdate: v1.RollingUpdateDeploymentArgs{
		// The new one must answer before the old one goes.
		MaxSurge: pulumi.Int(1), MaxUnavailable: pulumi.Int(0),
	}}
	if p.alone && !elects {
		strategy = v1.DeploymentStrategyArgs{Type: pulumi.String("Recreate")}
	}
	deployment, err := v1.NewDeployment(b.ctx, b.named(p.name), &v1.DeploymentArgs{
		Metadata: metadata(p.name),
		Spec: v1.DeploymentSpecArgs{
			Replicas: pulumi.Int(b.args.Replicas),
			Selector: metav1.LabelSelectorArgs{MatchLabels: labels(p.name)},
			Strategy: strategy,
			Template: corev1.PodTemplateSpecArgs{
				Metadata: metav1.ObjectMetaArgs{Labels: labels(p.name), Annotations: annotations},
				Spec:     b.pod(p),
			},
		},
	}, b.inHost(pulumi.DependsOn(with(needs, secret)), forPods())...)
	if err != nil {
		return running{}, err
	}
	if elects {
		if err := b.budget(p.name, needs); err != nil {
			return running{}, err
		}
	}
	return running{deployment, generation(deployment.Metadata.Generation())}, nil
}

// forPods is how long images may take to come, and pods to start.
func forPods() pulumi.ResourceOption {
	return pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "10m", Update: "10m", Delete: "5m"})
}

func generation(n pulumi.IntPtrOutput) pulumi.StringOutput {
	return n.ApplyT(func(n *int) string {
		if n == nil {
			return ""
		}
		return fmt.Sprint(*n)
	}).(pulumi.StringOutput)
}

// with adds to a list that others share.
func with(needs []pulumi.Resource, more ...pulumi.Resource) []pulumi.Resource {
	return slices.Concat(needs, more)
}

// podAnnotations replace pods when certificates change.
func (p program) podAnnotations() pulumi.StringMap {
	return pulumi.StringMap{"hybrid/certificates": fingerprint(p.certificates...)}
}

// pod is what runs a program.
func (b *builder) pod(p program) corev1.PodSpecArgs {
	var before corev1.ContainerArray
	if b.args.ToolsImage != "" && len(p.waits) > 0 {
		before = corev1.ContainerArray{b.waiter(p.waits)}
	}
	var sysctls corev1.SysctlArray
	if p.dials {
		sysctls = corev1.SysctlArray{corev1.SysctlArgs{Name: pulumi.String(clouds.SynRetries), Value: pulumi.String("2")}}
	}
	return corev1.PodSpecArgs{
		AutomountServiceAccountToken: pulumi.Bool(false), // it has no business with the host cluster
		EnableServiceLinks:           pulumi.Bool(false),
		PriorityClassName:            pulumi.String("system-cluster-critical"),
		SecurityContext: corev1.PodSecurityContextArgs{
			RunAsNonRoot: pulumi.Bool(true), RunAsUser: pulumi.Int(user), RunAsGroup: pulumi.Int(user), FsGroup: pulumi.Int(user),
			SeccompProfile: corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
			Sysctls:        sysctls,
		},
		// Beside etcd, if they fit: then one machine less can take the federation
		// down.
		Affinity: corev1.AffinityArgs{NodeAffinity: corev1.NodeAffinityArgs{
			PreferredDuringSchedulingIgnoredDuringExecution: corev1.PreferredSchedulingTermArray{corev1.PreferredSchedulingTermArgs{
				Weight: pulumi.Int(100),
				Preference: corev1.NodeSelectorTermArgs{MatchExpressions: corev1.NodeSelectorRequirementArray{
					corev1.NodeSelectorRequirementArgs{Key: pulumi.String(controlPlane), Operator: pulumi.String("Exists")},
				}},
			}},
		}},
		TopologySpreadConstraints: corev1.TopologySpreadConstraintArray{corev1.TopologySpreadConstraintArgs{
			MaxSkew: pulumi.Int(1), TopologyKey: pulumi.String("kubernetes.io/hostname"), WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
			LabelSelector: metav1.LabelSelectorArgs{MatchLabels: labels(p.name)},
		}},
		Tolerations:    tolerations(),
		InitContainers: before,
		Containers:     corev1.ContainerArray{p.container()},
		Volumes:        corev1.VolumeArray{p.volume()},
	}
}

// controlPlane is the label, and the taint, of nodes that run a control plane.
const controlPlane = "node-role.kubernetes.io/control-plane"

func tolerations() corev1.TolerationArray {
	return corev1.TolerationArray{corev1.TolerationArgs{
		Key: pulumi.String(controlPlane), Operator: pulumi.String("Exists"), Effect: pulumi.String("NoSchedule"),
	}}
}

// container is the program itself.
func (p program) container() corev1.ContainerArgs {
	env := corev1.EnvVarArray{}
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		env = append(env, corev1.EnvVarArgs{Name: pulumi.String(name), Value: pulumi.String(p.env[name])})
	}
	probe := func(path string, period, failures int) corev1.ProbeArgs {
		return corev1.ProbeArgs{
			HttpGet:       corev1.HTTPGetActionArgs{Path: pulumi.String(path), Port: pulumi.Int(p.probes.port), Scheme: pulumi.String(p.probes.scheme)},
			PeriodSeconds: pulumi.Int(period), FailureThreshold: pulumi.Int(failures), TimeoutSeconds: pulumi.Int(10),
		}
	}
	return corev1.ContainerArgs{
		Name: pulumi.String(p.name), Image: pulumi.String(p.image), Command: pulumi.ToStringArray(p.command), Env: env,
		// On a busy machine a start takes its time: five minutes at most.
		StartupProbe:    probe(p.probes.live, 2, 150),
		LivenessProbe:   probe(p.probes.live, 10, 6),
		ReadinessProbe:  probe(p.probes.ready, 2, 3),
		Resources:       corev1.ResourceRequirementsArgs{Requests: pulumi.StringMap{"cpu": pulumi.String(p.cpu), "memory": pulumi.String(p.memory)}},
		SecurityContext: confined(),
		VolumeMounts: corev1.VolumeMountArray{corev1.VolumeMountArgs{
			Name: pulumi.String("files"), MountPath: pulumi.String(files), ReadOnly: pulumi.Bool(true),
		}},
	}
}

// confined is a process without privileges.
func confined() corev1.SecurityContextArgs {
	return corev1.SecurityContextArgs{
		AllowPrivilegeEscalation: pulumi.Bool(false), ReadOnlyRootFilesystem: pulumi.Bool(true),
		Capabilities: corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
	}
}

// volume are the program's files, for its user only.
func (p program) volume() corev1.VolumeArgs {
	return corev1.VolumeArgs{Name: pulumi.String("files"), Secret: corev1.SecretVolumeSourceArgs{
		SecretName: pulumi.String(p.name), DefaultMode: pulumi.Int(0o440),
	}}
}

// waiter runs before a program. Without it the program would end, and be started
// again after ever longer pauses. Of the program's files it has only who signs
// certificates.
func (b *builder) waiter(urls []string) corev1.ContainerArgs {
	const authority = files + "/ca.crt"
	script := fmt.Sprintf("for url in %s; do\n\tuntil curl -sSf --cacert %s -m 5 -o /dev/null $url; do sleep 1; done\ndone", strings.Join(urls, " "), authority)
	return corev1.ContainerArgs{
		Name: pulumi.String("wait"), Image: pulumi.String(b.args.ToolsImage),
		Command:         pulumi.ToStringArray([]string{"/bin/sh", "-c", script}),
		SecurityContext: confined(),
		VolumeMounts: corev1.VolumeMountArray{corev1.VolumeMountArgs{
			Name: pulumi.String("files"), MountPath: pulumi.String(authority), SubPath: pulumi.String("ca.crt"), ReadOnly: pulumi.Bool(true),
		}},
	}
}

// budget keeps one pod of a program when nodes are drained.
func (b *builder) budget(name string, needs []pulumi.Resource) error {
	_, err := apiextensions.NewCustomResource(b.ctx, b.named(name+"-budget"), &apiextensions.CustomResourceArgs{
		ApiVersion: pulumi.String("policy/v1"), Kind: pulumi.String("PodDisruptionBudget"), Metadata: metadata(name),
		OtherFields: kubernetes.UntypedArgs{"spec": pulumi.Map{
			"minAvailable": pulumi.Int(1),
			"selector":     pulumi.Map{"matchLabels": labels(name)},
		}},
	}, b.inHost(pulumi.DependsOn(needs))...)
	return err
}

// namespace is the control plane's.
func (b *builder) namespace() (pulumi.Resource, error) {
	return corev1.NewNamespace(b.ctx, b.named("namespace"), &corev1.NamespaceArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String(Namespace), Annotations: objects.Adopt()},
	}, b.inHost()...)
}
