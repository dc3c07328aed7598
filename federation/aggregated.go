package federation

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	aggregatedName = "karmada-aggregated-apiserver"
	// aggregatedPort is one that needs no privileges.
	aggregatedPort = 5443
)

// aggregated serves the kind Cluster, and passes requests on to members.
func (b *builder) aggregated(needs []pulumi.Resource) (running, error) {
	p := program{
		name: aggregatedName, image: karmadaImage("aggregated-apiserver"),
		command: append(append([]string{
			"/bin/" + aggregatedName,
			"--kubeconfig=" + files + "/kubeconfig",
			"--authentication-kubeconfig=" + files + "/kubeconfig",
			"--authorization-kubeconfig=" + files + "/kubeconfig",
			fmt.Sprintf("--secure-port=%d", aggregatedPort),
		}, etcdFlags...), servingFlags...),
		secret: pulumi.StringMap{
			"kubeconfig": b.inside,
			"ca.crt":     b.pki.authority.Cert,
			"tls.crt":    b.pki.aggregated.Cert,
			"tls.key":    b.pki.aggregated.Key,
			"etcd.crt":   b.pki.etcdClient.Cert,
			"etcd.key":   b.pki.etcdClient.Key,
		},
		certificates: []pulumi.StringOutput{b.pki.authority.Cert, b.pki.aggregated.Cert, b.pki.etcdClient.Cert, b.pki.admin.Cert},
		probes:       probes{scheme: "HTTPS", port: aggregatedPort, live: "/livez", ready: "/readyz"},
		waits:        []string{etcdHealth, URL + "/readyz"},
		cpu:          "20m", memory: "60Mi",
	}
	service, err := b.service(aggregatedName, corev1.ServiceSpecArgs{Ports: corev1.ServicePortArray{
		corev1.ServicePortArgs{Name: pulumi.String("https"), Port: pulumi.Int(443), TargetPort: pulumi.Int(aggregatedPort)},
	}}, needs)
	if err != nil {
		return running{}, err
	}
	return b.run(p, with(needs, service))
}
