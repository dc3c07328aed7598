package clouds

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hybrid/internal/scripttest"
)

// machine has the programs that the scripts call, doing nothing.
type machine struct {
	*scripttest.Machine
	t *testing.T
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	return &machine{scripttest.New(t, "chown", "cloud-init", "hybrid-approve-kubelets", "id", "kubeadm", "kubectl", "pkill", "systemctl", "useradd"), t}
}

// run runs a script of this package.
func (m *machine) run(script, verb string, params map[string]string) (stdout, stderr string, calls []string, err error) {
	m.t.Helper()
	return m.Run(composed(m.t, script, params), script, verb)
}

func composed(t *testing.T, script string, params map[string]string) string {
	t.Helper()
	body, err := scripts.ReadFile("scripts/" + script + ".sh")
	if err != nil {
		t.Fatal(err)
	}
	return Compose(string(body), params)
}

var called = scripttest.Called

func TestScriptsAreShell(t *testing.T) {
	files, err := scripts.ReadDir("scripts")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() != "lib.sh" {
			scripttest.Check(t, f.Name(), composed(t, strings.TrimSuffix(f.Name(), ".sh"), map[string]string{"X": "it's\n$(two) lines"}))
		}
	}
}

func TestQuote(t *testing.T) {
	const nasty = "it's $HOME `x` \"y\" \\\nnext"
	out, err := exec.Command("sh", "-c", "printf %s "+quote(nasty)).Output()
	if err != nil || string(out) != nasty {
		t.Errorf("found %q, %v; want %q", out, err, nasty)
	}
}

func TestShell(t *testing.T) {
	for user, want := range map[string]string{
		"root":   "timeout -k 30 900 sh -s join create",
		"ubuntu": "sudo -n timeout -k 30 900 sh -s join create",
	} {
		if got := shell(user, "join", "create", 15*time.Minute); got != want {
			t.Errorf("%s: %q, want %q", user, got, want)
		}
	}
}

// A step that hangs ends on the machine, with all that it has started, and says so.
func TestStepsEndInTime(t *testing.T) {
	m := newMachine(t)
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", shell("root", "join", "create", time.Second))
	cmd.Stdin = strings.NewReader(m.Text(Compose("main() { "+sleep+" 300; }\n\nmain \"$@\" </dev/null\n", nil)))
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), `step "join create" has not ended in time`) {
		t.Errorf("found %v, %s", err, out)
	}
	// The pipe is closed when the last of them has ended.
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

// The first boot may wait for ever, for instance for a network that is not there.
func TestFirstBootIsBounded(t *testing.T) {
	m := newMachine(t)
	m.Program("timeout", `[ "$1" != 900 ] || exit 124; shift; exec "$@"`)
	m.Program("cloud-init", "echo 'status: running'")
	_, stderr, calls, err := m.run("first-contact", "create", nil)
	if err == nil || !strings.Contains(stderr, "the first boot has not ended after 15 minutes") || !strings.Contains(stderr, "status: running") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, "timeout 900 cloud-init status --wait", "timeout 20 cloud-init status --long", "cloud-init status --long")
}

func TestFirstContact(t *testing.T) {
	for status, ok := range map[string]bool{"0": true, "1": false, "2": true} {
		m := newMachine(t)
		m.Program("cloud-init", "exit "+status)
		m.File("etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAA root@london-1\n")
		stdout, stderr, _, err := m.run("first-contact", "create", nil)
		if ok != (err == nil) {
			t.Errorf("cloud-init status %s: %v %s", status, err, stderr)
		} else if ok && stdout != "ssh-ed25519 AAAA\n" {
			t.Errorf("cloud-init status %s: found %q", status, stdout)
		}
	}
}

// arranged are the calls with which init begins.
var arranged = []string{"id etcd", "chown etcd:etcd /var/lib/etcd",
	"systemctl daemon-reload", "systemctl enable --now --quiet hybrid-approve-kubelets.timer",
	"systemctl daemon-reload", "systemctl enable --now --quiet hybrid-renew-certificates.timer"}

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
	m := newMachine(t)
	// The first attempt dies half-way.
	m.Program("kubeadm", `[ "$1" != init ] || { mkdir -p `+m.Dir+`/etc/kubernetes/pki; echo "port in use"; exit 1; }`)
	stderr, calls, err := initialized(t, m, nil)
	if err == nil || !strings.Contains(stderr, "port in use") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, "kubeadm init --config /state/init.yaml --skip-token-print")
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
	if _, _, err := initialized(t, m, func(a *ClusterArgs) { a.Names = []string{"a.example.org"} }); err == nil {
		t.Error("want an error: there is no certificate to rename")
	}
	if after := m.read(path); after != before {
		t.Errorf("the key has changed:\n%s\n%s", before, after)
	}
}

