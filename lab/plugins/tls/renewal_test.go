package tls

import (
	"slices"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"hybrid/lab/plugins/provider"
)

// engine is the plugin with a clock that is so much ahead.
type engine struct {
	*testing.T
	*provider.Provider
	kind  string
	ahead time.Duration
}

func start(t *testing.T, kind string) *engine {
	t.Setenv(provider.StackVariable, "dev")
	e := &engine{T: t, kind: kind}
	now := func() time.Time { return issued.Add(e.ahead) }
	p := Package()
	p.Resources["tls:index/selfSignedCert:SelfSignedCert"] = selfSignedCert(now)
	p.Resources["tls:index/locallySignedCert:LocallySignedCert"] = locallySignedCert(now)
	e.Provider = provider.New(p, provider.Logger{})
	return e
}

func (e *engine) urn() resource.URN {
	return resource.NewURN("dev", "hybrid", "", tokens.Type(e.kind), "cert")
}

func (e *engine) create(in provider.Props) provider.Props {
	e.Helper()
	r, err := e.Create(e.Context(), plugin.CreateRequest{URN: e.urn(), Type: tokens.Type(e.kind), Properties: in})
	if err != nil {
		e.Fatal(err)
	}
	return r.Properties
}

func (e *engine) diff(old, out, in provider.Props) plugin.DiffResult {
	e.Helper()
	r, err := e.Diff(e.Context(), plugin.DiffRequest{URN: e.urn(), ID: "1", Type: tokens.Type(e.kind), OldInputs: old, OldOutputs: out, NewInputs: in})
	if err != nil {
		e.Fatal(err)
	}
	return r
}

const locallySigned = "tls:index/locallySignedCert:LocallySignedCert"

func TestRenewal(t *testing.T) {
	algorithm := m{"algorithm": "ECDSA", "ecdsaCurve": "P256"}
	caKey, ca := authority(t, algorithm)
	for name, test := range map[string]struct {
		early   any // earlyRenewalHours
		age     time.Duration
		renewed bool
	}{
		"fresh":                     {10, 0, false},
		"just before":               {10, 90*time.Hour - 2*time.Second, false},
		"early":                     {10, 90 * time.Hour, true},
		"not early, almost over":    {nil, 99 * time.Hour, false},
		"not early, over":           {nil, 100 * time.Hour, true},
		"earlier than its lifetime": {200, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, locallySigned)
			in := provider.From(leaf(t, caKey, ca, algorithm, m{"earlyRenewalHours": test.early}))
			out := e.create(in)
			e.ahead = test.age
			d := e.diff(in, out, in)
			if got := len(d.ReplaceKeys) > 0; got != test.renewed || (d.Changes != plugin.DiffNone) != test.renewed || d.DeleteBeforeReplace {
				t.Errorf("the next deployment: got %+v; want a renewal: %v", d, test.renewed)
			}
			if test.renewed && d.DetailedDiff["readyForRenewal"].Kind != plugin.DiffUpdateReplace {
				t.Errorf("the next deployment shows %v; want readyForRenewal", d.DetailedDiff)
			}
			r, err := e.Read(e.Context(), plugin.ReadRequest{URN: e.urn(), ID: "1", Type: locallySigned, Inputs: in, State: out})
			if err != nil {
				t.Fatal(err)
			}
			if provider.Bool(r.Outputs, "readyForRenewal", false) != test.renewed || !r.Inputs.DeepEquals(in) || !r.Outputs["caPrivateKeyPem"].IsSecret() {
				t.Errorf("a refresh shows ready for renewal: %v; want %v", r.Outputs["readyForRenewal"], test.renewed)
			}
			if d := e.diff(in, r.Outputs, in); (len(d.ReplaceKeys) > 0) != test.renewed {
				t.Errorf("the deployment after a refresh: got %+v; want a renewal: %v", d, test.renewed)
			}
		})
	}
}

