package federation

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	webhookName = "karmada-webhook"
	webhookPort = 8443
	// webhookURL is where the API server calls it.
	webhookURL = "https://" + webhookName + "." + Namespace + ".svc:443/"
)

// webhook checks and completes objects of Karmada's kinds.
func (b *builder) webhook(needs []pulumi.Resource) (running, error) {
	p := program{
		name: webhookName, image: karmadaImage("webhook"),
		command: []string{
			"/bin/" + webhookName,
			"--kubeconfig=" + files + "/kubeconfig",
			fmt.Sprintf("--secure-port=%d", webhookPort),
			"--cert-dir=" + files, // tls.crt and tls.key
		},
		secret: pulumi.StringMap{
			"kubeconfig": b.inside, "ca.crt": b.pki.authority.Cert, "tls.crt": b.pki.webhook.Cert, "tls.key": b.pki.webhook.Key,
		},
		certificates: []pulumi.StringOutput{b.pki.authority.Cert, b.pki.webhook.Cert, b.pki.admin.Cert},
		probes:       probes{scheme: "HTTPS", port: webhookPort, live: "/readyz/", ready: "/readyz/"},
		waits:        []string{URL + "/readyz"},
		cpu:          "20m", memory: "60Mi",
	}
	service, err := b.service(webhookName, corev1.ServiceSpecArgs{Ports: corev1.ServicePortArray{
		corev1.ServicePortArgs{Name: pulumi.String("https"), Port: pulumi.Int(443), TargetPort: pulumi.Int(webhookPort)},
	}}, needs)
	if err != nil {
		return running{}, err
	}
	return b.run(p, with(needs, service))
}