// Changed settings reach a cluster that is there.
func TestReconfigure(t *testing.T) {
	m := newMachine(t)
	if stderr, _, err := initialized(t, m, nil); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	change := func(a *ClusterArgs) { a.Kubeadm.KubeletConfiguration = document{"maxPods": int64(50)} }
	begun := []string{
		"kubeadm init phase upload-config all --config /state/init.yaml",
		"kubeadm init phase addon kube-proxy --config /state/init.yaml",
		"kubeadm version -o short", "kubeadm upgrade apply",
	}
	done := append(slices.Clone(begun), "systemctl restart kubelet",
		"kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 30s get --raw /readyz",
		"kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 30s -n kube-system rollout restart daemonset/kube-proxy")
	// An attempt that fails is made again.
	m.Program("kubeadm", `case $1 in version) echo v1.35.4 ;; upgrade) echo "etcd did not start"; exit 1 ;; esac`)
	stderr, calls, err := initialized(t, m, change)
	if err == nil || !strings.Contains(stderr, "etcd did not start") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, begun...)
	m.Program("kubeadm", "[ $1 != version ] || echo v1.35.4")
	stderr, calls, err = initialized(t, m, change)
	if err != nil || !strings.Contains(stderr, "is away for a minute or two") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, done...)
	if !strings.HasPrefix(calls[3], "kubeadm upgrade apply v1.35.4 --yes --force --skip-phases preflight --certificate-renewal=false") {
		t.Errorf("found %s", calls[3])
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
	m := newMachine(t)
	if stderr, _, err := initialized(t, m, nil); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	if err := os.Remove(m.Dir + "/state/encrypted"); err != nil {
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
	names := func(names ...string) func(*ClusterArgs) { return func(a *ClusterArgs) { a.Names = names } }
	m := newMachine(t)
	if stderr, _, err := initialized(t, m, names("a.example.org")); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	for _, file := range []string{"ca.crt", "ca.key", "apiserver.crt", "apiserver.key"} {
		m.File("etc/kubernetes/pki/"+file, "old")
	}
	const renew = "kubeadm init phase certs apiserver --config /state/certificate.yaml"
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
	m.Program("kubeadm", `cd `+m.Dir+`/state/pki; for end in crt key; do [ -e apiserver.$end ] || echo new >apiserver.$end; done`)
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
	config := m.read("state/certificate.yaml")
	if !strings.Contains(config, "\ncertificatesDir: "+m.Dir+"/state/pki\n") || !strings.Contains(config, "- b.example.org\n") {
		t.Errorf("the certificate was made from:\n%s", config)
	}
	if _, err := os.Stat(m.Dir + "/state/pki"); err == nil {
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
	if got := m.read("state/names"); !strings.Contains(got, "b.example.org") {
		t.Errorf("the names are taken for done: %s", got)
	}
}

// authority makes a certificate, and its hash as kubeadm defines it.
func authority(t *testing.T) (certificate, hash string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		fmt.Sprintf("sha256:%x", sha256.Sum256(parsed.RawSubjectPublicKeyInfo))
}

func TestJoin(t *testing.T) {
	cert, hash := authority(t)
	params := map[string]string{"NODE": "london-2", "CONFIG": token, "CA_HASH": hash, "TOKEN_URN": "urn:token", "KUBELET": "kind: KubeletConfiguration"}
	joined := func(m *machine) {
		m.File("state/kubelet", params["KUBELET"]+"\n")
		m.File("etc/kubernetes/kubelet.conf", "x")
		m.File("etc/kubernetes/pki/ca.crt", cert)
	}
	for name, c := range map[string]struct {
		prepare func(*machine)
		calls   []string
		message string
	}{
		"new": {func(m *machine) {
			m.Program("kubeadm", `grep -q `+token+` "$3" || exit 1`)
		}, []string{"kubeadm join --config /run/hybrid-join."}, ""},
		"joined": {joined, []string{"kubectl --kubeconfig /etc/kubernetes/kubelet.conf"}, ""},
		"joined, but node object deleted": {func(m *machine) {
			joined(m)
			m.Program("kubectl", "exit 1")
		}, []string{"kubectl", "systemctl restart kubelet"}, ""},
		"joined an older cluster": {func(m *machine) {
			joined(m)
			other, _ := authority(t)
			m.File("etc/kubernetes/pki/ca.crt", other)
		}, []string{"kubeadm reset --force", "kubeadm join"}, ""},
		"joined, and kubelets are told something else since": {func(m *machine) {
			joined(m)
			m.File("state/kubelet", "kind: Other\n")
		}, []string{"kubectl", "kubeadm upgrade node phase kubelet-config", "systemctl restart kubelet"}, ""},
		"interrupted": {func(m *machine) {
			joined(m)
			m.File("etc/kubernetes/bootstrap-kubelet.conf", "x")
		}, []string{"kubeadm reset --force", "kubeadm join"}, ""},
		"a dead node of that name": {func(m *machine) {
			m.Program("kubeadm", `[ -e `+m.Dir+`/noticed ] || { touch `+m.Dir+`/noticed; echo 'a Node with name "london-2" and status "Ready" already exists in the cluster'; exit 1; }`)
		}, []string{"kubeadm join", "kubeadm join"}, ""},
		"token expired": {func(m *machine) {
			m.Program("kubeadm", `echo 'could not find a JWS signature in the cluster-info ConfigMap for token ID "abcdef"'; exit 1`)
		}, []string{"kubeadm join"}, "pulumi up --replace 'urn:token'"},
		"no network": {func(m *machine) {
			m.Program("kubeadm", `echo 'no route to host'; exit 1`)
		}, []string{"kubeadm join"}, "no route to host"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			c.prepare(m)
			_, stderr, calls, err := m.run("join", "create", params)
			if (err != nil) != (c.message != "") || !strings.Contains(stderr, c.message) {
				t.Errorf("found %v, %s; want %q", err, stderr, c.message)
			}
			called(t, calls, c.calls...)
			if left, _ := filepath.Glob(m.Dir + "/run/*"); len(left) > 0 {
				t.Errorf("the token is left in %v", left)
			}
		})
	}
}

func TestToken(t *testing.T) {
	m := newMachine(t)
	const line = "kubeadm join 10.10.0.2:6443 --token " + token
	m.Program("kubeadm", `[ -e `+m.Dir+`/up ] || { touch `+m.Dir+`/up; exit 1; }; echo `+line)
	// cluster-info is signed with the token a moment later.
	m.Program("kubectl", `[ ! -e `+m.Dir+`/signed ] || echo signature; touch `+m.Dir+`/signed`)
	stdout, stderr, calls, err := m.run("token", "create", map[string]string{"NODE": "london-2"})
	if err != nil || stdout != line+"\n" {
		t.Errorf("found %q, %v, %s", stdout, err, stderr)
	}
	const look = "kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 5s -n kube-public get configmap cluster-info -o jsonpath={.data.jws-kubeconfig-abcdef}"
	called(t, calls, "kubeadm token create", "kubeadm token create", look, look)
}

func TestAdminConf(t *testing.T) {
	m := newMachine(t)
	m.File("etc/kubernetes/admin.conf", adminConf)
	m.Program("kubectl", `[ -e `+m.Dir+`/up ] || { touch `+m.Dir+`/up; exit 1; }`)
	stdout, stderr, calls, err := m.run("admin-conf", "create", map[string]string{"PUBLIC": "192.0.2.1"})
	if err != nil || stdout != adminConf {
		t.Errorf("found %q, %v, %s", stdout, err, stderr)
	}
	try := "kubectl --kubeconfig /etc/kubernetes/admin.conf --server https://127.0.0.1:6443 --tls-server-name 192.0.2.1"
	called(t, calls, try, try)
}

func TestMember(t *testing.T) {
	const kube = "kubectl --kubeconfig /etc/kubernetes/admin.conf "
	worker := map[string]string{"NODE": "london-2", "ADDRESS": "10.10.0.3", "TOKEN_ID": "abcdef"}
	certified := []string{"hybrid-approve-kubelets", kube + "get --raw /api/v1/nodes/london-2/proxy/healthz"}
	m := newMachine(t)
	_, stderr, calls, err := m.run("member", "create", worker)
	if err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
	called(t, calls, kube+"wait --for=create node/london-2", certified[0], certified[1],
		"kubeadm token delete --kubeconfig /etc/kubernetes/admin.conf abcdef")
	if got := m.read("state/nodes/london-2"); got != "10.10.0.3\n" {
		t.Errorf("the node may have a certificate for %q", got)
	}

	_, _, calls, err = m.run("member", "create", map[string]string{"NODE": "london-1", "ADDRESS": "10.10.0.2", "TOKEN_ID": ""})
	if err != nil || len(calls) != 3 {
		t.Errorf("the control plane has no token to delete: %v %v", err, calls)
	}

	for ready, want := range map[string][]string{
		"True":    {kube + "get node london-2", kube + "drain london-2", kube + "delete node london-2 --ignore-not-found"},
		"Unknown": {kube + "get node london-2", kube + "delete node london-2 --ignore-not-found"},
		"":        {kube + "get node london-2", kube + "delete node london-2 --ignore-not-found"},
	} {
		// A drain that fails must not keep the node.
		m.Program("kubectl", `case $* in *" get "*) printf %s '`+ready+`' ;; *drain*) exit 1 ;; esac`)
		_, stderr, calls, err := m.run("member", "delete", worker)
		if err != nil {
			t.Errorf("%q: %v: %s", ready, err, stderr)
		}
		called(t, calls, want...)
		if _, err := os.Stat(m.Dir + "/state/nodes/london-2"); err == nil {
			t.Errorf("%q: a node that has left may have a certificate", ready)
		}
	}
}

// A kubelet that the API server can't verify is no member.
func TestMemberWithoutCertificate(t *testing.T) {
	m := newMachine(t)
	m.Program("kubectl", `case $* in *healthz*) echo "x509: certificate signed by unknown authority" >&2; exit 1 ;; esac`)
	_, stderr, _, err := m.run("member", "create", map[string]string{"NODE": "london-2", "ADDRESS": "10.10.0.3", "TOKEN_ID": ""})
	if err == nil || !strings.Contains(stderr, "unknown authority") || !strings.Contains(stderr, "kubelet of london-2") {
		t.Errorf("found %v, %s", err, stderr)
	}
}
