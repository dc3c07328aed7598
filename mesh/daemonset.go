package mesh

import (
	_ "embed"
	"strconv"

	"hybrid/internal/objects"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// What runs in the containers, for the image's shell.
//
//go:embed scripts/pod/launch.sh
var launch string

//go:embed scripts/pod/reconnect.sh
var reconnect string

//go:embed scripts/pod/addressed.sh
var addressed string

// meetings is where containers find the settings.
const meetings = "/mesh"

// grace is how many seconds a peer gets to end: the shell that runs it passes no
// signal on, and its database bears being killed.
const grace = 5

// weave makes the DaemonSet when what it needs is there.
func (x *clusterMesh) weave(needs []pulumi.Resource) (err error) {
	var before corev1.ContainerArray
	if x.args.InitContainer {
		before = corev1.ContainerArray{x.installer()}
	}
	containers := corev1.ContainerArray{x.peer()}
	if !x.host() { // which is called by the others
		containers = append(containers, x.reconnector())
	}
	meta, annotations := metadata(Name), objects.Adopt()
	// The checks wait for the peers, and know sooner that they run: a pod counts as available
	// some seconds after it answers. Unlike skipAwait, this still waits for a deletion. See
	// https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/.
	annotations["pulumi.com/waitFor"] = pulumi.String("jsonpath={.status.observedGeneration}")
	meta.Annotations = annotations
	x.daemonSet, err = v1.NewDaemonSet(x.ctx, x.named(Name), &v1.DaemonSetArgs{
		Metadata: meta,
		Spec: v1.DaemonSetSpecArgs{
			Selector:        metav1.LabelSelectorArgs{MatchLabels: labels},
			MinReadySeconds: pulumi.Int(5), // so that a peer has connected before the next one restarts
			UpdateStrategy:  v1.DaemonSetUpdateStrategyArgs{Type: pulumi.String("RollingUpdate")},
			Template: corev1.PodTemplateSpecArgs{
				Metadata: metav1.ObjectMetaArgs{
					Labels: labels,
					// A peer reads the password when it starts, so a new one must
					// restart it. A hash here could be used to guess passwords.
					Annotations: pulumi.StringMap{"hybrid/password-version": x.secretVersion},
				},
				Spec: corev1.PodSpecArgs{
					InitContainers: before,
					Containers:     containers,
					Volumes:        volumes(),
					// It is the network of the others.
					HostNetwork: pulumi.Bool(true),
					DnsPolicy:   pulumi.String("ClusterFirstWithHostNet"),
					// Also on the control plane, and where nothing else can run yet.
					Tolerations: corev1.TolerationArray{
						corev1.TolerationArgs{Effect: pulumi.String("NoSchedule"), Operator: pulumi.String("Exists")},
						corev1.TolerationArgs{Effect: pulumi.String("NoExecute"), Operator: pulumi.String("Exists")},
					},
					PriorityClassName:             pulumi.String("system-node-critical"),
					ServiceAccountName:            pulumi.String(Name),
					TerminationGracePeriodSeconds: pulumi.Int(grace),
				},
			},
		},
	}, x.inCluster(
		pulumi.DependsOn(needs),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "10m", Update: "15m", Delete: "5m"}),
	)...)
	return err
}

