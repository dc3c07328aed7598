package observe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// administered is a stack with a kubeconfig whose certificate is valid between two moments.
func administered(t *testing.T, begin, end time.Time) *Stack {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: begin, NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	config := clientcmdapi.NewConfig()
	config.Contexts["london"] = &clientcmdapi.Context{Cluster: "london", AuthInfo: "london"}
	config.AuthInfos["london"] = &clientcmdapi.AuthInfo{ClientCertificateData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	// The federation is entered with a token.
	config.Contexts[FederationContext] = &clientcmdapi.Context{Cluster: FederationContext, AuthInfo: FederationContext}
	config.AuthInfos[FederationContext] = &clientcmdapi.AuthInfo{Token: "x"}
	return &Stack{Name: "production", Kubeconfig: config, Clusters: []Expected{{Name: "london"}, {Name: "elsewhere"}}}
}

// What a person must do is told a month before, with the command.
func TestCertificatesEnd(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2027, 6, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		begin, end, others time.Duration // from now
		want               string
	}{
		"new":                     {0, 365 * day, 730 * day, ""},
		"30 days are left":        {-335 * day, 30 * day, 30 * day, ""},
		"28 days are left":        {-337 * day, 28 * day, 730 * day, "london: the administrator's certificate in the kubeconfig ends on 2027-06-29: pulumi up renews it"},
		"it has ended":            {-366 * day, -day, 730 * day, "kubeconfig has ended on 2027-05-31"},
		"an hour's, half-way":     {-30 * time.Minute, 30 * time.Minute, 730 * day, ""},
		"28 days of others":       {0, 365 * day, 28 * day, "the first of the federation's and PostgreSQL's ends on 2027-06-29"},
		"a stack of before":       {0, 365 * day, 0, ""},
		"an hour's, at its end":   {-50 * time.Minute, 10 * time.Minute, 730 * day, "kubeconfig ends on 2027-06-01"},
		"others' have just ended": {0, 365 * day, -day, "PostgreSQL's has ended on 2027-05-31"},
	} {
		stack := administered(t, now.Add(c.begin), now.Add(c.end))
		if c.others != 0 {
			stack.CertificatesEnd = now.Add(c.others)
		}
		p := &diagnosis{now: now, stack: stack, to: &Snapshot{}}
		p.certificates()
		switch found := p.to.Problems; {
		case c.want == "" && len(found) > 0:
			t.Errorf("%s: found %v, want nothing", name, found)
		case c.want != "" && (len(found) != 1 || !strings.Contains(found[0].Text, c.want) || found[0].Command != "pulumi up --stack production"):
			t.Errorf("%s: found %v, want one with %q", name, found, c.want)
		}
	}
}
