package workloads

import (
	"hybrid/workloads/topology"

	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// authorityHours is how long the authorities are valid: ten years.
const authorityHours = 10 * 365 * 24

// authority signs certificates.
type authority struct {
	key, cert pulumi.StringOutput
}

// certificates makes two authorities, for who may enter the database must not be able
// to change who leads: one for members, one for etcd. Servers load renewed certificates
// without a restart.
func (b *builder) certificates() error {
	psql, err := b.authority("ca", "PostgreSQL")
	if err != nil {
		return err
	}
	b.Authority = psql.cert
	// Any member may lead: all answer to both names, and know each other by it.
	if err := b.certificate(tlsName, "psql", psql, []string{topology.Master, topology.Replica}, "server_auth", "client_auth"); err != nil {
		return err
	}
	etcd, err := b.authority("etcd-ca", "PostgreSQL's etcd")
	if err != nil {
		return err
	}
	if err := b.certificate(clientName, "patroni", etcd, nil, "client_auth"); err != nil {
		return err
	}
	for _, cluster := range b.topology.Etcd {
		name := topology.EtcdName(cluster)
		if err := b.certificate(name+"-tls", name, etcd, []string{name}, "server_auth", "client_auth"); err != nil {
			return err
		}
	}
	return nil
}

// authority makes one. Python's checks want key identifiers and usages of it.
func (b *builder) authority(name, subject string) (authority, error) {
	key, err := b.key(name)
	if err != nil {
		return authority{}, err
	}
	ca, err := tls.NewSelfSignedCert(b.ctx, b.named(name), &tls.SelfSignedCertArgs{
		PrivateKeyPem:   key,
		Subject:         tls.SelfSignedCertSubjectArgs{CommonName: pulumi.String(subject)},
		IsCaCertificate: pulumi.Bool(true), SetSubjectKeyId: pulumi.Bool(true), SetAuthorityKeyId: pulumi.Bool(true),
		AllowedUses:         pulumi.ToStringArray([]string{"cert_signing", "digital_signature"}),
		ValidityPeriodHours: pulumi.Int(authorityHours),
		// Nothing that it signs may outlive it.
		EarlyRenewalHours: pulumi.Int(b.args.CertificateHours + b.args.RenewHours),
	}, pulumi.Parent(b))
	if err != nil {
		return authority{}, err
	}
	return authority{key, ca.CertPem}, nil
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

// certificate makes one, with its key, in a Secret; hosts are services whose names it
// is for.
func (b *builder) certificate(secret, subject string, ca authority, hosts []string, uses ...string) error {
	key, err := b.key(secret)
	if err != nil {
		return err
	}
	var names []string
	for _, h := range hosts {
		namespaced := h + "." + topology.Namespace
		names = append(names, h, namespaced, namespaced+".svc", namespaced+".svc.cluster.local")
	}
	request, err := tls.NewCertRequest(b.ctx, b.named(secret+"-request"), &tls.CertRequestArgs{
		PrivateKeyPem: key,
		Subject:       tls.CertRequestSubjectArgs{CommonName: pulumi.String(subject)},
		DnsNames:      pulumi.ToStringArray(names),
	}, pulumi.Parent(b))
	if err != nil {
		return err
	}
	cert, err := tls.NewLocallySignedCert(b.ctx, b.named(secret+"-cert"), &tls.LocallySignedCertArgs{
		CertRequestPem: request.CertRequestPem,
		CaCertPem:      ca.cert, CaPrivateKeyPem: ca.key,
		AllowedUses:         pulumi.ToStringArray(append([]string{"digital_signature"}, uses...)),
		SetSubjectKeyId:     pulumi.Bool(true),
		ValidityPeriodHours: pulumi.Int(b.args.CertificateHours),
		EarlyRenewalHours:   pulumi.Int(b.args.RenewHours),
	}, pulumi.Parent(b))
	if err != nil {
		return err
	}
	return b.secret(secret, pulumi.StringMap{"ca.crt": ca.cert, "tls.crt": cert.CertPem, "tls.key": key})
}
