package clouds

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// machine is a folder in which scripts find what they look for on a machine, and
// programs that only say what they were called with.
type machine struct {
	t   *testing.T
	dir string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t, t.TempDir()}
	for _, dir := range []string{"bin", "state", "etc/ssh", "etc/kubernetes", "run"} {
		if err := os.MkdirAll(filepath.Join(m.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"cloud-init", "kubeadm", "kubectl", "systemctl", "sleep"} {
		m.program(name, "")
	}
	// Nothing else, for this machine may have a kubeadm of its own.
	for _, name := range strings.Fields("sh cat chmod cmp cut dirname flock grep hostname ln mkdir mktemp mv openssl rm sha256sum tail touch") {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("the scripts need %s: %v", name, err)
		}
		if err := os.Symlink(path, filepath.Join(m.dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m *machine) file(path, text string) {
	m.t.Helper()
	path = filepath.Join(m.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

// program makes a program that notes its arguments and then runs the body.
func (m *machine) program(name, body string) {
	m.file("bin/"+name, fmt.Sprintf("#!/bin/sh\necho %s \"$@\" >>%s/calls\n%s\n", name, m.dir, body))
}

// run runs a script. It returns its outputs and what it has called, without
// waiting.
func (m *machine) run(script, verb string, params map[string]string) (stdout, stderr string, calls []string, err error) {
	m.t.Helper()
	text, err := compose(script, params)
	if err != nil {
		m.t.Fatal(err)
	}
	text = strings.NewReplacer("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PATH="+m.dir+"/bin", "/var/lib/hybrid", m.dir+"/state",
		" /etc/", " "+m.dir+"/etc/", "=/etc/", "="+m.dir+"/etc/", "/proc/sys", m.dir+"/proc/sys",
		"/opt/cni", m.dir+"/opt/cni", "/usr/lib/cni", m.dir+"/usr/lib/cni", "-p /run", "-p "+m.dir+"/run").Replace(text)
	os.Remove(m.dir + "/calls")
	cmd := exec.Command("sh", "-s", script, verb)
	cmd.Stdin = strings.NewReader(text)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	noted, _ := os.ReadFile(m.dir + "/calls")
	for line := range strings.Lines(string(noted)) {
		if line = strings.ReplaceAll(strings.TrimSpace(line), m.dir, ""); !strings.HasPrefix(line, "sleep") {
			calls = append(calls, line)
		}
	}
	return o.String(), e.String(), calls, err
}

// called compares calls by how they begin.
func called(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("called:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestScriptsAreShell(t *testing.T) {
	files, err := scripts.ReadDir("scripts")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := compose(strings.TrimSuffix(f.Name(), ".sh"), map[string]string{"X": "it's\n$(two) lines"})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-n")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", f.Name(), err, out)
		}
		if f.Name() != "lib.sh" && !strings.HasSuffix(text, "\nmain \"$@\" </dev/null\n") {
			t.Errorf("%s: want main called last, without standard input: that is the script itself", f.Name())
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
	for user, want := range map[string]string{"root": "sh -s join create", "ubuntu": "sudo -n sh -s join create"} {
		if got := shell(user, "join", "create"); got != want {
			t.Errorf("%s: %q, want %q", user, got, want)
		}
	}
}

func TestFirstContact(t *testing.T) {
	for status, ok := range map[string]bool{"0": true, "1": false, "2": true} {
		m := newMachine(t)
		m.program("cloud-init", "exit "+status)
		m.file("etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAA root@london-1\n")
		stdout, stderr, _, err := m.run("first-contact", "create", nil)
		if ok != (err == nil) {
			t.Errorf("cloud-init status %s: %v %s", status, err, stderr)
		} else if ok && stdout != "ssh-ed25519 AAAA\n" {
			t.Errorf("cloud-init status %s: found %q", status, stdout)
		}
	}
}

func TestInit(t *testing.T) {
	m := newMachine(t)
	config := map[string]string{"CONFIG": "kind: InitConfiguration"}
	// The first attempt dies half-way.
	m.program("kubeadm", `[ "$1" != init ] || { mkdir -p `+m.dir+`/etc/kubernetes/pki; echo "port in use"; exit 1; }`)
	_, stderr, calls, err := m.run("init", "create", config)
	if err == nil || !strings.Contains(stderr, "port in use") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, "kubeadm init --config /state/init.yaml --skip-token-print")
	// The second one cleans up first, the third one has nothing to do.
	m.program("kubeadm", "")
	_, _, calls, err = m.run("init", "create", config)
	if err != nil {
		t.Error(err)
	}
	called(t, calls, "kubeadm reset --force", "kubeadm init")
	_, stderr, calls, err = m.run("init", "create", config)
	if err != nil || stderr != "" {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls)
	_, stderr, calls, err = m.run("init", "create", map[string]string{"CONFIG": "changed"})
	if err != nil || !strings.Contains(stderr, "initialized already") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls)
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
	params := map[string]string{"NODE": "london-2", "CONFIG": token, "CA_HASH": hash, "TOKEN_URN": "urn:token"}
	joined := func(m *machine) {
		m.file("etc/kubernetes/kubelet.conf", "x")
		m.file("etc/kubernetes/pki/ca.crt", cert)
	}
	for name, c := range map[string]struct {
		prepare func(*machine)
		calls   []string
		message string
	}{
		"new": {func(m *machine) {
			m.program("kubeadm", `grep -q `+token+` "$3" || exit 1`)
		}, []string{"kubeadm join --config /run/hybrid-join."}, ""},
		"joined": {joined, []string{"kubectl --kubeconfig /etc/kubernetes/kubelet.conf"}, ""},
		"joined, but node object deleted": {func(m *machine) {
			joined(m)
			m.program("kubectl", "exit 1")
		}, []string{"kubectl", "systemctl restart kubelet"}, ""},
		"joined an older cluster": {func(m *machine) {
			joined(m)
			other, _ := authority(t)
			m.file("etc/kubernetes/pki/ca.crt", other)
		}, []string{"kubeadm reset --force", "kubeadm join"}, ""},
		"interrupted": {func(m *machine) {
			joined(m)
			m.file("etc/kubernetes/bootstrap-kubelet.conf", "x")
		}, []string{"kubeadm reset --force", "kubeadm join"}, ""},
		"a dead node of that name": {func(m *machine) {
			m.program("kubeadm", `[ -e `+m.dir+`/noticed ] || { touch `+m.dir+`/noticed; echo 'a Node with name "london-2" and status "Ready" already exists in the cluster'; exit 1; }`)
		}, []string{"kubeadm join", "kubeadm join"}, ""},
		"token expired": {func(m *machine) {
			m.program("kubeadm", `echo 'could not find a JWS signature in the cluster-info ConfigMap for token ID "abcdef"'; exit 1`)
		}, []string{"kubeadm join"}, "pulumi up --replace 'urn:token'"},
		"no network": {func(m *machine) {
			m.program("kubeadm", `echo 'no route to host'; exit 1`)
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
			if left, _ := filepath.Glob(m.dir + "/run/*"); len(left) > 0 {
				t.Errorf("the token is left in %v", left)
			}
		})
	}
}

func TestToken(t *testing.T) {
	m := newMachine(t)
	const line = "kubeadm join 10.10.0.2:6443 --token " + token
	m.program("kubeadm", `[ -e `+m.dir+`/up ] || { touch `+m.dir+`/up; exit 1; }; echo `+line)
	// cluster-info is signed with the token a moment later.
	m.program("kubectl", `[ ! -e `+m.dir+`/signed ] || echo signature; touch `+m.dir+`/signed`)
	stdout, stderr, calls, err := m.run("token", "create", map[string]string{"NODE": "london-2"})
	if err != nil || stdout != line+"\n" {
		t.Errorf("found %q, %v, %s", stdout, err, stderr)
	}
	const look = "kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 5s -n kube-public get configmap cluster-info -o jsonpath={.data.jws-kubeconfig-abcdef}"
	called(t, calls, "kubeadm token create", "kubeadm token create", look, look)
}

func TestAdminConf(t *testing.T) {
	m := newMachine(t)
	m.file("etc/kubernetes/admin.conf", adminConf)
	m.program("kubectl", `[ -e `+m.dir+`/up ] || { touch `+m.dir+`/up; exit 1; }`)
	stdout, stderr, calls, err := m.run("admin-conf", "create", map[string]string{"PUBLIC": "192.0.2.1"})
	if err != nil || stdout != adminConf {
		t.Errorf("found %q, %v, %s", stdout, err, stderr)
	}
	try := "kubectl --kubeconfig /etc/kubernetes/admin.conf --server https://127.0.0.1:6443 --tls-server-name 192.0.2.1"
	called(t, calls, try, try)
}

func TestMember(t *testing.T) {
	const kube = "kubectl --kubeconfig /etc/kubernetes/admin.conf "
	worker := map[string]string{"NODE": "london-2", "TOKEN_ID": "abcdef"}
	m := newMachine(t)
	_, stderr, calls, err := m.run("member", "create", worker)
	if err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
	called(t, calls, kube+"wait --for=create node/london-2", kube+"wait --for=condition=Ready node/london-2",
		"kubeadm token delete --kubeconfig /etc/kubernetes/admin.conf abcdef")

	_, _, calls, err = m.run("member", "create", map[string]string{"NODE": "london-1", "TOKEN_ID": ""})
	if err != nil || len(calls) != 2 {
		t.Errorf("the control plane has no token to delete: %v %v", err, calls)
	}

	m.program("kubectl", `case $* in *Ready*get*) ;; *condition=Ready*) exit 1 ;; *jsonpath*) echo "Ready=False: no CNI" ;; esac`)
	_, stderr, _, err = m.run("member", "create", worker)
	if err == nil || !strings.Contains(stderr, "no CNI") || !strings.Contains(stderr, "did not become Ready") {
		t.Errorf("found %v, %s", err, stderr)
	}

	for ready, want := range map[string][]string{
		"True":    {kube + "get node london-2", kube + "drain london-2", kube + "delete node london-2 --ignore-not-found"},
		"Unknown": {kube + "get node london-2", kube + "delete node london-2 --ignore-not-found"},
		"":        {kube + "get node london-2", kube + "delete node london-2 --ignore-not-found"},
	} {
		// A drain that fails must not keep the node.
		m.program("kubectl", `case $* in *" get "*) printf %s '`+ready+`' ;; *drain*) exit 1 ;; esac`)
		_, stderr, calls, err := m.run("member", "delete", worker)
		if err != nil {
			t.Errorf("%q: %v: %s", ready, err, stderr)
		}
		called(t, calls, want...)
	}
}