// That a certificate shall be renewed earlier is no reason to renew it now, unless
// that time has come.
func TestRenewalMoves(t *testing.T) {
	algorithm := m{"algorithm": "ECDSA", "ecdsaCurve": "P256"}
	caKey, ca := authority(t, algorithm)
	e := start(t, locallySigned)
	in := leaf(t, caKey, ca, algorithm, m{"earlyRenewalHours": 10})
	old := provider.From(in)
	out := e.create(old)
	e.ahead = 50 * time.Hour
	for early, renewed := range map[int]bool{20: false, 50: true} {
		in["earlyRenewalHours"] = early
		if d := e.diff(old, out, provider.From(in)); d.Changes != plugin.DiffSome || (len(d.ReplaceKeys) > 0) != renewed {
			t.Errorf("%d hours: got %+v; want a renewal: %v", early, d, renewed)
		}
	}
	in["earlyRenewalHours"] = 20
	u, err := e.Update(e.Context(), plugin.UpdateRequest{
		URN: e.urn(), ID: "1", Type: locallySigned, OldInputs: old, OldOutputs: out, NewInputs: provider.From(in),
	})
	if err != nil {
		t.Fatal(err)
	}
	if provider.Int(u.Properties, "earlyRenewalHours", 0) != 20 || !u.Properties["certPem"].DeepEquals(out["certPem"]) {
		t.Errorf("an update makes %v of %v", u.Properties, out)
	}
}

func TestForceNew(t *testing.T) {
	caKey, ca := authority(t, m{"algorithm": "ED25519"})
	local := leaf(t, caKey, ca, m{"algorithm": "ED25519"}, nil)
	self := m{
		"privateKeyPem": caKey, "validityPeriodHours": 100, "allowedUses": []any{"server_auth"}, "dnsNames": []any{"a"}, "ipAddresses": []any{"10.0.0.1"},
		"subject": m{"commonName": "a"},
	}
	request := m{"privateKeyPem": caKey, "dnsNames": []any{"a"}, "subject": m{"commonName": "a"}}
	unknown := resource.MakeComputed(resource.NewStringProperty(""))
	for _, test := range []struct {
		kind    string
		in      m
		key     string
		value   any
		replace bool
	}{
		{"LocallySignedCert", local, "caCertPem", unknown, true},
		{"LocallySignedCert", local, "caPrivateKeyPem", unknown, true},
		{"LocallySignedCert", local, "certRequestPem", "other", true},
		{"LocallySignedCert", local, "validityPeriodHours", 101, true},
		{"LocallySignedCert", local, "allowedUses", []any{"server_auth"}, true},
		{"LocallySignedCert", local, "isCaCertificate", true, true},
		{"LocallySignedCert", local, "isCaCertificate", false, false}, // the default
		{"LocallySignedCert", local, "earlyRenewalHours", 1, false},
		{"SelfSignedCert", self, "dnsNames", []any{"a", "b"}, true},
		{"SelfSignedCert", self, "ipAddresses", []any{"10.0.0.2"}, true},
		{"SelfSignedCert", self, "subject", m{"commonName": "b"}, true},
		{"SelfSignedCert", self, "setAuthorityKeyId", true, true},
		{"SelfSignedCert", self, "setSubjectKeyId", true, true},
		{"CertRequest", request, "privateKeyPem", unknown, true},
		{"CertRequest", request, "subject", m{"commonName": "a", "organization": "o"}, true},
		{"CertRequest", request, "uris", []any{"spiffe://a"}, true},
	} {
		e := start(t, "tls:index/"+string(test.kind[0]+'a'-'A')+test.kind[1:]+":"+test.kind)
		old := provider.From(test.in)
		out := e.create(old)
		if d := e.diff(old, out, old); d.Changes != plugin.DiffNone {
			t.Errorf("%s, unchanged: got %+v", test.kind, d)
		}
		d := e.diff(old, out, provider.Merge(old, provider.From(m{test.key: test.value})))
		if got := slices.Contains(d.ReplaceKeys, resource.PropertyKey(test.key)); got != test.replace {
			t.Errorf("%s, %s changes: got %+v; want a replacement: %v", test.kind, test.key, d, test.replace)
		}
	}
}

func TestOutputsInPreviews(t *testing.T) {
	e := start(t, locallySigned)
	in := provider.From(m{
		"caCertPem": "a", "caPrivateKeyPem": resource.MakeSecret(resource.NewStringProperty("b")), "certRequestPem": "c",
		"validityPeriodHours": 1, "allowedUses": []any{},
	})
	r, err := e.Create(e.Context(), plugin.CreateRequest{URN: e.urn(), Type: locallySigned, Properties: in, Preview: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []resource.PropertyKey{"certPem", "validityEndTime", "readyForRenewal"} {
		if !r.Properties[k].IsComputed() {
			t.Errorf("%s is %v; want it unknown", k, r.Properties[k])
		}
	}
	if !r.Properties["caPrivateKeyPem"].IsSecret() || r.Properties["certPem"].IsSecret() {
		t.Errorf("got %v; want the key secret, and the certificate not", r.Properties)
	}
}
