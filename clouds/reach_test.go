package clouds

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// standIn is a Kubernetes API, as far as Reach asks: it knows the certificates of its
// authority, as long as they are valid, and one token.
type standIn struct {
	*httptest.Server
	authority    *x509.Certificate
	authorityKey *ecdsa.PrivateKey
}

const standInToken = "the-administrator's"

func newStandIn(t *testing.T) *standIn {
	t.Helper()
	s := &standIn{}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	s.authority, s.authorityKey = s.sign(t, template)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		roots := x509.NewCertPool()
		roots.AddCert(s.authority)
		status := http.StatusUnauthorized
		if r.Header.Get("Authorization") == "Bearer "+standInToken {
			status = http.StatusOK
		}
		if own := r.TLS.PeerCertificates; len(own) > 0 { // what comes after it are its authorities
			if _, err := own[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
				status = http.StatusOK
			}
		}
		if r.URL.Path != "/version" {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
	}))
	certificate, key := s.issue(t, x509.ExtKeyUsageServerAuth, time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *standIn) sign(t *testing.T, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := s.authority, s.authorityKey
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// issue returns a certificate and its key, PEM.
func (s *standIn) issue(t *testing.T, usage x509.ExtKeyUsage, end time.Time) (certificate, key string) {
	t.Helper()
	c, k := s.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "admin"}, NotBefore: end.Add(-2 * time.Hour), NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, KeyUsage: x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return encodePEM("CERTIFICATE", c.Raw), encodePEM("EC PRIVATE KEY", der)
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (s *standIn) ca() string { return encodePEM("CERTIFICATE", s.authority.Raw) }

// kubeconfig is the administrator's, whose certificate ends then.
func (s *standIn) kubeconfig(t *testing.T, name, server string, end time.Time) string {
	t.Helper()
	certificate, key := s.issue(t, x509.ExtKeyUsageClientAuth, end)
	text, err := NewKubeconfig(name, server, s.ca(), Credentials{Certificate: certificate, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func apiOf(t *testing.T, kubeconfig string) API {
	t.Helper()
	all, err := APIs(kubeconfig)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d APIs, %v; want one", len(all), err)
	}
	return all[0]
}

func TestAPIs(t *testing.T) {
	t.Parallel()
	s := newStandIn(t)
	token, err := NewKubeconfig("federation-cluster", s.URL, s.ca(), Credentials{Token: standInToken})
	if err != nil {
		t.Fatal(err)
	}
	merged, err := MergeKubeconfigs([]string{s.kubeconfig(t, "london", s.URL, time.Now().Add(time.Hour)), token})
	if err != nil {
		t.Fatal(err)
	}
	all, err := APIs(merged)
	if err != nil || len(all) != 2 || all[0].Context != "london" || all[1].Context != "federation-cluster" {
		t.Fatalf("found %v, %v", all, err)
	}
	for _, a := range all {
		if err := a.Reach(t.Context()); err != nil {
			t.Errorf("%s: %v", a.Context, err)
		}
	}
	for _, text := range []string{"", "kind: Pod", strings.Replace(merged, "certificate-authority-data: ", "certificate-authority-data: '!'#", 1)} {
		if _, err := APIs(text); err == nil || strings.Contains(err.Error(), standInToken) {
			t.Errorf("%.20q: got %v", text, err)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s, other := newStandIn(t), newStandIn(t)
	ended := s.kubeconfig(t, "london", s.URL, time.Now().Add(-time.Minute))
	wrongToken, err := NewKubeconfig("london", s.URL, s.ca(), Credentials{Token: "another"})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ kubeconfig, want string }{
		"an ended certificate": {ended, "certificate has ended, on " + time.Now().Add(-time.Minute).UTC().Format(time.DateOnly)},
		"a wrong token":        {wrongToken, "401 Unauthorized"},
		"another authority":    {s.kubeconfig(t, "london", other.URL, time.Now().Add(time.Hour)), "unknown authority"},
	} {
		var refused *RefusedError
		if err := apiOf(t, test.kubeconfig).Reach(t.Context()); !errors.As(err, &refused) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v; want %q at once", name, err, test.want)
		}
	}
}

// deaf is a server that is there and says nothing.
func deaf(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return "https://" + l.Addr().String()
}

// An API that is about to start is waited for; one that doesn't come is not, in the
// end.
func TestPatience(t *testing.T) {
	t.Parallel()
	s := newStandIn(t)
	a := apiOf(t, s.kubeconfig(t, "london", s.URL, time.Now().Add(time.Hour)))
	answers := 0
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if answers++; answers < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	if err := a.Reach(t.Context()); err != nil || answers != 3 {
		t.Errorf("after %d answers: %v", answers, err)
	}
	a.Server = deaf(t)
	client, err := a.client()
	if err != nil {
		t.Fatal(err)
	}
	client.Timeout = 50 * time.Millisecond
	if err := a.ask(t.Context(), client); err == nil {
		t.Error("a server that says nothing is taken for an API")
	}
	// In a bubble of its own time, 40 seconds are over at once.
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		asked := 0
		ctx, cancel := context.WithTimeout(t.Context(), Patience)
		defer cancel()
		err := insist(ctx, func() error { asked++; time.Sleep(dialLimit); return errors.New("no route") })
		if took := time.Since(start); err == nil || asked < 3 || took > 2*Patience {
			t.Errorf("asked %d times in %s: %v", asked, took, err)
		}
	})
}

// Pulumi's own provider for Kubernetes goes by way of the proxy.
func TestProxy(t *testing.T) {
	t.Parallel()
	if server := os.Getenv("REACH_TEST"); server != "" {
		text, err := os.ReadFile(server)
		if err != nil {
			t.Fatal(err)
		}
		a := apiOf(t, string(text))
		client, err := a.client()
		if err != nil {
			t.Fatal(err)
		}
		t.Log(a.ask(t.Context(), client))
		return
	}
	s := newStandIn(t)
	file := t.TempDir() + "/kubeconfig"
	// Proxies aren't asked for what is on this machine.
	text := s.kubeconfig(t, "london", "https://192.0.2.1:6443", time.Now().Add(time.Hour))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestProxy$", "-test.v")
	// The environment is read once in the life of a process.
	cmd.Env = append(os.Environ(), "REACH_TEST="+file, "HTTPS_PROXY=http://127.0.0.1:1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "proxyconnect") {
		t.Errorf("%v: want it to fail at the proxy:\n%s", err, out)
	}
}
