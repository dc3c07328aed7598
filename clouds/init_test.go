package clouds

import (
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// arranged are the calls with which init begins.
var arranged = []string{"id etcd", "chown etcd:etcd /var/lib/etcd",
	"systemctl daemon-reload", "systemctl enable --now --quiet hybrid-approve-kubelets.timer",
	"systemctl daemon-reload", "systemctl enable --now --quiet hybrid-renew-certificates.timer",
	"systemctl daemon-reload", "systemctl enable --now --quiet hybrid-report-reboots.timer"}

// initialized calls init's script with the parameters of a cluster.
func initialized(t *testing.T, m *machine, change func(*ClusterArgs)) (stderr string, calls []string, err error) {
	t.Helper()
	a := args(AWS)
	if change != nil {
		change(a)
	}
	params, err := initParams("frankfurt", a, "frankfurt-1", "10.10.0.2", "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	_, stderr, calls, err = m.run("init", "create", params)
	if len(calls) < len(arranged) {
		t.Fatalf("called only %v: %v %s", calls, err, stderr)
	}
	called(t, calls[:len(arranged)], arranged...)
	return stderr, calls[len(arranged):], err
}

func TestInit(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	// The first attempt dies half-way.
	m.Program("kubeadm", `[ "$1" != init ] || { mkdir -p `+m.Dir+`/etc/kubernetes/pki; echo "port in use"; exit 1; }`)
	stderr, calls, err := initialized(t, m, nil)
	if err == nil || !strings.Contains(stderr, "port in use") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, "kubeadm init --config /var/lib/hybrid/init.yaml --skip-token-print")
	// The second one cleans up first, the third one has nothing to do.
	m.Program("kubeadm", "")
	_, calls, err = initialized(t, m, nil)
	if err != nil {
		t.Error(err)
	}
	called(t, calls, "kubeadm reset --force", "kubeadm init")
	stderr, calls, err = initialized(t, m, nil)
	if err != nil || stderr != "" {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls)
}

// The key of the Secrets stays what it is, and is for root only.
func TestEncryptionKeyStays(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	const path = "etc/kubernetes/hardening/encryption.yaml"
	if stderr, _, err := initialized(t, m, nil); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	before := m.read(path)
	if !regexp.MustCompile(`\n +secret: [A-Za-z0-9+/]{43}=\n`).MatchString(before) {
		t.Errorf("found no key of 32 bytes in\n%s", before)
	}
	if info, err := os.Stat(m.Dir + "/" + path); err != nil || info.Mode() != 0o600 {
		t.Errorf("found mode %v, %v; want 0600", info.Mode(), err)
	}
	if _, _, err := initialized(t, m, func(a *ClusterArgs) { a.DNSNames = []string{"a.example.org"} }); err == nil {
		t.Error("want an error: there is no certificate to rename")
	}
	if after := m.read(path); after != before {
		t.Errorf("the key has changed:\n%s\n%s", before, after)
	}
}

// Changed settings reach a cluster that is there.
func TestReconfigure(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if stderr, _, err := initialized(t, m, nil); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	change := func(a *ClusterArgs) { a.Kubeadm.KubeletConfiguration = document{"maxPods": int64(50)} }
	begun := []string{
		"kubeadm init phase upload-config all --config /var/lib/hybrid/init.yaml",
		"kubeadm init phase addon kube-proxy --config /var/lib/hybrid/init.yaml",
		"kubeadm upgrade apply",
	}
	done := append(slices.Clone(begun), "systemctl restart kubelet",
		"kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 30s get --raw /readyz",
		"kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 30s -n kube-system rollout restart daemonset/kube-proxy")
	// An attempt that fails is made again.
	m.Program("kubeadm", `case $1 in upgrade) echo "etcd did not start"; exit 1 ;; esac`)
	stderr, calls, err := initialized(t, m, change)
	if err == nil || !strings.Contains(stderr, "etcd did not start") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, begun...)
	m.Program("kubeadm", "")
	stderr, calls, err = initialized(t, m, change)
	if err != nil || !strings.Contains(stderr, "is away for a minute or two") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, done...)
	if !strings.HasPrefix(calls[2], "kubeadm upgrade apply v1.35.4 --yes --force --skip-phases preflight --certificate-renewal=false") {
		t.Errorf("found %s", calls[2])
	}
	stderr, calls, err = initialized(t, m, change)
	if err != nil || stderr != "" {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls)
	// The ranges of a running cluster stay.
	stderr, calls, err = initialized(t, m, func(a *ClusterArgs) {
		change(a)
		a.ServiceCIDR = netip.MustParsePrefix("10.99.0.0/16")
	})
	if err == nil || !strings.Contains(stderr, `"10.32.0.0/12 10.96.0.0/16"`) || !strings.Contains(stderr, `"10.32.0.0/12 10.99.0.0/16"`) {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls)
}

