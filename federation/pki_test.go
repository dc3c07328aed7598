package federation

import (
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

func TestCertificates(t *testing.T) {
	r := world{change: func(a *Args) { a.CertificateHours, a.RenewHours = 100, 10 }}.make(t)
	for name, want := range map[string]struct {
		by, commonName string
		uses, dns, ips []string
	}{
		"etcd":        {"ca", "etcd", []string{"digital_signature", "server_auth", "client_auth"}, []string{"etcd.federation.svc", "etcd.federation.svc.cluster.local", "localhost"}, []string{"127.0.0.1"}},
		"etcd-client": {"ca", "karmada-etcd-client", []string{"digital_signature", "client_auth"}, nil, nil},
		"admin":       {"ca", "system:admin", []string{"digital_signature", "client_auth"}, nil, nil},
		"front-proxy": {"front-proxy-ca", "front-proxy-client", []string{"digital_signature", "client_auth"}, nil, nil},
		"apiserver": {"ca", "karmada-apiserver", []string{"digital_signature", "server_auth"},
			[]string{"karmada-apiserver.federation.svc", "karmada-apiserver.federation.svc.cluster.local", "localhost", "kubernetes", "kubernetes.default.svc", "federation.example.org"},
			// Of each node of the host: the port is open on all of them.
			[]string{"127.0.0.1", "192.0.97.1", "10.10.0.2", "192.0.97.2", "10.10.0.2"}},
		"aggregated": {"ca", "karmada-aggregated-apiserver", []string{"digital_signature", "server_auth"},
			[]string{"karmada-aggregated-apiserver.federation.svc", "karmada-aggregated-apiserver.federation.svc.cluster.local", "karmada-aggregated-apiserver.karmada-system.svc"}, nil},
		"webhook": {"ca", "karmada-webhook", []string{"digital_signature", "server_auth"}, []string{"karmada-webhook.federation.svc", "karmada-webhook.federation.svc.cluster.local"}, nil},
	} {
		cert, request := r.Find(t, "federation-"+name+"-cert").Inputs, r.Find(t, "federation-"+name+"-request").Inputs
		if got := text(cert["caCertPem"]); got != "CERTIFICATE federation-"+want.by {
			t.Errorf("%s is signed by %s", name, got)
		}
		if got := texts(cert["allowedUses"]); !slices.Equal(got, want.uses) {
			t.Errorf("%s is for %v, want %v", name, got, want.uses)
		}
		if hours, early := cert["validityPeriodHours"].NumberValue(), cert["earlyRenewalHours"].NumberValue(); hours != 100 || early != 10 {
			t.Errorf("%s: %v hours, renewed %v before", name, hours, early)
		}
		if got := text(request["subject"], "commonName"); got != want.commonName {
			t.Errorf("%s is %s", name, got)
		}
		if got := texts(request["dnsNames"]); !slices.Equal(got, want.dns) {
			t.Errorf("%s has names %v, want %v", name, got, want.dns)
		}
		if got := texts(request["ipAddresses"]); !slices.Equal(got, want.ips) {
			t.Errorf("%s has addresses %v, want %v", name, got, want.ips)
		}
	}
	if got := text(r.Find(t, "federation-admin-request").Inputs["subject"], "organization"); got != "system:masters" {
		t.Errorf("the programs are of group %s", got)
	}
	for _, name := range []string{"ca", "front-proxy-ca"} {
		ca := r.Find(t, "federation-"+name).Inputs
		if !ca["isCaCertificate"].BoolValue() || ca["validityPeriodHours"].NumberValue() != 87600 || ca["earlyRenewalHours"].NumberValue() != 110 {
			t.Errorf("%s: %v: what it signs must end before it does", name, ca)
		}
	}
	for name, want := range map[string][2]string{"federation-accounts-key": {"RSA", ""}, "federation-ca-key": {"ECDSA", "P256"}, "federation-webhook-key": {"ECDSA", "P256"}} {
		key := r.Find(t, name).Inputs
		if text(key["algorithm"]) != want[0] || text(key["ecdsaCurve"]) != want[1] {
			t.Errorf("%s: %v", name, key)
		}
	}
}

// Pods follow the certificates that they use.
func TestFingerprints(t *testing.T) {
	seen := map[string]string{}
	r := world{}.make(t)
	for _, name := range append(slices.Clone(programs), "etcd") {
		annotations := at(pod(t, r, name), "metadata", "annotations")
		got := text(annotations, "hybrid/certificates")
		if len(got) != 16 {
			t.Errorf("%s: fingerprint %q", name, got)
		}
		// Two that use the same have the same.
		if other := seen[got]; other != "" && !(name == "karmada-scheduler" && other == "karmada-controller-manager") {
			t.Errorf("%s has the fingerprint of %s", name, other)
		}
		seen[got] = name
		if _, ok := annotations.ObjectValue()[resource.PropertyKey("hybrid/secret-version")]; ok != (name == "karmada-apiserver") {
			t.Errorf("%s follows what is secret: %v", name, ok)
		}
	}
}
