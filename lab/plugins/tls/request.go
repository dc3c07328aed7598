package tls

import (
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"

	sdk "github.com/pulumi/pulumi-tls/sdk/v5/go/tls"

	"hybrid/lab/plugins/provider"
)

func certRequest() *provider.Resource {
	schema := provider.Schema{
		Args: sdk.CertRequestArgs{}, Outputs: sdk.CertRequest{},
		ForceNew: []string{"privateKeyPem", "subject", "dnsNames", "ipAddresses", "uris"},
		Secret:   []string{"privateKeyPem"},
	}
	return &provider.Resource{
		Schema: schema,
		Check:  checkNames,
		Create: func(_ *provider.Call, in provider.Props) (string, provider.Props, error) {
			key, algorithm, err := parseKey(provider.Str(in, "privateKeyPem"))
			if err != nil {
				return "", nil, fmt.Errorf("privateKeyPem: %w", err)
			}
			n, err := namesOf(in)
			if err != nil {
				return "", nil, err
			}
			der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
				Subject: n.subject, DNSNames: n.dns, IPAddresses: n.ips, URIs: n.uris,
			}, key)
			if err != nil {
				return "", nil, fmt.Errorf("making the request: %w", err)
			}
			sum := sha1.Sum(der)
			return hex.EncodeToString(sum[:]), provider.Merge(in, provider.From(map[string]any{
				"keyAlgorithm": algorithm, "certRequestPem": block("CERTIFICATE REQUEST", der),
			})), nil
		},
		Update: keep(schema),
	}
}

// names are those that a certificate is for.
type names struct {
	subject pkix.Name
	dns     []string
	ips     []net.IP
	uris    []*url.URL
}

// namesOf reads the inputs of a request or of a self-signed certificate.
func namesOf(in provider.Props) (n names, err error) {
	n.subject, n.dns = subject(provider.Obj(in, "subject")), provider.Strs(in, "dnsNames")
	for _, text := range provider.Strs(in, "ipAddresses") {
		ip := net.ParseIP(text)
		if ip == nil {
			return names{}, fmt.Errorf("ipAddresses: want an IP address, found %q", text)
		}
		n.ips = append(n.ips, ip)
	}
	for _, text := range provider.Strs(in, "uris") {
		uri, err := url.Parse(text)
		if err != nil {
			return names{}, fmt.Errorf("uris: %w", err)
		}
		n.uris = append(n.uris, uri)
	}
	return n, nil
}

// checkNames finds what namesOf would, before anything is created.
func checkNames(_ *provider.Call, in provider.Props) (f provider.Failures) {
	for _, text := range provider.Strs(in, "ipAddresses") {
		if net.ParseIP(text) == nil {
			f = append(f, provider.Failure("ipAddresses", "want an IP address, found %q", text))
		}
	}
	for _, text := range provider.Strs(in, "uris") {
		if _, err := url.Parse(text); err != nil || text == "" {
			f = append(f, provider.Failure("uris", "want a URI, found %q", text))
		}
	}
	return f
}

// emailAddress is the attribute emailAddress of PKCS#9.
var emailAddress = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}

func subject(in provider.Props) pkix.Name {
	list := func(key string) []string {
		if s := provider.Str(in, key); s != "" {
			return []string{s}
		}
		return nil
	}
	name := pkix.Name{
		CommonName: provider.Str(in, "commonName"), SerialNumber: provider.Str(in, "serialNumber"),
		Country: list("country"), Organization: list("organization"), OrganizationalUnit: list("organizationalUnit"),
		Locality: list("locality"), Province: list("province"), PostalCode: list("postalCode"),
		StreetAddress: provider.Strs(in, "streetAddresses"),
	}
	if s := provider.Str(in, "emailAddress"); s != "" {
		name.ExtraNames = []pkix.AttributeTypeAndValue{{
			Type: emailAddress, Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(s)},
		}}
	}
	return name
}
