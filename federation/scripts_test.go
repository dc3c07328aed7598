package federation

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hybrid/clouds"
	"hybrid/internal/scripttest"
)

var params = map[string]string{
	"ADMIN": "kind: Config\ntoken: sesame", "SERVER": "10.10.0.2:30443", "PUBLIC": "192.0.2.1",
	"CLUSTER": "london", "IDENTITY": "2", "ENDPOINT": "https://192.0.2.9:6443", "ISSUED": "", "GENERATION": "", "GENERATIONS": "",
}

func composed(t *testing.T, name string) string {
	t.Helper()
	parts := []string{"lib"}
	if name == "credentials" {
		parts = nil
	}
	text, err := body(name, parts...)
	if err != nil {
		t.Fatal(err)
	}
	return clouds.Compose(text, params)
}

// run runs a script where kubectl does as the body of a shell script says.
func run(t *testing.T, m *scripttest.Machine, name, verb, kubectl string) (stdout, stderr, calls string, err error) {
	t.Helper()
	m.Program("kubectl", `case $* in */run/*) grep -q 'token: sesame' "$2" || exit 9 ;; *base64decode*) echo 'token: sesame'; exit ;; esac
`+kubectl)
	stdout, stderr, called, err := m.Run(composed(t, name), "federation-"+name, verb)
	left, _ := filepath.Glob(m.Dir + "/run/*")
	if len(left) > 0 {
		t.Errorf("%s: the kubeconfig is left in %v", name, left)
	}
	for _, said := range append(called, stderr, fmt.Sprint(err)) {
		if strings.Contains(said, "sesame") {
			t.Errorf("%s: the token is in %q", name, said)
		}
	}
	return stdout, stderr, strings.Join(called, "\n"), err
}

func TestScriptsAreShell(t *testing.T) {
	for _, name := range []string{"reachable", "ready", "credentials", "member"} {
		scripttest.Check(t, name, composed(t, name))
	}
}

func TestReachable(t *testing.T) {
	m := scripttest.New(t)
	_, stderr, calls, err := run(t, m, "reachable", "create", `[ -e `+m.Dir+`/up ] || { touch `+m.Dir+`/up; exit 1; }`)
	if err != nil || !strings.Contains(calls, "--server https://10.10.0.2:30443 --tls-server-name 192.0.2.1") || !strings.Contains(calls, "get namespace kube-system") {
		t.Errorf("%v: %s\n%s", err, stderr, calls)
	}
	// It answers, and doesn't know the token.
	_, stderr, _, err = run(t, scripttest.New(t), "reachable", "create", `case $* in *readyz) ;; *) echo Unauthorized >&2; exit 1 ;; esac`)
	if err == nil || !strings.Contains(stderr, "does not answer after 5 minutes: Unauthorized") {
		t.Errorf("%v: %s", err, stderr)
	}
}

func TestReady(t *testing.T) {
	const whole = `case $* in *jsonpath*) printf 'a.karmada.io=True\nb.karmada.io=True\n' ;; esac`
	if _, stderr, calls, err := run(t, scripttest.New(t), "ready", "create", whole); err != nil || !strings.Contains(calls, "create --dry-run=server") {
		t.Errorf("%v: %s\n%s", err, stderr, calls)
	}
	for kubectl, want := range map[string]string{
		`case $* in *jsonpath*) printf 'a.karmada.io=True\nb.karmada.io=\n' ;; esac`:                 "b.karmada.io is not established",
		`case $* in *jsonpath*) echo refused >&2; exit 1 ;; esac`:                                    "the API does not answer: refused",
		`case $* in *cluster.karmada.io*) echo 503 >&2; exit 1 ;; *jsonpath*) echo a=True ;; esac`:   "karmada-aggregated-apiserver does not serve: 503",
		`case $* in *dry-run*) echo "no endpoints" >&2; exit 1 ;; *jsonpath*) echo a=True ;; esac`:   "karmada-webhook does not check: no endpoints",
		`case $* in *"get pods"*) echo CrashLoopBackOff ;; *jsonpath*) echo refused; exit 1 ;; esac`: "CrashLoopBackOff",
	} {
		if _, stderr, _, err := run(t, scripttest.New(t), "ready", "create", kubectl); err == nil || !strings.Contains(stderr, want) || !strings.Contains(stderr, "not ready after 5 minutes") {
			t.Errorf("%v: %s\nwant %s", err, stderr, want)
		}
	}
}