// peer is the container that is the peer.
func (x *clusterMesh) peer() corev1.ContainerArgs {
	env := corev1.EnvVarArray{
		corev1.EnvVarArgs{Name: pulumi.String("HOSTNAME"), ValueFrom: corev1.EnvVarSourceArgs{
			FieldRef: corev1.ObjectFieldSelectorArgs{ApiVersion: pulumi.String("v1"), FieldPath: pulumi.String("spec.nodeName")},
		}},
		corev1.EnvVarArgs{Name: pulumi.String("WEAVE_PASSWORD"), ValueFrom: corev1.EnvVarSourceArgs{
			SecretKeyRef: corev1.SecretKeySelectorArgs{Name: pulumi.String(secretName), Key: pulumi.String(secretName)},
		}},
		corev1.EnvVarArgs{Name: pulumi.String("IPALLOC_INIT"), ValueFrom: corev1.EnvVarSourceArgs{
			ConfigMapKeyRef: corev1.ConfigMapKeySelectorArgs{Name: pulumi.String(settingsName), Key: pulumi.String(settingsInit)},
		}},
	}
	for _, e := range x.environment() {
		env = append(env, corev1.EnvVarArgs{Name: pulumi.String(e.name), Value: pulumi.String(e.value)})
	}
	return corev1.ContainerArgs{
		Name: pulumi.String(Container), Image: pulumi.String(x.args.Image),
		Command: shell(launch), Env: env,
		ReadinessProbe: corev1.ProbeArgs{
			HttpGet:       corev1.HTTPGetActionArgs{Host: pulumi.String("127.0.0.1"), Path: pulumi.String("/status"), Port: pulumi.Int(6784)},
			PeriodSeconds: pulumi.Int(3),
		},
		// Weave Net asks for this node's own address once, when it starts. When it
		// couldn't have one then, since who was to give it had just gone, it must
		// be restarted; but not while the ring itself isn't there yet.
		LivenessProbe: corev1.ProbeArgs{
			Exec:          corev1.ExecActionArgs{Command: shell(addressed)},
			PeriodSeconds: pulumi.Int(15), TimeoutSeconds: pulumi.Int(10), FailureThreshold: pulumi.Int(2),
		},
		Resources:       corev1.ResourceRequirementsArgs{Requests: pulumi.StringMap{"cpu": pulumi.String("50m")}},
		SecurityContext: corev1.SecurityContextArgs{Privileged: pulumi.Bool(true)},
		VolumeMounts:    mounts("weavedb", "settings", "cni-bin", "cni-bin2", "cni-conf", "dbus", "lib-modules", "xtables-lock"),
	}
}

// variable is one of the peer's settings.
type variable struct{ name, value string }

// environment are the settings with plain values.
func (x *clusterMesh) environment() []variable {
	all := []variable{
		{"IPALLOC_RANGE", x.args.Range.String()},
		{"WEAVE_MTU", strconv.Itoa(x.args.MTU)},
		// The policy controller knows the pods of its own cluster only: it would
		// cut off all others'.
		{"EXPECT_NPC", "0"},
		// Services see the addresses of the pods that call them.
		{"NO_MASQ_LOCAL", "1"},
		// Weave Net doesn't tell its makers that it runs here.
		{"CHECKPOINT_DISABLE", "1"},
		// kube-proxy's choice on today's systems, and rules of both kinds don't
		// see each other.
		{"IPTABLES_BACKEND", "nft"},
		{"INIT_CONTAINER", strconv.FormatBool(x.args.InitContainer)},
	}
	if !x.args.FastDatapath {
		// Encrypted, the fast datapath needs IP protocol 50, which Google and
		// DigitalOcean's firewalls don't pass.
		all = append(all, variable{"WEAVE_NO_FASTDP", "1"})
	}
	return all
}

// installer puts the CNI plugin and its configuration on the node.
func (x *clusterMesh) installer() corev1.ContainerArgs {
	return corev1.ContainerArgs{
		Name: pulumi.String("weave-init"), Image: pulumi.String(x.args.Image),
		Command: pulumi.ToStringArray([]string{"/home/weave/init.sh"}),
		Env: corev1.EnvVarArray{
			// Or it would insist on what only the policy controller needs.
			corev1.EnvVarArgs{Name: pulumi.String("EXPECT_NPC"), Value: pulumi.String("0")},
		},
		SecurityContext: corev1.SecurityContextArgs{Privileged: pulumi.Bool(true)},
		VolumeMounts:    mounts("cni-bin", "cni-bin2", "cni-conf", "lib-modules", "xtables-lock"),
	}
}

// reconnector keeps offering the meeting points to the peer beside it.
func (x *clusterMesh) reconnector() corev1.ContainerArgs {
	return corev1.ContainerArgs{
		Name: pulumi.String("reconnect"), Image: pulumi.String(x.args.Image),
		Command:      shell(reconnect),
		Resources:    corev1.ResourceRequirementsArgs{Requests: pulumi.StringMap{"cpu": pulumi.String("5m")}},
		VolumeMounts: mounts("settings"),
	}
}

func shell(script string) pulumi.StringArray {
	return pulumi.ToStringArray([]string{"/bin/sh", "-c", script})
}
