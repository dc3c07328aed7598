package workloads

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// authorityHours is how long the authority is valid: ten years.
const authorityHours = 10 * 365 * 24

// certificates makes an authority, and a certificate for each kind of server, in
// Secrets. Servers load renewed ones without a restart.
func (b *builder) certificates() error {
	key, err := b.key("ca")
	if err != nil {
		return err
	}
	ca, err := tls.NewSelfSignedCert(b.ctx, b.named("ca"), &tls.SelfSignedCertArgs{
		PrivateKeyPem:   key,
		Subject:         tls.SelfSignedCertSubjectArgs{CommonName: pulumi.String("PostgreSQL")},
		IsCaCertificate: pulumi.Bool(true), SetSubjectKeyId: pulumi.Bool(true),
		AllowedUses:         pulumi.ToStringArray([]string{"cert_signing", "digital_signature"}),
		ValidityPeriodHours: pulumi.Int(authorityHours),
		// Nothing that it signs may outlive it.
		EarlyRenewalHours: pulumi.Int(b.args.CertificateHours + b.args.RenewHours),
	}, pulumi.Parent(b))
	if err != nil {
		return err
	}
	b.Authority = ca.CertPem
	for _, server := range []string{Master, Replica, Witness} {
		if err := b.certificate(server, ca, key); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) key(name string) (pulumi.StringOutput, error) {
	key, err := tls.NewPrivateKey(b.ctx, b.named(name+"-key"), &tls.PrivateKeyArgs{
		Algorithm: pulumi.String("ECDSA"), EcdsaCurve: pulumi.String("P256"),
	}, pulumi.Parent(b))
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	return pulumi.ToSecret(key.PrivateKeyPem).(pulumi.StringOutput), nil
}

// certificate makes a server's, for the names by which pods find its service.
func (b *builder) certificate(server string, ca *tls.SelfSignedCert, caKey pulumi.StringOutput) error {
	key, err := b.key(server)
	if err != nil {
		return err
	}
	request, err := tls.NewCertRequest(b.ctx, b.named(server+"-request"), &tls.CertRequestArgs{
		PrivateKeyPem: key,
		Subject:       tls.CertRequestSubjectArgs{CommonName: pulumi.String(server)},
		DnsNames: pulumi.ToStringArray([]string{
			server, server + "." + Namespace, server + "." + Namespace + ".svc", server + "." + Namespace + ".svc.cluster.local",
		}),
	}, pulumi.Parent(b))
	if err != nil {
		return err
	}
	cert, err := tls.NewLocallySignedCert(b.ctx, b.named(server+"-cert"), &tls.LocallySignedCertArgs{
		CertRequestPem: request.CertRequestPem,
		CaCertPem:      ca.CertPem, CaPrivateKeyPem: caKey,
		AllowedUses:         pulumi.ToStringArray([]string{"digital_signature", "server_auth"}),
		ValidityPeriodHours: pulumi.Int(b.args.CertificateHours),
		EarlyRenewalHours:   pulumi.Int(b.args.RenewHours),
	}, pulumi.Parent(b))
	if err != nil {
		return err
	}
	return b.secret(server+"-tls", pulumi.StringMap{"ca.crt": ca.CertPem, "tls.crt": cert.CertPem, "tls.key": key})
}

func (b *builder) secret(name string, data pulumi.StringMap) error {
	s, err := v1.NewSecret(b.ctx, b.named(name), &v1.SecretArgs{Metadata: metadata(name), StringData: data}, b.federated()...)
	b.shared = append(b.shared, s)
	return err
}