func TestCredentials(t *testing.T) {
	m := scripttest.New(t)
	stdout, stderr, _, err := run(t, m, "credentials", "create", `case $* in
*impersonator*) [ -e `+m.Dir+`/filled ] || { touch `+m.Dir+`/filled; exit; }; printf aW1w ;;
*token*) printf dG9rZW4= ;;
*ca*) printf Q0E= ;;
esac`)
	if err != nil || stdout != "Q0E=\ndG9rZW4=\naW1w\n" {
		t.Errorf("%v: %q %s", err, stdout, stderr)
	}
	stdout, stderr, _, err = run(t, scripttest.New(t), "credentials", "create", `echo NotFound >&2`)
	if err == nil || stdout != "" || !strings.Contains(stderr, "did not issue tokens") || !strings.Contains(stderr, "NotFound") {
		t.Errorf("%v: %q %s", err, stdout, stderr)
	}
}

func TestJoin(t *testing.T) {
	m := scripttest.New(t)
	const ready = `case $* in *Ready*) printf True ;; esac`
	if _, stderr, calls, err := run(t, m, "member", "create", ready); err != nil || strings.Contains(calls, "delete pods") {
		t.Errorf("%v: %s\n%s", err, stderr, calls)
	}
	if known, _ := os.ReadFile(m.Dir + "/var/lib/hybrid/member-london"); string(known) != "2\n" {
		t.Errorf("known: %q", known)
	}
	// The same again changes nothing.
	if _, _, calls, err := run(t, m, "member", "create", ready); err != nil || strings.Contains(calls, "delete pods") {
		t.Errorf("%v\n%s", err, calls)
	}
	// Another cluster of that name: the controllers must forget the first.
	m.File("var/lib/hybrid/member-london", "1\n")
	if _, stderr, calls, err := run(t, m, "member", "create", ready); err != nil || !strings.Contains(calls, "-n federation delete pods -l app=karmada-controller-manager") {
		t.Errorf("%v: %s\n%s", err, stderr, calls)
	}
	_, stderr, _, err := run(t, scripttest.New(t), "member", "create", `case $* in *range*) echo 'Ready=False: cluster is not reachable' ;; *Ready*) printf False ;; esac`)
	if err == nil || !strings.Contains(stderr, "can pods of this cluster reach https://192.0.2.9:6443?") || !strings.Contains(stderr, "cluster is not reachable") {
		t.Errorf("%v: %s", err, stderr)
	}
}

func TestLeave(t *testing.T) {
	const member = "clusters.cluster.karmada.io/london"
	// At once, or never been there.
	m := scripttest.New(t)
	m.File("var/lib/hybrid/member-london", "2\n")
	_, stderr, calls, err := run(t, m, "member", "delete", "")
	if err != nil || !strings.Contains(calls, "delete "+member+" --ignore-not-found --wait=false") || strings.Contains(calls, "patch") {
		t.Errorf("%v: %s\n%s", err, stderr, calls)
	}
	if _, err := os.Stat(m.Dir + "/var/lib/hybrid/member-london"); err == nil {
		t.Error("the member is still known")
	}

	// It doesn't go by itself: what holds it is struck, in this order.
	m = scripttest.New(t)
	_, stderr, calls, err = run(t, m, "member", "delete", `case $* in
*"get `+member+`"*) [ -e `+m.Dir+`/gone ] || echo `+member+` ;;
*"get works"*) printf 'work/a\nwork/b\n' ;;
*"patch `+member+`"*) touch `+m.Dir+`/gone ;;
esac`)
	var last int
	for _, want := range []string{"patch work/a --type merge -p {\"metadata\":{\"finalizers\":null}}", "patch work/b", "delete namespace karmada-es-london", "patch " + member} {
		at := strings.Index(calls, want)
		if at < last {
			t.Errorf("want %s, in order, in:\n%s", want, calls)
		}
		last = at
	}
	if err != nil || !strings.Contains(stderr, "taking it out by force") {
		t.Errorf("%v: %s", err, stderr)
	}

	// An API that doesn't answer says nothing about the member.
	m = scripttest.New(t)
	_, stderr, _, err = run(t, m, "member", "delete", `case $* in *get*) echo refused >&2; exit 1 ;; esac`)
	if err == nil || !strings.Contains(stderr, "refused") {
		t.Errorf("%v: %s", err, stderr)
	}
}
