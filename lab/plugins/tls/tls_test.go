package tls

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"hybrid/lab/plugins/provider"
)

func TestPrivateKey(t *testing.T) {
	for name, test := range map[string]struct {
		in       map[string]any
		pem, ssh string // ssh empty: none
	}{
		"ED25519":    {map[string]any{"algorithm": "ED25519"}, "PRIVATE KEY", ssh.KeyAlgoED25519},
		"RSA":        {map[string]any{"algorithm": "RSA", "rsaBits": 2048}, "RSA PRIVATE KEY", ssh.KeyAlgoRSA},
		"ECDSA P256": {map[string]any{"algorithm": "ECDSA", "ecdsaCurve": "P256"}, "EC PRIVATE KEY", ssh.KeyAlgoECDSA256},
		"ECDSA P224": {map[string]any{"algorithm": "ECDSA"}, "EC PRIVATE KEY", ""},
	} {
		t.Run(name, func(t *testing.T) {
			id, out, err := privateKey().Create(nil, provider.From(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if len(id) != 40 {
				t.Errorf("ID %q; want 40 hexadecimal digits", id)
			}
			if b, _ := pem.Decode([]byte(provider.Str(out, "privateKeyPem"))); b == nil || b.Type != test.pem {
				t.Errorf("privateKeyPem is %v; want %s", b, test.pem)
			}
			pkcs8, _ := pem.Decode([]byte(provider.Str(out, "privateKeyPemPkcs8")))
			if _, err := x509.ParsePKCS8PrivateKey(pkcs8.Bytes); err != nil {
				t.Error(err)
			}
			if test.ssh == "" {
				if got := provider.Str(out, "publicKeyOpenssh") + provider.Str(out, "privateKeyOpenssh"); got != "" {
					t.Errorf("SSH has no P224, and yet there is %q", got)
				}
				return
			}
			signer, err := ssh.ParsePrivateKey([]byte(provider.Str(out, "privateKeyOpenssh")))
			if err != nil {
				t.Fatal(err)
			}
			public := provider.Str(out, "publicKeyOpenssh")
			if got := string(ssh.MarshalAuthorizedKey(signer.PublicKey())); got != public || signer.PublicKey().Type() != test.ssh {
				t.Errorf("public key %q of type %s doesn't fit the private one's %q", public, signer.PublicKey().Type(), got)
			}
			if provider.Str(out, "publicKeyFingerprintSha256") != ssh.FingerprintSHA256(signer.PublicKey()) {
				t.Error("the fingerprint is another key's")
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for want, in := range map[string]map[string]any{
		"must be one of":     {"algorithm": "DSA"},
		"ecdsa_curve value":  {"algorithm": "ECDSA", "ecdsaCurve": "P123"},
		"1024 to 16384 bits": {"algorithm": "RSA", "rsaBits": 512},
	} {
		f := privateKey().Check(nil, provider.From(in))
		if len(f) != 1 || !strings.Contains(f[0].Reason, want) {
			t.Errorf("%v: got %v; want %q", in, f, want)
		}
	}
}
