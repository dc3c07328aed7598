package tls

import (
	"crypto/x509"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hybrid/lab/plugins/provider"
)

// issued is when the certificates of the tests are issued.
var issued = time.Date(2026, 1, 1, 12, 0, 0, 500, time.UTC)

func clock() time.Time { return issued }

type m = map[string]any

// create checks inputs and creates what they ask for.
func create(t *testing.T, r *provider.Resource, in m) provider.Props {
	t.Helper()
	props := provider.From(in)
	if f := r.Validate(props); len(f) > 0 {
		t.Fatal(f)
	}
	if f := r.Check(nil, props); len(f) > 0 {
		t.Fatal(f)
	}
	_, out, err := r.Create(nil, props)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func newKey(t *testing.T, in m) string {
	t.Helper()
	return provider.Str(create(t, privateKey(), in), "privateKeyPem")
}

func parse(t *testing.T, out provider.Props) *x509.Certificate {
	t.Helper()
	der, err := decode("CERTIFICATE", provider.Str(out, "certPem"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// authority makes a certificate authority.
func authority(t *testing.T, algorithm m) (key string, out provider.Props) {
	t.Helper()
	key = newKey(t, algorithm)
	return key, create(t, selfSignedCert(clock), m{
		"privateKeyPem": key, "isCaCertificate": true, "validityPeriodHours": 1000, "allowedUses": []any{"cert_signing", "crl_signing"},
		"subject": m{"commonName": "authority"},
	})
}

// leaf asks an authority for a certificate; more are further inputs.
func leaf(t *testing.T, caKey string, ca provider.Props, algorithm, more m) m {
	t.Helper()
	request := create(t, certRequest(), m{
		"privateKeyPem": newKey(t, algorithm), "subject": m{"commonName": "system:admin", "organization": "system:masters"},
		"dnsNames": []any{"localhost", "*.federation.svc"}, "ipAddresses": []any{"127.0.0.1", "::1"}, "uris": []any{"spiffe://a/b"},
	})
	in := m{
		"caPrivateKeyPem": caKey, "caCertPem": provider.Str(ca, "certPem"), "certRequestPem": provider.Str(request, "certRequestPem"),
		"validityPeriodHours": 100, "allowedUses": []any{"digital_signature", "key_encipherment", "server_auth", "client_auth"},
	}
	maps.Copy(in, more)
	return in
}

func TestChain(t *testing.T) {
	for name, algorithm := range map[string]m{
		"ECDSA": {"algorithm": "ECDSA", "ecdsaCurve": "P256"}, "RSA": {"algorithm": "RSA", "rsaBits": 2048}, "ED25519": {"algorithm": "ED25519"},
	} {
		t.Run(name, func(t *testing.T) {
			caKey, ca := authority(t, algorithm)
			root := parse(t, ca)
			out := create(t, locallySignedCert(clock), leaf(t, caKey, ca, algorithm, nil))
			c := parse(t, out)
			roots := x509.NewCertPool()
			roots.AddCert(root)
			for _, test := range []struct {
				host  string
				hours int
				ok    bool
			}{
				{"localhost", 1, true}, {"etcd.federation.svc", 1, true}, {"127.0.0.1", 1, true}, {"::1", 99, true},
				{"federation.svc", 1, false}, {"127.0.0.2", 1, false}, {"localhost", 101, false}, {"localhost", -1, false},
			} {
				for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
					_, err := c.Verify(x509.VerifyOptions{
						DNSName: test.host, Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}, CurrentTime: issued.Add(time.Duration(test.hours) * time.Hour),
					})
					if (err == nil) != test.ok {
						t.Errorf("%s after %d hours: got %v; want it to verify: %v", test.host, test.hours, err, test.ok)
					}
				}
			}
			if c.Subject.String() != "CN=system:admin,O=system:masters" || len(c.URIs) != 1 || c.IsCA || !c.BasicConstraintsValid {
				t.Errorf("subject %s, URIs %v, authority %v", c.Subject, c.URIs, c.IsCA)
			}
			if !root.IsCA || len(root.SubjectKeyId) != 20 || string(c.AuthorityKeyId) != string(root.SubjectKeyId) {
				t.Errorf("the authority %v has the key ID %x, its certificate says %x", root.IsCA, root.SubjectKeyId, c.AuthorityKeyId)
			}
			if provider.Str(out, "caKeyAlgorithm") != name || provider.Str(ca, "keyAlgorithm") != name {
				t.Errorf("algorithms %q and %q; want %s", provider.Str(out, "caKeyAlgorithm"), provider.Str(ca, "keyAlgorithm"), name)
			}
			for key, want := range map[string]string{"validityStartTime": "2026-01-01T12:00:00Z", "validityEndTime": "2026-01-05T16:00:00Z"} {
				if got := provider.Str(out, key); got != want {
					t.Errorf("%s is %s, want %s", key, got, want)
				}
			}
			if c.NotAfter.Format(time.RFC3339) != provider.Str(out, "validityEndTime") || provider.Bool(out, "readyForRenewal", true) {
				t.Errorf("the certificate ends at %s, ready for renewal: %v", c.NotAfter, out["readyForRenewal"])
			}
		})
	}
}

func TestKeyIDs(t *testing.T) {
	in := m{
		"privateKeyPem": newKey(t, m{"algorithm": "ECDSA", "ecdsaCurve": "P256"}), "validityPeriodHours": 1, "allowedUses": []any{"server_auth"},
		"dnsNames": []any{"a.example"},
	}
	if c := parse(t, create(t, selfSignedCert(clock), in)); len(c.SubjectKeyId)+len(c.AuthorityKeyId) != 0 || c.VerifyHostname("a.example") != nil {
		t.Errorf("key IDs %x and %x, names %q", c.SubjectKeyId, c.AuthorityKeyId, c.DNSNames)
	}
	in["setSubjectKeyId"], in["setAuthorityKeyId"] = true, true
	c := parse(t, create(t, selfSignedCert(clock), in))
	if want, err := keyID(c.PublicKey); err != nil || !slices.Equal(c.SubjectKeyId, want) || !slices.Equal(c.AuthorityKeyId, want) {
		t.Errorf("key IDs %x and %x; want %x, %v", c.SubjectKeyId, c.AuthorityKeyId, want, err)
	}
}

func TestCertificateCheck(t *testing.T) {
	good := m{"privateKeyPem": "", "validityPeriodHours": 1, "allowedUses": []any{}}
	for want, bad := range map[string]m{
		`one of: ["any_extended"`: {"allowedUses": []any{"server_auth", "serverAuth"}},
		"at least 0, got: -1":     {"validityPeriodHours": -1},
		"at least 0, got: -2":     {"earlyRenewalHours": -2},
		`IP address, found "a"`:   {"ipAddresses": []any{"a"}},
		`a URI, found ""`:         {"uris": []any{""}},
		"expected a list":         {"allowedUses": "server_auth"},
		"no such property":        {"maxPathLength": 0},
		`property "allowedUses"`:  {"allowedUses": nil},
	} {
		r, in := selfSignedCert(clock), maps.Clone(good)
		maps.Copy(in, bad)
		props := provider.From(in)
		f := r.Validate(props)
		if len(f) == 0 {
			f = r.Check(nil, props)
		}
		if len(f) != 1 || !strings.Contains(f[0].Reason, want) {
			t.Errorf("%v: got %v; want %q", bad, f, want)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	algorithm := m{"algorithm": "ECDSA", "ecdsaCurve": "P256"}
	caKey, ca := authority(t, algorithm)
	self := m{"privateKeyPem": caKey, "validityPeriodHours": 1, "allowedUses": []any{}}
	for want, test := range map[string]struct {
		r         *provider.Resource
		good, bad m
	}{
		"privateKeyPem: want a private key in PEM":     {selfSignedCert(clock), self, m{"privateKeyPem": "secret"}},
		`type "CERTIFICATE"`:                           {selfSignedCert(clock), self, m{"privateKeyPem": provider.Str(ca, "certPem")}},
		"at least one distinguished name":              {selfSignedCert(clock), self, m{"isCaCertificate": true}},
		"the authority has no key ID":                  {selfSignedCert(clock), self, m{"setAuthorityKeyId": true}},
		"ipAddresses: want an IP address":              {certRequest(), m{"privateKeyPem": caKey}, m{"ipAddresses": []any{"a"}}},
		"doesn't match parent's PublicKey":             {locallySignedCert(clock), leaf(t, caKey, ca, algorithm, nil), m{"caPrivateKeyPem": newKey(t, algorithm)}},
		"caCertPem: want a PEM block":                  {locallySignedCert(clock), leaf(t, caKey, ca, algorithm, nil), m{"caCertPem": caKey}},
		`certRequestPem: want a PEM block of type "CE`: {locallySignedCert(clock), leaf(t, caKey, ca, algorithm, nil), m{"certRequestPem": ""}},
	} {
		in := maps.Clone(test.good)
		maps.Copy(in, test.bad)
		if _, _, err := test.r.Create(nil, provider.From(in)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v; want %q", err, want)
		}
	}
}
