package federation

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const kubeControllerManagerName = "kube-controller-manager"

// kubeControllerManager is Kubernetes' own, with the few controllers that look
// after the API's objects: none that would run something. It signs no
// certificates, and so need not have the authority's key.
func (b *builder) kubeControllerManager(needs []pulumi.Resource) (running, error) {
	return b.run(program{
		name: kubeControllerManagerName, image: "registry.k8s.io/kube-controller-manager:" + b.args.KubernetesVersion,
		command: []string{
			"kube-controller-manager",
			"--kubeconfig=" + files + "/kubeconfig",
			"--authentication-kubeconfig=" + files + "/kubeconfig",
			"--authorization-kubeconfig=" + files + "/kubeconfig",
			"--bind-address=0.0.0.0",
			"--client-ca-file=" + files + "/ca.crt",
			"--cluster-name=federation",
			"--controllers=namespace,garbagecollector,serviceaccount,serviceaccount-token,clusterrole-aggregation",
			"--root-ca-file=" + files + "/ca.crt",
			"--service-account-private-key-file=" + files + "/accounts.key",
			"--use-service-account-credentials=true",
			b.elects(),
		},
		secret: pulumi.StringMap{
			"kubeconfig": b.inside, "ca.crt": b.pki.authority.Cert,
			"accounts.key": pulumi.ToSecret(b.pki.accounts.PrivateKeyPem).(pulumi.StringOutput),
		},
		certificates: []pulumi.StringOutput{b.pki.authority.Cert, b.pki.admin.Cert, b.pki.accounts.PublicKeyPem},
		probes:       probes{scheme: "HTTPS", port: 10257, live: "/healthz", ready: "/healthz"},
		waits:        []string{URL + "/readyz"},
		alone:        true,
		cpu:          "20m", memory: "60Mi",
	}, needs)
}

// elects makes one of several replicas work. One alone need not wait until the
// term of the one before it has passed.
func (b *builder) elects() string { return fmt.Sprintf("--leader-elect=%t", b.args.Replicas > 1) }