// A cluster of a former release has Secrets that are not encrypted.
func TestSecretsAreEncryptedOnce(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if stderr, _, err := initialized(t, m, nil); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	if err := os.Remove(m.Dir + "/var/lib/hybrid/encrypted"); err != nil {
		t.Fatal(err)
	}
	const kube = "kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 30s "
	m.Program("kubectl", `case $* in *replace*) [ -e `+m.Dir+`/again ] || { touch `+m.Dir+`/again; echo conflict >&2; exit 1; } ;; esac`)
	stderr, calls, err := initialized(t, m, nil)
	if err != nil || stderr != "" {
		t.Errorf("found %v, %s", err, stderr)
	}
	slices.Sort(calls) // those of a pipe come in any order
	called(t, calls, kube+"get secrets", kube+"get secrets", kube+"replace -f -", kube+"replace -f -")
	_, calls, err = initialized(t, m, nil)
	if err != nil {
		t.Error(err)
	}
	called(t, calls)
}

// Other names change the certificate of a cluster that is there, and nothing else.
func TestRename(t *testing.T) {
	t.Parallel()
	names := func(names ...string) func(*ClusterArgs) { return func(a *ClusterArgs) { a.DNSNames = names } }
	m := newMachine(t)
	if stderr, _, err := initialized(t, m, names("a.example.org")); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	for _, file := range []string{"ca.crt", "ca.key", "apiserver.crt", "apiserver.key"} {
		m.File("etc/kubernetes/pki/"+file, "old")
	}
	const renew = "kubeadm init phase certs apiserver --config /var/lib/hybrid/certificate.yaml"
	// The first attempt dies half-way.
	m.Program("kubeadm", "echo no authority; exit 1")
	stderr, calls, err := initialized(t, m, names("b.example.org"))
	if err == nil || !strings.Contains(stderr, "no authority") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, renew)
	if got := m.read("etc/kubernetes/pki/apiserver.crt"); got != "old" {
		t.Errorf("the certificate is %q after a failure, want the old one", got)
	}
	// kubeadm leaves a certificate that it finds.
	m.Program("kubeadm", `cd `+m.Dir+`/var/lib/hybrid/pki; for end in crt key; do [ -e apiserver.$end ] || echo new >apiserver.$end; done`)
	// The API takes a moment to notice.
	m.Program("openssl", `case $1 in
	s_client) cat `+m.Dir+`/served 2>/dev/null; cat `+m.Dir+`/etc/kubernetes/pki/apiserver.crt >`+m.Dir+`/served ;;
	x509) cat ;;
	esac`)
	show, look := "openssl x509 -noout -fingerprint -sha256", "openssl s_client -connect 127.0.0.1:6443"
	stderr, calls, err = initialized(t, m, names("b.example.org"))
	if err != nil || stderr != "" {
		t.Errorf("found %v, %s", err, stderr)
	}
	slices.Sort(calls[1:]) // those of a pipe come in any order
	called(t, calls, renew, look, look, show, show, show, show)
	for _, file := range []string{"apiserver.crt", "apiserver.key"} {
		if got := m.read("etc/kubernetes/pki/" + file); got != "new\n" {
			t.Errorf("%s is %q, want the new one", file, got)
		}
	}
	config := m.read("var/lib/hybrid/certificate.yaml")
	if !strings.Contains(config, "\ncertificatesDir: /var/lib/hybrid/pki\n") || !strings.Contains(config, "- b.example.org\n") {
		t.Errorf("the certificate was made from:\n%s", config)
	}
	if _, err := os.Stat(m.Dir + "/var/lib/hybrid/pki"); err == nil {
		t.Error("the authority's key is linked to still")
	}
	// Nothing to do.
	stderr, calls, err = initialized(t, m, names("b.example.org"))
	if err != nil || stderr != "" {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls)
	// An API that never takes the certificate is no success.
	m.Program("openssl", `case $1 in s_client) echo other ;; x509) cat ;; esac`)
	stderr, _, err = initialized(t, m, nil)
	if err == nil || !strings.Contains(stderr, "does not use its new certificate") {
		t.Errorf("found %v, %s", err, stderr)
	}
	if got := m.read("var/lib/hybrid/names"); !strings.Contains(got, "b.example.org") {
		t.Errorf("the names are taken for done: %s", got)
	}
}
