package federation

import (
	"fmt"

	"hybrid/clouds"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	apiServerName = "karmada-apiserver"
	apiServerPort = 5443
	// URL is where pods of the host cluster find the API.
	URL = "https://" + apiServerName + "." + Namespace + ".svc.cluster.local:5443"
	// frontProxyUser may speak to the aggregated API for others.
	frontProxyUser = "front-proxy-client"
)

// anonymous lets those who don't say who they are ask whether the server is well,
// as kubelet does. All else is refused with 401, and not with 403 as by default.
// See https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-authenticator-configuration.
const anonymous = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
`

// etcdFlags are the same for both API servers: they share etcd.
var etcdFlags = []string{
	"--etcd-servers=" + etcdURL,
	"--etcd-cafile=" + files + "/ca.crt",
	"--etcd-certfile=" + files + "/etcd.crt",
	"--etcd-keyfile=" + files + "/etcd.key",
}

// servingFlags are those of each server with a certificate.
var servingFlags = []string{
	"--tls-cert-file=" + files + "/tls.crt",
	"--tls-private-key-file=" + files + "/tls.key",
	"--tls-min-version=VersionTLS13",
}

// apiServer is Kubernetes' own, with an etcd of the federation's: nothing in it is
// run, but placed in members.
func (b *builder) apiServer(needs []pulumi.Resource) (running, error) {
	p := program{
		name: apiServerName, image: "registry.k8s.io/kube-apiserver:" + b.args.KubernetesVersion,
		command: append(append([]string{
			"kube-apiserver",
			"--allow-privileged=true", // members decide
			"--authentication-config=" + files + "/authentication.yaml",
			"--authorization-mode=RBAC",
			"--bind-address=0.0.0.0",
			fmt.Sprintf("--secure-port=%d", apiServerPort),
			"--client-ca-file=" + files + "/ca.crt",
			"--disable-admission-plugins=StorageObjectInUseProtection", // no volumes are used here
			"--proxy-client-cert-file=" + files + "/front-proxy.crt",
			"--proxy-client-key-file=" + files + "/front-proxy.key",
			"--requestheader-client-ca-file=" + files + "/front-proxy-ca.crt",
			"--requestheader-allowed-names=" + frontProxyUser,
			"--requestheader-extra-headers-prefix=X-Remote-Extra-",
			"--requestheader-group-headers=X-Remote-Group",
			"--requestheader-username-headers=X-Remote-User",
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file=" + files + "/accounts.pub",
			"--service-account-signing-key-file=" + files + "/accounts.key",
			// Addresses that services get here; each member gives them its own.
			"--service-cluster-ip-range=10.96.0.0/12",
			"--token-auth-file=" + files + "/tokens.csv",
		}, etcdFlags...), servingFlags...),
		secret: pulumi.StringMap{
			"authentication.yaml": pulumi.String(anonymous),
			"ca.crt":              b.pki.authority.Cert,
			"tls.crt":             b.pki.apiServer.Cert,
			"tls.key":             b.pki.apiServer.Key,
			"etcd.crt":            b.pki.etcdClient.Cert,
			"etcd.key":            b.pki.etcdClient.Key,
			"front-proxy-ca.crt":  b.pki.frontProxyAuthority.Cert,
			"front-proxy.crt":     b.pki.frontProxy.Cert,
			"front-proxy.key":     b.pki.frontProxy.Key,
			"accounts.pub":        b.pki.accounts.PublicKeyPem,
			"accounts.key":        pulumi.ToSecret(b.pki.accounts.PrivateKeyPem).(pulumi.StringOutput),
			// Without the group, the token would be known and may do nothing.
			"tokens.csv": pulumi.Sprintf("%s,admin,admin,system:masters\n", b.token),
		},
		certificates: []pulumi.StringOutput{
			b.pki.authority.Cert, b.pki.apiServer.Cert, b.pki.etcdClient.Cert,
			b.pki.frontProxyAuthority.Cert, b.pki.frontProxy.Cert, b.pki.accounts.PublicKeyPem,
		},
		versioned: true, // the token
		probes:    probes{scheme: "HTTPS", port: apiServerPort, live: "/livez", ready: "/readyz"},
		waits:     []string{etcdHealth},
		cpu:       "50m", memory: "200Mi",
	}
	service, err := b.service(apiServerName, corev1.ServiceSpecArgs{
		Type: pulumi.String("NodePort"),
		Ports: corev1.ServicePortArray{corev1.ServicePortArgs{
			Name: pulumi.String("https"), Port: pulumi.Int(apiServerPort), NodePort: pulumi.Int(clouds.FederationPort),
		}},
	}, needs)
	if err != nil {
		return running{}, err
	}
	return b.run(p, with(needs, service))
}
