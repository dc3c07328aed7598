// Package identity makes what the system's programs and users prove themselves by:
// passwords, authorities and certificates.
package identity

import (
	"fmt"
	"time"

	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Password is the given one or else, if that is nil, a random one of letters and digits,
// 190 bits of them: it may be put into any file or environment. It is secret.
func Password(ctx *pulumi.Context, name string, given pulumi.StringInput, opts ...pulumi.ResourceOption) (pulumi.StringOutput, error) {
	if given != nil {
		return pulumi.ToSecret(given).(pulumi.StringOutput), nil
	}
	generated, err := random.NewRandomPassword(ctx, name, &random.RandomPasswordArgs{
		Length: pulumi.Int(32), Special: pulumi.Bool(false),
	}, opts...)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	return pulumi.ToSecret(generated.Result).(pulumi.StringOutput), nil
}

// Uses of certificates, in the words of the tls provider.
const (
	ServerAuth = "server_auth"
	ClientAuth = "client_auth"
)

// authorityHours is how long authorities are valid: ten years. They are renewed with
// their keys kept, so that those who trust the former certificate, and what it has
// signed, go on.
const authorityHours = 10 * 365 * 24

// CertificateHours is how long certificates are valid by default: two years. RenewHours is
// how long before their end an update renews them: 14 months, so that a stack works for at
// least as long after the last one.
const CertificateHours, RenewHours = 2 * 365 * 24, 426 * 24

// Issuer makes authorities and certificates as children of one component.
type Issuer struct {
	Ctx    *pulumi.Context
	Parent pulumi.Resource
	// Prefix begins the names of all resources.
	Prefix string
	// CertificateHours is how long certificates are valid, RenewHours how long before
	// their end they are renewed.
	CertificateHours, RenewHours int
	// SignsRevocations lets authorities sign lists of revoked certificates, too.
	SignsRevocations bool
	// KeyIdentifiers has each certificate tell its key and its authority's, which Python
	// wants to see.
	KeyIdentifiers bool

	ends pulumi.StringArray
}

// Certificate is a certificate with its key, both PEM. The key is secret.
type Certificate struct{ Cert, Key pulumi.StringOutput }

// Request says what a certificate is for.
type Request struct {
	// Name names its resources: <name>-key, <name>-request, <name>-cert.
	Name         string
	CommonName   string
	Organization string // none if empty
	DNSNames     []string
	Addresses    pulumi.StringArray
	// Uses are ServerAuth and ClientAuth.
	Uses []string
}

func (i *Issuer) options() pulumi.ResourceOption { return pulumi.Parent(i.Parent) }

func (i *Issuer) key(name string) (pulumi.StringOutput, error) {
	key, err := tls.NewPrivateKey(i.Ctx, i.Prefix+name+"-key", &tls.PrivateKeyArgs{
		Algorithm: pulumi.String("ECDSA"), EcdsaCurve: pulumi.String("P256"),
	}, i.options())
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	return pulumi.ToSecret(key.PrivateKeyPem).(pulumi.StringOutput), nil
}

// Authority makes an authority that signs certificates.
func (i *Issuer) Authority(name, commonName string) (Certificate, error) {
	key, err := i.key(name)
	if err != nil {
		return Certificate{}, err
	}
	uses := []string{"cert_signing", "digital_signature"}
	if i.SignsRevocations {
		uses = []string{"cert_signing", "crl_signing", "digital_signature"}
	}
	args := &tls.SelfSignedCertArgs{
		PrivateKeyPem:   key,
		Subject:         tls.SelfSignedCertSubjectArgs{CommonName: pulumi.String(commonName)},
		IsCaCertificate: pulumi.Bool(true), SetSubjectKeyId: pulumi.Bool(true),
		AllowedUses:         pulumi.ToStringArray(uses),
		ValidityPeriodHours: pulumi.Int(authorityHours),
		// No certificate that it signs may outlive it.
		EarlyRenewalHours: pulumi.Int(i.CertificateHours + i.RenewHours),
	}
	if i.KeyIdentifiers {
		args.SetAuthorityKeyId = pulumi.Bool(true)
	}
	cert, err := tls.NewSelfSignedCert(i.Ctx, i.Prefix+name, args, i.options())
	if err != nil {
		return Certificate{}, err
	}
	i.ends = append(i.ends, cert.ValidityEndTime)
	return Certificate{cert.CertPem, key}, nil
}

// Certificate makes a certificate that the authority signs.
func (i *Issuer) Certificate(authority Certificate, r Request) (Certificate, error) {
	key, err := i.key(r.Name)
	if err != nil {
		return Certificate{}, err
	}
	subject := tls.CertRequestSubjectArgs{CommonName: pulumi.String(r.CommonName)}
	if r.Organization != "" {
		subject.Organization = pulumi.String(r.Organization)
	}
	request := &tls.CertRequestArgs{PrivateKeyPem: key, Subject: subject}
	// An empty list isn't the same as none: the certificate would be replaced.
	if r.DNSNames != nil {
		request.DnsNames = pulumi.ToStringArray(r.DNSNames)
	}
	if r.Addresses != nil {
		request.IpAddresses = r.Addresses
	}
	wanted, err := tls.NewCertRequest(i.Ctx, i.Prefix+r.Name+"-request", request, i.options())
	if err != nil {
		return Certificate{}, err
	}
	args := &tls.LocallySignedCertArgs{
		CertRequestPem: wanted.CertRequestPem,
		CaCertPem:      authority.Cert, CaPrivateKeyPem: authority.Key,
		AllowedUses:         pulumi.ToStringArray(append([]string{"digital_signature"}, r.Uses...)),
		ValidityPeriodHours: pulumi.Int(i.CertificateHours),
		EarlyRenewalHours:   pulumi.Int(i.RenewHours),
	}
	if i.KeyIdentifiers {
		args.SetSubjectKeyId = pulumi.Bool(true)
	}
	cert, err := tls.NewLocallySignedCert(i.Ctx, i.Prefix+r.Name+"-cert", args, i.options())
	if err != nil {
		return Certificate{}, err
	}
	i.ends = append(i.ends, cert.ValidityEndTime)
	return Certificate{cert.CertPem, key}, nil
}

// End is when the first of all that the issuer has made so far ends, RFC 3339.
func (i *Issuer) End() pulumi.StringOutput { return First(i.ends) }

// First is the earliest of some times, all RFC 3339.
func First(times pulumi.StringArray) pulumi.StringOutput {
	return times.ToStringArrayOutput().ApplyT(func(all []string) (string, error) {
		var first time.Time
		for _, text := range all {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return "", fmt.Errorf("expected when a certificate ends, found %q: %w", text, err)
			}
			if first.IsZero() || t.Before(first) {
				first = t
			}
		}
		return first.UTC().Format(time.RFC3339), nil
	}).(pulumi.StringOutput)
}
