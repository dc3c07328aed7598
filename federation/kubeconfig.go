package federation

import (
	"fmt"

	"hybrid/clouds"
	"hybrid/internal/identity"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// identities makes what the control plane's programs know each other by: token,
// certificates, kubeconfigs.
func (b *builder) identities() (err error) {
	if b.token, err = identity.Password(b.ctx, b.named("token"), b.args.Token, pulumi.Parent(b.Federation)); err != nil {
		return err
	}
	if b.pki, err = b.newPKI(); err != nil {
		return err
	}
	address := b.args.Host.ControlPlane().PublicAddress
	b.admin = pulumi.ToSecret(pulumi.All(address, b.pki.authority.Cert, b.token).ApplyT(func(v []any) (string, error) {
		server := fmt.Sprintf("https://%s:%d", v[0], clouds.FederationPort)
		return clouds.NewKubeconfig(Context, server, v[1].(string), clouds.Credentials{Token: v[2].(string)})
	})).(pulumi.StringOutput)
	b.inside = pulumi.ToSecret(pulumi.All(b.pki.authority.Cert, b.pki.admin.Cert, b.pki.admin.Key).ApplyT(func(v []any) (string, error) {
		return clouds.NewKubeconfig(Namespace, URL, v[0].(string), clouds.Credentials{Certificate: v[1].(string), Key: v[2].(string)})
	})).(pulumi.StringOutput)
	return nil
}

// connect waits for the API and makes the kubeconfig and the provider, which must
// not be used before: the provider asks once whether the API answers.
func (b *builder) connect(api running) error {
	host := b.args.Host
	s, err := b.script("reachable", "10m", pulumi.StringMap{
		"ADMIN": b.admin,
		// Looked at again when the API server is created again.
		"GENERATION": api.generation,
	})
	if err != nil {
		return err
	}
	reachable, err := host.Run(b.ctx, b.named("reachable"), host.ControlPlane(), s,
		pulumi.Parent(b.Federation), pulumi.DependsOn(with(b.args.PeerRules, api.deployment)))
	if err != nil {
		return err
	}
	b.Kubeconfig = pulumi.ToSecret(pulumi.All(b.admin, reachable.Stdout).ApplyT(func(v []any) (text string, err error) {
		text = v[0].(string)
		if b.args.Verify != nil {
			err = b.args.Verify(text)
		}
		return text, err
	})).(pulumi.StringOutput)
	storage := b.args.StorageClass
	if storage == "" {
		storage = etcdFolder
	}
	b.Provider, err = kubernetes.NewProvider(b.ctx, b.named("kubernetes"), &kubernetes.ProviderArgs{
		Kubeconfig: b.Kubeconfig,
		// A new token or certificate must not replace the provider, for that
		// replaces every object in the federation; new storage must, for it is
		// empty.
		ClusterIdentifier:      pulumi.Sprintf("%s/%s/%s", Context, host.Life, storage),
		EnableServerSideApply:  pulumi.Bool(true),
		EnableConfigMapMutable: pulumi.Bool(true),
		EnableSecretMutable:    pulumi.Bool(true),
		// As in the host, which is gone if the federation is.
		DeleteUnreachable: pulumi.Bool(host.Lost),
		// What was in a federation that has ended goes before there is another one: the
		// next has the same address, and objects of the same names.
	}, pulumi.Parent(b.Federation), pulumi.DeleteBeforeReplace(true))
	return err
}
