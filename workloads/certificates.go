package workloads

import (
	"hybrid/internal/identity"
	"hybrid/workloads/topology"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// certificates makes two authorities, for who may enter the database must not be able
// to change who leads: one for members, one for etcd. Servers load renewed certificates
// without a restart.
func (b *builder) certificates() error {
	issuer := &identity.Issuer{
		Ctx: b.ctx, Parent: b, Prefix: b.named(""), KeyIdentifiers: true,
		CertificateHours: b.args.CertificateHours, RenewHours: b.args.RenewHours,
	}
	psql, err := issuer.Authority("ca", "PostgreSQL")
	if err != nil {
		return err
	}
	b.Authority = psql.Cert
	// Any member may lead: all answer to both names, and know each other by it.
	if err := b.certificate(issuer, tlsName, "psql", psql, []string{topology.Master, topology.Replica}, identity.ServerAuth, identity.ClientAuth); err != nil {
		return err
	}
	etcd, err := issuer.Authority("etcd-ca", "PostgreSQL's etcd")
	if err != nil {
		return err
	}
	if err := b.certificate(issuer, clientName, "patroni", etcd, nil, identity.ClientAuth); err != nil {
		return err
	}
	for _, cluster := range b.topology.Etcd {
		name := topology.EtcdName(cluster)
		if err := b.certificate(issuer, name+"-tls", name, etcd, []string{name}, identity.ServerAuth, identity.ClientAuth); err != nil {
			return err
		}
	}
	b.CertificatesEnd = issuer.End()
	return nil
}

// certificate makes one, with its key, in a Secret; hosts are services whose names it
// is for.
func (b *builder) certificate(issuer *identity.Issuer, secret, subject string, authority identity.Certificate, hosts []string, uses ...string) error {
	names := []string{}
	for _, h := range hosts {
		namespaced := h + "." + topology.Namespace
		names = append(names, h, namespaced, namespaced+".svc", namespaced+".svc.cluster.local")
	}
	made, err := issuer.Certificate(authority, identity.Request{Name: secret, CommonName: subject, DNSNames: names, Uses: uses})
	if err != nil {
		return err
	}
	return b.secret(secret, pulumi.StringMap{"ca.crt": authority.Cert, "tls.crt": made.Cert, "tls.key": made.Key})
}
