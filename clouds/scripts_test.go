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
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hybrid/internal/scripttest"
)

func TestMain(m *testing.M) { scripttest.Main(m) }

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
	body, err := scriptBody(script)
	if err != nil {
		t.Fatal(err)
	}
	return Compose(body, params)
}

var called = scripttest.Called

func TestScriptsAreShell(t *testing.T) {
	t.Parallel()
	files, err := scripts.ReadDir("scripts/node")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		switch f.Name() {
		case "lib.sh", "drain.sh", "packages.sh", "timers.sh":
		default:
			scripttest.Check(t, f.Name(), composed(t, strings.TrimSuffix(f.Name(), ".sh"), map[string]string{"X": "it's\n$(two) lines"}))
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	const nasty = "it's $HOME `x` \"y\" \\\nnext"
	out, err := exec.Command("sh", "-c", "printf %s "+quote(nasty)).Output()
	if err != nil || string(out) != nasty {
		t.Errorf("found %q, %v; want %q", out, err, nasty)
	}
}

func TestShell(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	m := newMachine(t)
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", shell("root", "join", "create", time.Second))
	cmd.Env = append(os.Environ(), m.Env()...)
	cmd.Stdin = strings.NewReader(Compose("main() { "+sleep+" 300; }\n\nmain \"$@\" </dev/null\n", nil))
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	cert, hash := authority(t)
	params := map[string]string{"NODE": "london-2", "CONFIG": token, "CA_HASH": hash, "TOKEN_URN": "urn:token", "KUBELET": "kind: KubeletConfiguration", "REPORTER": timed(reporter)}
	joined := func(m *machine) {
		m.File("var/lib/hybrid/kubelet", params["KUBELET"]+"\n")
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
			m.File("var/lib/hybrid/kubelet", "kind: Other\n")
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
			called(t, calls, append([]string{"systemctl daemon-reload", "systemctl enable --now --quiet hybrid-report-reboots.timer"}, c.calls...)...)
			if left, _ := filepath.Glob(m.Dir + "/run/*"); len(left) > 0 {
				t.Errorf("the token is left in %v", left)
			}
		})
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
	if got := m.read("var/lib/hybrid/nodes/london-2"); got != "10.10.0.3\n" {
		t.Errorf("the node may have a certificate for %q", got)
	}

	_, _, calls, err = m.run("member", "create", map[string]string{"NODE": "london-1", "ADDRESS": "10.10.0.2", "TOKEN_ID": ""})
	if err != nil || len(calls) != 3 {
		t.Errorf("the control plane has no token to delete: %v %v", err, calls)
	}

	asked := slices.Repeat([]string{kube + "get node london-2", kube + "drain london-2 --ignore-daemonsets --delete-emptydir-data --force --timeout=10s"}, 12)
	for ready, want := range map[string][]string{
		"True":    append(slices.Clone(asked), kube+"delete node london-2 --ignore-not-found"),
		"Unknown": {kube + "get node london-2", kube + "delete node london-2 --ignore-not-found"},
		"":        {kube + "get node london-2", kube + "delete node london-2 --ignore-not-found"},
	} {
		// A pod that doesn't end must not keep the node.
		m.Program("kubectl", `case $* in *" get "*) printf %s '`+ready+`' ;; *drain*) exit 1 ;; esac`)
		_, stderr, calls, err := m.run("member", "delete", worker)
		if err != nil {
			t.Errorf("%q: %v: %s", ready, err, stderr)
		}
		called(t, calls, want...)
		if _, err := os.Stat(m.Dir + "/var/lib/hybrid/nodes/london-2"); err == nil {
			t.Errorf("%q: a node that has left may have a certificate", ready)
		}
	}
	// One that may not leave does.
	m.Program("kubectl", `case $* in
	*"get node"*) printf True ;;
	*drain*) echo 'error when evicting pods/"stubborn-0" -n "shop" (will retry after 5s): Cannot evict pod as it would violate the pod'"'s disruption budget."; exit 1 ;;
	*poddisruptionbudgets*) printf 'never ' ;;
	esac`)
	_, stderr, calls, err = m.run("member", "delete", worker)
	if err == nil || !strings.Contains(stderr, "pod stubborn-0 in namespace shop may not leave, by the PodDisruptionBudget never") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, append(slices.Clone(asked), kube+"-n shop get poddisruptionbudgets", kube+"uncordon london-2")...)
	// Its machine is gone, which the cluster gets to know after the first 10 seconds.
	m.Program("kubectl", `case $* in
	*"get node"*) [ -e `+m.Dir+`/gone ] && printf Unknown || printf True ;;
	*drain*) : >`+m.Dir+`/gone; exit 1 ;;
	esac`)
	_, stderr, calls, err = m.run("member", "delete", worker)
	if err != nil || strings.Contains(stderr, "not drained") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, append(asked[:3:3], kube+"delete node london-2 --ignore-not-found")...)
	// That the API doesn't answer once says nothing of the node.
	m.Program("kubectl", `case $* in
	*"get node"*) [ -e `+m.Dir+`/asked ] && printf True || { : >`+m.Dir+`/asked; exit 1; } ;;
	esac`)
	if _, stderr, calls, err = m.run("member", "delete", worker); err != nil || stderr != "" {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, asked[0], asked[0], asked[1], kube+"delete node london-2 --ignore-not-found")
	// One that refuses each time has two minutes, as the message says.
	m.Program("kubectl", `case $* in *"get node"*) exit 1 ;; esac`)
	m.Program("sleep", `echo "$1" >>`+m.Dir+`/slept`)
	if _, stderr, _, err = m.run("member", "delete", worker); err != nil || !strings.Contains(stderr, "within 120 seconds") {
		t.Errorf("found %v, %s", err, stderr)
	}
	slept := 0
	for _, seconds := range strings.Fields(m.read("slept")) {
		n, err := strconv.Atoi(seconds)
		if err != nil {
			t.Fatal(err)
		}
		slept += n
	}
	// A second may pass while it is asked.
	if slept < 12*8 || slept > 12*10 {
		t.Errorf("it has given up after %d seconds, want 120", slept)
	}
}

// A kubelet that the API server can't verify is no member.
func TestMemberWithoutCertificate(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.Program("kubectl", `case $* in *healthz*) echo "x509: certificate signed by unknown authority" >&2; exit 1 ;; esac`)
	_, stderr, _, err := m.run("member", "create", map[string]string{"NODE": "london-2", "ADDRESS": "10.10.0.3", "TOKEN_ID": ""})
	if err == nil || !strings.Contains(stderr, "unknown authority") || !strings.Contains(stderr, "kubelet of london-2") {
		t.Errorf("found %v, %s", err, stderr)
	}
}
