package tls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"

	sdk "github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"golang.org/x/crypto/ssh"

	"hybrid/lab/plugins/provider"
)

var curves = map[string]elliptic.Curve{
	"P224": elliptic.P224(), "P256": elliptic.P256(), "P384": elliptic.P384(), "P521": elliptic.P521(),
}

func privateKey() *provider.Resource {
	return &provider.Resource{
		Schema: provider.Schema{
			Args: sdk.PrivateKeyArgs{}, Outputs: sdk.PrivateKey{},
			ForceNew: []string{"algorithm", "ecdsaCurve", "rsaBits"},
			Secret:   []string{"privateKeyOpenssh", "privateKeyPem", "privateKeyPemPkcs8"},
			Defaults: map[string]any{"ecdsaCurve": "P224", "rsaBits": 2048},
		},
		Check: func(_ *provider.Call, in provider.Props) (f provider.Failures) {
			algorithms := []string{"RSA", "ECDSA", "ED25519"}
			if a := provider.Str(in, "algorithm"); provider.Known(in, "algorithm") && !slices.Contains(algorithms, a) {
				f = append(f, provider.Failure("algorithm", "attribute algorithm value must be one of: %q, got: %q", algorithms, a))
			}
			if c := provider.Str(in, "ecdsaCurve"); provider.Known(in, "ecdsaCurve") && curves[c] == nil {
				f = append(f, provider.Failure("ecdsaCurve", "attribute ecdsa_curve value must be one of: %q, got: %q", slices.Sorted(maps.Keys(curves)), c))
			}
			// Go refuses to make keys that are weaker (see crypto/rsa.GenerateKey).
			if n := provider.Int(in, "rsaBits", 2048); provider.Known(in, "rsaBits") && (n < 1024 || n > 16384) {
				f = append(f, provider.Failure("rsaBits", "RSA keys have 1024 to 16384 bits, got: %d", n))
			}
			return f
		},
		Create: func(_ *provider.Call, in provider.Props) (string, provider.Props, error) {
			key, err := generate(in)
			if err != nil {
				return "", nil, err
			}
			return outputs(key, in)
		},
		Update: keep(provider.Schema{}),
	}
}

func generate(in provider.Props) (crypto.Signer, error) {
	switch provider.Str(in, "algorithm") {
	case "RSA":
		return rsa.GenerateKey(rand.Reader, provider.Int(in, "rsaBits", 2048))
	case "ECDSA":
		curve := provider.Str(in, "ecdsaCurve")
		if curve == "" {
			curve = "P224"
		}
		return ecdsa.GenerateKey(curves[curve], rand.Reader)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

// outputs encodes a key in all the forms that the vendor's provider gives.
func outputs(key crypto.Signer, in provider.Props) (string, provider.Props, error) {
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", nil, fmt.Errorf("encoding the public key: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", nil, fmt.Errorf("encoding the private key: %w", err)
	}
	traditional, err := traditionalPEM(key, pkcs8)
	if err != nil {
		return "", nil, fmt.Errorf("encoding the private key: %w", err)
	}
	sum := sha1.Sum(public)
	out := map[string]any{
		"ecdsaCurve": "P224", "rsaBits": 2048,
		"publicKeyPem": block("PUBLIC KEY", public), "privateKeyPem": traditional, "privateKeyPemPkcs8": block("PRIVATE KEY", pkcs8),
		"publicKeyOpenssh": "", "privateKeyOpenssh": "", "publicKeyFingerprintMd5": "", "publicKeyFingerprintSha256": "",
	}
	if p, err := ssh.NewPublicKey(key.Public()); err == nil { // SSH knows no P224
		private, err := ssh.MarshalPrivateKey(key, "")
		if err != nil {
			return "", nil, fmt.Errorf("encoding the private key for SSH: %w", err)
		}
		out["publicKeyOpenssh"], out["privateKeyOpenssh"] = string(ssh.MarshalAuthorizedKey(p)), string(pem.EncodeToMemory(private))
		out["publicKeyFingerprintMd5"], out["publicKeyFingerprintSha256"] = ssh.FingerprintLegacyMD5(p), ssh.FingerprintSHA256(p)
	}
	return hex.EncodeToString(sum[:]), provider.Merge(provider.From(out), in), nil
}

// traditionalPEM is PKCS#1 for RSA, SEC 1 for ECDSA; ED25519 has nothing older
// than PKCS#8.
func traditionalPEM(key crypto.Signer, pkcs8 []byte) (string, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k)), nil
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(k)
		return block("EC PRIVATE KEY", der), err
	}
	return block("PRIVATE KEY", pkcs8), nil
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// parseKey reads a private key, and says what algorithm it is of.
func parseKey(text string) (crypto.Signer, string, error) {
	b, _ := pem.Decode([]byte(text))
	if b == nil {
		return nil, "", errors.New("want a private key in PEM, found no PEM block")
	}
	var key any
	var err error
	switch b.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	default:
		err = fmt.Errorf("want a private key, found a PEM block of type %q", b.Type)
	}
	if err != nil {
		return nil, "", err
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return k, "RSA", nil
	case *ecdsa.PrivateKey:
		return k, "ECDSA", nil
	case ed25519.PrivateKey:
		return k, "ED25519", nil
	}
	return nil, "", fmt.Errorf("want a key of RSA, ECDSA or ED25519, found a %T", key)
}

// keyID identifies a public key by the hash of its bits, as RFC 5280 proposes.
func keyID(public crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, err
	}
	sum := sha1.Sum(info.Key.Bytes)
	return sum[:], nil
}

// decode returns the contents of a PEM block of the kind.
func decode(kind, text string) ([]byte, error) {
	b, _ := pem.Decode([]byte(text))
	if b == nil {
		return nil, fmt.Errorf("want a PEM block of type %q, found none", kind)
	}
	if b.Type != kind {
		return nil, fmt.Errorf("want a PEM block of type %q, found %q", kind, b.Type)
	}
	return b.Bytes, nil
}
