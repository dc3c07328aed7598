package federation

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	etcdName = "etcd"
	etcdURL  = "https://" + etcdName + "." + Namespace + ".svc.cluster.local:2379"
	// etcdHealth is open to everybody in the mesh, and tells nothing but that.
	etcdHealth = "http://" + etcdName + "." + Namespace + ".svc.cluster.local:2381/readyz"
	// etcdFolder keeps what etcd holds, on the host's control plane.
	etcdFolder = "/var/lib/federation-etcd"
	// etcdData is where etcd sees it.
	etcdData = "/var/lib/etcd"
	// etcdSize is that of the volume of a storage class: etcd's own limit is 2 GB,
	// and it needs as much again when it is defragmented.
	etcdSize = "8Gi"
)

// etcd keeps what the federation knows. It is one: its data is as safe as the
// volume that it is on.
func (b *builder) etcd(needs []pulumi.Resource) (pulumi.Resource, error) {
	p := program{
		name: etcdName, image: EtcdImage,
		command: append([]string{
			"etcd", "--name=etcd-0",
			// Not the volume's root, whose rights are not etcd's to choose.
			"--data-dir=" + etcdData + "/data",
			"--listen-client-urls=https://0.0.0.0:2379", "--advertise-client-urls=" + etcdURL,
			"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
			"--initial-cluster=etcd-0=http://127.0.0.1:2380",
			"--listen-metrics-urls=http://0.0.0.0:2381",
			"--client-cert-auth=true", "--trusted-ca-file=" + files + "/ca.crt",
			"--cert-file=" + files + "/tls.crt", "--key-file=" + files + "/tls.key",
		}, b.args.EtcdArgs...),
		secret: pulumi.StringMap{
			"ca.crt": b.pki.authority.Cert, "tls.crt": b.pki.etcd.Cert, "tls.key": b.pki.etcd.Key,
		},
		certificates: []pulumi.StringOutput{b.pki.authority.Cert, b.pki.etcd.Cert},
		probes:       probes{scheme: "HTTP", port: 2381, live: "/livez", ready: "/readyz"},
		cpu:          "50m", memory: "100Mi",
	}
	secret, err := b.secret(p, needs)
	if err != nil {
		return nil, err
	}
	service, err := b.service(etcdName, corev1.ServiceSpecArgs{Ports: corev1.ServicePortArray{
		corev1.ServicePortArgs{Name: pulumi.String("client"), Port: pulumi.Int(2379)},
		corev1.ServicePortArgs{Name: pulumi.String("health"), Port: pulumi.Int(2381)},
	}}, needs)
	if err != nil {
		return nil, err
	}
	pod := b.pod(p)
	// The folder is root's: kubelet makes it.
	pod.SecurityContext = corev1.PodSecurityContextArgs{SeccompProfile: corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")}}
	container := p.container()
	container.VolumeMounts = corev1.VolumeMountArray{
		corev1.VolumeMountArgs{Name: pulumi.String("files"), MountPath: pulumi.String(files), ReadOnly: pulumi.Bool(true)},
		corev1.VolumeMountArgs{Name: pulumi.String("data"), MountPath: pulumi.String(etcdData)},
	}
	pod.Containers = corev1.ContainerArray{container}
	claims := b.etcdStorage(&pod, p)
	set, err := v1.NewStatefulSet(b.ctx, b.named(etcdName), &v1.StatefulSetArgs{
		Metadata: metadata(etcdName),
		Spec: v1.StatefulSetSpecArgs{
			ServiceName: pulumi.String(etcdName), Replicas: pulumi.Int(1),
			Selector:             metav1.LabelSelectorArgs{MatchLabels: labels(etcdName)},
			VolumeClaimTemplates: claims,
			Template: corev1.PodTemplateSpecArgs{
				Metadata: metav1.ObjectMetaArgs{Labels: labels(etcdName), Annotations: p.podAnnotations()},
				Spec:     pod,
			},
		},
	}, b.inHost(
		pulumi.DependsOn(with(needs, secret, service)), forPods(),
		// Two must never open the same folder.
		pulumi.DeleteBeforeReplace(true),
	)...)
	b.Identity = set
	return set, err
}

// etcdStorage puts etcd's data where it outlives pod and reboot: on a volume of the
// storage class, or in a folder of the host's control plane, where etcd then stays.
func (b *builder) etcdStorage(pod *corev1.PodSpecArgs, p program) corev1.PersistentVolumeClaimTypeArray {
	if b.args.StorageClass != "" {
		pod.Volumes = corev1.VolumeArray{p.volume()}
		return corev1.PersistentVolumeClaimTypeArray{corev1.PersistentVolumeClaimTypeArgs{
			Metadata: metav1.ObjectMetaArgs{Name: pulumi.String("data")},
			Spec: corev1.PersistentVolumeClaimSpecArgs{
				AccessModes: pulumi.ToStringArray([]string{"ReadWriteOnce"}), StorageClassName: pulumi.String(b.args.StorageClass),
				Resources: corev1.VolumeResourceRequirementsArgs{Requests: pulumi.StringMap{"storage": pulumi.String(etcdSize)}},
			},
		}}
	}
	pod.NodeSelector = pulumi.StringMap{controlPlane: pulumi.String("")}
	pod.Volumes = corev1.VolumeArray{p.volume(), corev1.VolumeArgs{Name: pulumi.String("data"), HostPath: corev1.HostPathVolumeSourceArgs{
		Path: pulumi.String(etcdFolder), Type: pulumi.String("DirectoryOrCreate"),
	}}}
	return nil
}
