package tls

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	sdk "github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hybrid/lab/plugins/provider"
)

// The vendor's documentation lists the uses in another spelling than the vendor's
// provider takes.
var (
	keyUsages = map[string]x509.KeyUsage{
		"digital_signature": x509.KeyUsageDigitalSignature, "content_commitment": x509.KeyUsageContentCommitment,
		"key_encipherment": x509.KeyUsageKeyEncipherment, "data_encipherment": x509.KeyUsageDataEncipherment,
		"key_agreement": x509.KeyUsageKeyAgreement, "cert_signing": x509.KeyUsageCertSign, "crl_signing": x509.KeyUsageCRLSign,
		"encipher_only": x509.KeyUsageEncipherOnly, "decipher_only": x509.KeyUsageDecipherOnly,
	}
	extendedKeyUsages = map[string]x509.ExtKeyUsage{
		"any_extended": x509.ExtKeyUsageAny, "server_auth": x509.ExtKeyUsageServerAuth, "client_auth": x509.ExtKeyUsageClientAuth,
		"code_signing": x509.ExtKeyUsageCodeSigning, "email_protection": x509.ExtKeyUsageEmailProtection,
		"ipsec_end_system": x509.ExtKeyUsageIPSECEndSystem, "ipsec_tunnel": x509.ExtKeyUsageIPSECTunnel,
		"ipsec_user": x509.ExtKeyUsageIPSECUser, "timestamping": x509.ExtKeyUsageTimeStamping, "ocsp_signing": x509.ExtKeyUsageOCSPSigning,
		"microsoft_server_gated_crypto": x509.ExtKeyUsageMicrosoftServerGatedCrypto, "netscape_server_gated_crypto": x509.ExtKeyUsageNetscapeServerGatedCrypto,
		"microsoft_commercial_code_signing": x509.ExtKeyUsageMicrosoftCommercialCodeSigning, "microsoft_kernel_code_signing": x509.ExtKeyUsageMicrosoftKernelCodeSigning,
	}
)

// kind returns a type of certificates: what it has in common with the other, and
// what s adds. now is the clock.
func kind(now func() time.Time, s provider.Schema) *provider.Resource {
	s.Required = []string{"allowedUses"}
	s.ForceNew = append(s.ForceNew, "allowedUses", "isCaCertificate", "setSubjectKeyId", "validityPeriodHours")
	s.Defaults = map[string]any{"earlyRenewalHours": 0, "isCaCertificate": false, "setSubjectKeyId": false}
	return &provider.Resource{
		Schema: s,
		Check:  checkCertificate,
		Update: func(c *provider.Call, id string, old, in provider.Props) (provider.Props, error) {
			old["readyForRenewal"] = resource.NewBoolProperty(false) // or else it would have been replaced
			return keep(s)(c, id, old, in)
		},
		Aged: func(all provider.Props) provider.Props {
			end, err := time.Parse(time.RFC3339, provider.Str(all, "validityEndTime"))
			early := time.Duration(provider.Int(all, "earlyRenewalHours", 0)) * time.Hour
			if err != nil || now().Before(end.Add(-early)) {
				return nil
			}
			return provider.From(map[string]any{"readyForRenewal": true})
		},
	}
}

func checkCertificate(_ *provider.Call, in provider.Props) (f provider.Failures) {
	for _, k := range []string{"validityPeriodHours", "earlyRenewalHours"} {
		if n := provider.Int(in, k, 0); n < 0 {
			f = append(f, provider.Failure(k, "value must be at least 0, got: %d", n))
		}
	}
	uses := slices.Sorted(maps.Keys(keyUsages))
	uses = slices.Sorted(slices.Values(append(uses, slices.Collect(maps.Keys(extendedKeyUsages))...)))
	for i, use := range provider.Strs(in, "allowedUses") {
		if !slices.Contains(uses, use) {
			f = append(f, provider.Failure(fmt.Sprintf("allowedUses[%d]", i), "value must be one of: %q, got: %q", uses, use))
		}
	}
	return f
}

