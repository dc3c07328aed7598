package federation

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"

	"hybrid/internal/identity"

	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// pki is all that the control plane's programs prove themselves by.
type pki struct {
	// authority signs every certificate but the front proxy's: the owner of one of that
	// authority's may speak for any user.
	authority, frontProxyAuthority identity.Certificate
	// Servers.
	etcd, apiServer, aggregated, webhook identity.Certificate
	// Clients: of the API as administrator, of the aggregated API on behalf of
	// others, and of etcd.
	admin, frontProxy, etcdClient identity.Certificate
	// accounts signs the tokens of service accounts.
	accounts *tls.PrivateKey
}

func (b *builder) newPKI() (p *pki, err error) {
	p = &pki{}
	issuer := &identity.Issuer{
		Ctx: b.ctx, Parent: b.Federation, Prefix: b.named(""), SignsRevocations: true,
		CertificateHours: b.args.CertificateHours, RenewHours: b.args.RenewHours,
	}
	// The names by which pods find a service of the control plane.
	service := func(name string) []string {
		return []string{name + "." + Namespace + ".svc", name + "." + Namespace + ".svc.cluster.local"}
	}
	addresses := pulumi.StringArray{pulumi.String("127.0.0.1")}
	for _, n := range b.args.Host.Nodes {
		addresses = append(addresses, n.PublicAddress, n.PrivateAddress)
	}
	if p.authority, err = issuer.Authority("ca", "federation"); err != nil {
		return nil, err
	}
	if p.frontProxyAuthority, err = issuer.Authority("front-proxy-ca", "federation-front-proxy"); err != nil {
		return nil, err
	}
	for _, c := range []struct {
		certificate *identity.Certificate
		by          identity.Certificate
		identity.Request
	}{
		// etcd also calls itself.
		{&p.etcd, p.authority, identity.Request{Name: "etcd", CommonName: "etcd", Uses: []string{identity.ServerAuth, identity.ClientAuth},
			DNSNames: append(service(etcdName), "localhost"), Addresses: addresses[:1]}},
		{&p.apiServer, p.authority, identity.Request{Name: "apiserver", CommonName: "karmada-apiserver", Uses: []string{identity.ServerAuth},
			DNSNames: slices.Concat(service(apiServerName), []string{"localhost", "kubernetes", "kubernetes.default.svc"}, b.args.DNSNames), Addresses: addresses}},
		// The API server looks for a service within the federation, by that name.
		{&p.aggregated, p.authority, identity.Request{Name: "aggregated", CommonName: "karmada-aggregated-apiserver", Uses: []string{identity.ServerAuth},
			DNSNames: append(service(aggregatedName), aggregatedName+"."+systemNamespace+".svc")}},
		{&p.webhook, p.authority, identity.Request{Name: "webhook", CommonName: "karmada-webhook", Uses: []string{identity.ServerAuth}, DNSNames: service(webhookName)}},
		{&p.admin, p.authority, identity.Request{Name: "admin", CommonName: "system:admin", Organization: "system:masters", Uses: []string{identity.ClientAuth}}},
		{&p.etcdClient, p.authority, identity.Request{Name: "etcd-client", CommonName: "karmada-etcd-client", Uses: []string{identity.ClientAuth}}},
		{&p.frontProxy, p.frontProxyAuthority, identity.Request{Name: "front-proxy", CommonName: frontProxyUser, Uses: []string{identity.ClientAuth}}},
	} {
		if *c.certificate, err = issuer.Certificate(c.by, c.Request); err != nil {
			return nil, err
		}
	}
	b.CertificatesEnd = issuer.End()
	// API servers take no other key for tokens everywhere.
	p.accounts, err = tls.NewPrivateKey(b.ctx, b.named("accounts-key"), &tls.PrivateKeyArgs{
		Algorithm: pulumi.String("RSA"), RsaBits: pulumi.Int(2048),
	}, pulumi.Parent(b.Federation))
	return p, err
}

// fingerprint changes when one of the certificates does. It is made of what is
// public, and so can be shown.
func fingerprint(certs ...pulumi.StringOutput) pulumi.StringOutput {
	var all pulumi.StringArray
	for _, c := range certs {
		all = append(all, c)
	}
	return all.ToStringArrayOutput().ApplyT(func(all []string) string {
		h := sha256.New()
		for _, cert := range all {
			h.Write([]byte(cert))
		}
		return hex.EncodeToString(h.Sum(nil)[:8])
	}).(pulumi.StringOutput)
}

// bundle is a certificate as objects of the API carry it.
func bundle(cert pulumi.StringOutput) pulumi.StringOutput {
	return cert.ApplyT(func(pem string) string {
		return base64.StdEncoding.EncodeToString([]byte(pem))
	}).(pulumi.StringOutput)
}
