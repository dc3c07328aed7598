package federation

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"

	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// authorityHours is how long the authorities are valid: ten years. They are renewed
// with their keys kept, so that what the former certificate has signed, and whoever
// trusts it, goes on.
const authorityHours = 10 * 365 * 24

// pki is all that the control plane's parts prove themselves by.
type pki struct {
	// authority signs every certificate but the front proxy's: whoever has one of
	// that authority is believed when it says whom it speaks for.
	authority, frontProxyAuthority authority
	// Servers.
	etcd, apiServer, aggregated, webhook certificate
	// Clients: of the API as administrator, of the aggregated API on behalf of
	// others, and of etcd.
	admin, frontProxy, etcdClient certificate
	// accounts signs the tokens of service accounts.
	accounts *tls.PrivateKey
}

// certificate is a certificate with its key, both PEM. The key is secret.
type certificate struct{ cert, key pulumi.StringOutput }

type authority struct{ certificate }

// request says what a certificate is for.
type request struct {
	name         string
	commonName   string
	organization string
	names        []string
	addresses    pulumi.StringArray
	uses         []string
}

// Uses of certificates, in the words of the tls provider.
const (
	serves = "server_auth"
	calls  = "client_auth"
)

func (b *builder) newPKI() (p *pki, err error) {
	p = &pki{}
	// The names by which pods find a service of the control plane.
	service := func(name string) []string {
		return []string{name + "." + Namespace + ".svc", name + "." + Namespace + ".svc.cluster.local"}
	}
	addresses := pulumi.StringArray{pulumi.String("127.0.0.1")}
	for _, n := range b.args.Host.Nodes {
		addresses = append(addresses, n.PublicAddress, n.PrivateAddress)
	}
	if p.authority, err = b.newAuthority("ca", "federation"); err != nil {
		return nil, err
	}
	if p.frontProxyAuthority, err = b.newAuthority("front-proxy-ca", "federation-front-proxy"); err != nil {
		return nil, err
	}
	for _, c := range []struct {
		certificate *certificate
		by          authority
		request
	}{
		// etcd also calls itself.
		{&p.etcd, p.authority, request{name: "etcd", commonName: "etcd", uses: []string{serves, calls},
			names: append(service(etcdName), "localhost"), addresses: addresses[:1]}},
		{&p.apiServer, p.authority, request{name: "apiserver", commonName: "karmada-apiserver", uses: []string{serves},
			names: slices.Concat(service(apiServerName), []string{"localhost", "kubernetes", "kubernetes.default.svc"}, b.args.Names), addresses: addresses}},
		// The API server looks for a service within the federation, by that name.
		{&p.aggregated, p.authority, request{name: "aggregated", commonName: "karmada-aggregated-apiserver", uses: []string{serves},
			names: append(service(aggregatedName), aggregatedName+"."+systemNamespace+".svc")}},
		{&p.webhook, p.authority, request{name: "webhook", commonName: "karmada-webhook", uses: []string{serves}, names: service(webhookName)}},
		{&p.admin, p.authority, request{name: "admin", commonName: "system:admin", organization: "system:masters", uses: []string{calls}}},
		{&p.etcdClient, p.authority, request{name: "etcd-client", commonName: "karmada-etcd-client", uses: []string{calls}}},
		{&p.frontProxy, p.frontProxyAuthority, request{name: "front-proxy", commonName: frontProxyUser, uses: []string{calls}}},
	} {
		if *c.certificate, err = b.newCertificate(c.by, c.request); err != nil {
			return nil, err
		}
	}
	// API servers take no other key for tokens everywhere.
	p.accounts, err = tls.NewPrivateKey(b.ctx, b.named("accounts-key"), &tls.PrivateKeyArgs{
		Algorithm: pulumi.String("RSA"), RsaBits: pulumi.Int(2048),
	}, pulumi.Parent(b.Federation))
	return p, err
}

func (b *builder) newKey(name string) (*tls.PrivateKey, pulumi.StringOutput, error) {
	key, err := tls.NewPrivateKey(b.ctx, b.named(name+"-key"), &tls.PrivateKeyArgs{
		Algorithm: pulumi.String("ECDSA"), EcdsaCurve: pulumi.String("P256"),
	}, pulumi.Parent(b.Federation))
	if err != nil {
		return nil, pulumi.StringOutput{}, err
	}
	return key, pulumi.ToSecret(key.PrivateKeyPem).(pulumi.StringOutput), nil
}

func (b *builder) newAuthority(name, commonName string) (authority, error) {
	_, key, err := b.newKey(name)
	if err != nil {
		return authority{}, err
	}
	cert, err := tls.NewSelfSignedCert(b.ctx, b.named(name), &tls.SelfSignedCertArgs{
		PrivateKeyPem:   key,
		Subject:         tls.SelfSignedCertSubjectArgs{CommonName: pulumi.String(commonName)},
		IsCaCertificate: pulumi.Bool(true), SetSubjectKeyId: pulumi.Bool(true),
		AllowedUses:         pulumi.ToStringArray([]string{"cert_signing", "crl_signing", "digital_signature"}),
		ValidityPeriodHours: pulumi.Int(authorityHours),
		// Nothing that it signs may outlive it.
		EarlyRenewalHours: pulumi.Int(b.args.CertificateHours + b.args.RenewHours),
	}, pulumi.Parent(b.Federation))
	if err != nil {
		return authority{}, err
	}
	return authority{certificate{cert: cert.CertPem, key: key}}, nil
}

func (b *builder) newCertificate(by authority, r request) (certificate, error) {
	_, key, err := b.newKey(r.name)
	if err != nil {
		return certificate{}, err
	}
	subject := tls.CertRequestSubjectArgs{CommonName: pulumi.String(r.commonName)}
	if r.organization != "" {
		subject.Organization = pulumi.String(r.organization)
	}
	args := &tls.CertRequestArgs{PrivateKeyPem: key, Subject: subject}
	if len(r.names) > 0 {
		args.DnsNames = pulumi.ToStringArray(r.names)
	}
	if len(r.addresses) > 0 {
		args.IpAddresses = r.addresses
	}
	wanted, err := tls.NewCertRequest(b.ctx, b.named(r.name+"-request"), args, pulumi.Parent(b.Federation))
	if err != nil {
		return certificate{}, err
	}
	cert, err := tls.NewLocallySignedCert(b.ctx, b.named(r.name+"-cert"), &tls.LocallySignedCertArgs{
		CertRequestPem: wanted.CertRequestPem,
		CaCertPem:      by.cert, CaPrivateKeyPem: by.key,
		AllowedUses:         pulumi.ToStringArray(append([]string{"digital_signature"}, r.uses...)),
		ValidityPeriodHours: pulumi.Int(b.args.CertificateHours),
		EarlyRenewalHours:   pulumi.Int(b.args.RenewHours),
	}, pulumi.Parent(b.Federation))
	if err != nil {
		return certificate{}, err
	}
	return certificate{cert: cert.CertPem, key: key}, nil
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