func selfSignedCert(now func() time.Time) *provider.Resource {
	r := kind(now, provider.Schema{
		Args: sdk.SelfSignedCertArgs{}, Outputs: sdk.SelfSignedCert{},
		ForceNew: []string{"privateKeyPem", "subject", "dnsNames", "ipAddresses", "uris", "setAuthorityKeyId"},
		Secret:   []string{"privateKeyPem"},
	})
	r.Defaults["setAuthorityKeyId"] = false
	r.Check = func(c *provider.Call, in provider.Props) provider.Failures {
		return append(checkNames(c, in), checkCertificate(c, in)...)
	}
	r.Create = func(_ *provider.Call, in provider.Props) (string, provider.Props, error) {
		key, algorithm, err := parseKey(provider.Str(in, "privateKeyPem"))
		if err != nil {
			return "", nil, fmt.Errorf("privateKeyPem: %w", err)
		}
		n, err := namesOf(in)
		if err != nil {
			return "", nil, err
		}
		template := &x509.Certificate{Subject: n.subject, DNSNames: n.dns, IPAddresses: n.ips, URIs: n.uris}
		id, out, err := issue(now(), in, template, template, key.Public(), key)
		return id, provider.Merge(r.WithDefaults(in), out, provider.From(map[string]any{"keyAlgorithm": algorithm})), err
	}
	return r
}

func locallySignedCert(now func() time.Time) *provider.Resource {
	r := kind(now, provider.Schema{
		Args: sdk.LocallySignedCertArgs{}, Outputs: sdk.LocallySignedCert{},
		ForceNew: []string{"caCertPem", "caPrivateKeyPem", "certRequestPem"},
		Secret:   []string{"caPrivateKeyPem"},
	})
	r.Create = func(_ *provider.Call, in provider.Props) (string, provider.Props, error) {
		der, err := decode("CERTIFICATE REQUEST", provider.Str(in, "certRequestPem"))
		if err != nil {
			return "", nil, fmt.Errorf("certRequestPem: %w", err)
		}
		request, err := x509.ParseCertificateRequest(der)
		if err != nil {
			return "", nil, fmt.Errorf("certRequestPem: %w", err)
		}
		if der, err = decode("CERTIFICATE", provider.Str(in, "caCertPem")); err != nil {
			return "", nil, fmt.Errorf("caCertPem: %w", err)
		}
		ca, err := x509.ParseCertificate(der)
		if err != nil {
			return "", nil, fmt.Errorf("caCertPem: %w", err)
		}
		key, algorithm, err := parseKey(provider.Str(in, "caPrivateKeyPem"))
		if err != nil {
			return "", nil, fmt.Errorf("caPrivateKeyPem: %w", err)
		}
		id, out, err := issue(now(), in, &x509.Certificate{
			Subject: request.Subject, DNSNames: request.DNSNames, IPAddresses: request.IPAddresses, URIs: request.URIs,
		}, ca, request.PublicKey, key)
		return id, provider.Merge(r.WithDefaults(in), out, provider.From(map[string]any{"caKeyAlgorithm": algorithm})), err
	}
	return r
}

// issue completes a template by the inputs and signs it. parent is the template
// itself if key is the certificate's own.
func issue(now time.Time, in provider.Props, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (string, provider.Props, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return "", nil, fmt.Errorf("choosing a serial number: %w", err)
	}
	template.SerialNumber, template.BasicConstraintsValid = serial, true
	template.NotBefore = now.UTC().Truncate(time.Second) // a certificate has no finer time
	template.NotAfter = template.NotBefore.Add(time.Duration(provider.Int(in, "validityPeriodHours", 0)) * time.Hour)
	for _, use := range provider.Strs(in, "allowedUses") {
		template.KeyUsage |= keyUsages[use]
		if extended, ok := extendedKeyUsages[use]; ok {
			template.ExtKeyUsage = append(template.ExtKeyUsage, extended)
		}
	}
	if template.IsCA = provider.Bool(in, "isCaCertificate", false); template.IsCA && template.Subject.String() == "" {
		return "", nil, errors.New("subject: must contain at least one distinguished name when creating a certificate authority")
	}
	if template.IsCA || provider.Bool(in, "setSubjectKeyId", false) {
		if template.SubjectKeyId, err = keyID(public); err != nil {
			return "", nil, fmt.Errorf("identifying the public key: %w", err)
		}
	}
	if provider.Bool(in, "setAuthorityKeyId", false) {
		if len(parent.SubjectKeyId) == 0 {
			return "", nil, errors.New("setAuthorityKeyId: the authority has no key ID: set setSubjectKeyId too")
		}
		template.AuthorityKeyId = parent.SubjectKeyId
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return "", nil, fmt.Errorf("signing the certificate: %w", err)
	}
	return serial.String(), provider.From(map[string]any{
		"certPem": block("CERTIFICATE", der), "readyForRenewal": false,
		"validityStartTime": template.NotBefore.Format(time.RFC3339), "validityEndTime": template.NotAfter.Format(time.RFC3339),
	}), nil
}
