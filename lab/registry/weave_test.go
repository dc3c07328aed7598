package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// node is a folder with Weave's scripts and what they call: programs that only say
// what they were called with.
type node struct {
	*testing.T
	dir string
	env []string
}

func newNode(t *testing.T, env ...string) *node {
	t.Helper()
	n := &node{T: t, dir: t.TempDir()}
	n.env = append([]string{"PATH=" + n.dir + "/bin", "HOST_ROOT=" + n.dir + "/host", "DB_PREFIX=" + n.dir + "/weave-net", "HOSTNAME=london-1"}, env...)
	for _, name := range strings.Fields("sh cat cmp cp ln mkdir mv rm") {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("the scripts need %s: %v", name, err)
		}
		n.link(path, "bin/"+name)
	}
	for _, name := range []string{"launch.sh", "init.sh", "weave"} {
		text, err := fs.ReadFile(weaveScripts, "weave/"+name)
		if err != nil {
			t.Fatal(err)
		}
		n.write("weave/"+name, strings.ReplaceAll(string(text), "/proc/sys", n.dir+"/proc/sys"))
	}
	n.write("proc/sys/net/bridge/bridge-nf-call-iptables", "0\n")
	n.program("weave/weaver", `case $* in --version) echo weave 2.6.5 ;; *--print-peer-name*) echo 02:00:00:00:00:01 ;; *) wait=1 ;; esac
# The router runs until what is started with it is done.
[ -z "${wait-}" ] || until grep -q run-reclaim-daemon `+n.dir+`/calls; do sleep 0.01; done`)
	n.program("weave/kube-utils", `[ $# != 0 ] || { echo 10.0.0.2; echo 10.0.0.3; }`)
	n.program("bin/weaveutil", "")
	n.program("bin/curl", `case $* in *"POST http://127.0.0.1:6784/ip/weave:expose") printf 10.32.0.1/12 ;; esac`)
	for _, name := range []string{"grep", "sleep"} { // the stubs' own
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		n.link(path, "bin/"+name)
	}
	return n
}

func (n *node) link(to, path string) {
	n.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(n.dir, path)), 0o755); err != nil {
		n.Fatal(err)
	}
	if err := os.Symlink(to, filepath.Join(n.dir, path)); err != nil {
		n.Fatal(err)
	}
}

func (n *node) write(path, text string) {
	n.Helper()
	path = filepath.Join(n.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		n.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		n.Fatal(err)
	}
}

// program makes a program that notes its arguments and then runs the body.
func (n *node) program(path, body string) {
	n.write(path, fmt.Sprintf("#!/bin/sh\necho %s \"$@\" >>%s/calls\n%s\n", filepath.Base(path), n.dir, body))
}

func (n *node) read(path string) string {
	n.Helper()
	text, err := os.ReadFile(filepath.Join(n.dir, path))
	if err != nil {
		n.Error(err)
	}
	return strings.ReplaceAll(string(text), n.dir, "")
}

// run runs a script and returns its output and what it has called.
func (n *node) run(script string, arguments ...string) (out string, calls []string, err error) {
	n.Helper()
	os.Remove(filepath.Join(n.dir, "calls"))
	cmd := exec.CommandContext(n.Context(), filepath.Join(n.dir, "weave", script), arguments...)
	cmd.Env = n.env
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	err = cmd.Run()
	if _, missing := os.Stat(filepath.Join(n.dir, "calls")); missing == nil {
		calls = strings.Split(strings.TrimSpace(n.read("calls")), "\n")
	}
	return b.String(), calls, err
}

// router finds the call that became the router.
func router(t *testing.T, calls []string) string {
	t.Helper()
	i := slices.IndexFunc(calls, func(c string) bool { return strings.Contains(c, "--port=6783") })
	if i < 0 {
		t.Fatalf("no router was started: called:\n%s", strings.Join(calls, "\n"))
	}
	return calls[i]
}

func TestWeaveInit(t *testing.T) {
	n := newNode(t)
	for range 2 { // a pod starts many times
		if out, _, err := n.run("init.sh"); err != nil || out != "" {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if got := n.read("proc/sys/net/bridge/bridge-nf-call-iptables"); got != "1\n" {
		t.Errorf("bridge-nf-call-iptables: got %q, want 1", got)
	}
	for _, name := range []string{"weave-net", "weave-ipam"} {
		if got, err := os.Readlink(n.dir + "/host/opt/cni/bin/" + name); err != nil || got != "weave-plugin-2.6.5" {
			t.Errorf("%s: got a link to %q, %v; want weave-plugin-2.6.5", name, got, err)
		}
	}
	var network struct {
		Plugins []struct {
			Type        string
			HairpinMode bool
		}
	}
	if err := json.Unmarshal([]byte(n.read("host/etc/cni/net.d/10-weave.conflist")), &network); err != nil {
		t.Error(err)
	}
	if p := network.Plugins; len(p) != 2 || p[0].Type != "weave-net" || !p[0].HairpinMode || p[1].Type != "portmap" {
		t.Errorf("10-weave.conflist: got %+v, want weave-net with hairpins, then portmap", p)
	}
	// A new plugin replaces the old one; an administrator's settings stay.
	n.program("bin/weaveutil", "# new")
	n.write("host/etc/cni/net.d/10-weave.conflist", "mine")
	if out, _, err := n.run("init.sh"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if got := n.read("host/opt/cni/bin/weave-net"); !strings.Contains(got, "# new") {
		t.Errorf("the plugin is still the old one: %s", got)
	}
	if got := n.read("host/etc/cni/net.d/10-weave.conflist"); got != "mine" {
		t.Errorf("10-weave.conflist: got %q, want it as it was", got)
	}
}

func TestWeaveInitWhereOptIsReadOnly(t *testing.T) {
	n := newNode(t, "HAIRPIN_MODE=false")
	n.write("host/opt/cni", "not a folder")
	if _, _, err := n.run("init.sh"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.Readlink(n.dir + "/host/home/kubernetes/bin/weave-net"); err != nil || got != "weave-plugin-2.6.5" {
		t.Errorf("weave-net: got a link to %q, %v", got, err)
	}
	if got := n.read("host/etc/cni/net.d/10-weave.conflist"); !strings.Contains(got, `"hairpinMode": false`) {
		t.Errorf("10-weave.conflist: want no hairpins, got %s", got)
	}
}

func TestWeaveLaunch(t *testing.T) {
	const always = "weaver --ipalloc-init=consensus=2 --no-masq-local --expect-npc --nickname=london-1 --port=6783 --datapath=datapath --host-root=/host --name=02:00:00:00:00:01 --http-addr=127.0.0.1:6784 --metrics-addr=0.0.0.0:6782 --docker-api= --no-dns --db-prefix=/weave-net --ipalloc-range=10.32.0.0/12 --conn-limit=200"
	for name, test := range map[string]struct {
		env, arguments []string
		want           string
	}{
		"defaults": {nil, nil, always + " 10.0.0.2 10.0.0.3"},
		"host cluster": {
			[]string{"IPALLOC_INIT=consensus=3", "EXPECT_NPC=0", "WEAVE_MTU=1376", "WEAVE_NO_FASTDP=1", "NO_MASQ_LOCAL=1", "IPTABLES_BACKEND=nft", "INIT_CONTAINER=true"}, nil,
			strings.NewReplacer("consensus=2", "consensus=3", "--expect-npc ", "", "--nickname=london-1", "--nickname=london-1 --no-fastdp --mtu=1376").Replace(always) + " 10.0.0.2 10.0.0.3",
		},
		"joining cluster": {
			[]string{"IPALLOC_INIT=observer", "IPALLOC_RANGE=10.64.0.0/12"}, []string{"198.18.32.1", "198.18.32.2"},
			strings.NewReplacer("consensus=2", "observer", "10.32", "10.64").Replace(always) + " 198.18.32.1 198.18.32.2 10.0.0.2 10.0.0.3",
		},
		"everything else": {
			[]string{"KUBE_PEERS=10.0.0.9", "EXTRA_ARGS=--log-level=debug --no-discovery", "CONN_LIMIT=30", "NO_MASQ_LOCAL=0", "WEAVE_METRICS_ADDR=127.0.0.1:1", "WEAVE_STATUS_ADDR=0.0.0.0:2", "HOSTNAME="},
			[]string{"--trusted-subnets=10.0.0.0/8"},
			strings.NewReplacer("weaver ", "weaver --log-level=debug --no-discovery ", "consensus=2", "consensus=1", "--no-masq-local ", "", "--nickname=london-1", "--status-addr=0.0.0.0:2",
				"=200", "=30", "0.0.0.0:6782", "127.0.0.1:1").Replace(always) + " --trusted-subnets=10.0.0.0/8 10.0.0.9",
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, test.env...)
			out, calls, err := n.run("launch.sh", test.arguments...)
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if got := router(t, calls); got != test.want {
				t.Errorf("the router: got\n%s\nwant\n%s", got, test.want)
			}
			_, err = os.Stat(n.dir + "/host/opt/cni/bin/weave-net")
			if ran := err == nil; ran == slices.Contains(test.env, "INIT_CONTAINER=true") {
				t.Errorf("init.sh: ran is %v", ran)
			}
		})
	}
}

func TestWeaveLaunchWhatHappensWhen(t *testing.T) {
	n := newNode(t, "INIT_CONTAINER=true")
	// The router takes a moment to answer.
	n.program("bin/curl", `case $* in
	*/status) [ -e `+n.dir+`/asked ] || { : >`+n.dir+`/asked; exit 7; } ;;
	*"POST http://127.0.0.1:6784/ip/weave:expose") printf 10.32.0.1/12 ;; esac`)
	out, calls, err := n.run("launch.sh")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// The router runs beside the rest, so that it can be anywhere after its preparation.
	at := slices.Index(calls, router(t, calls))
	if at < 4 {
		t.Errorf("the router was started as number %d, before it was prepared: %q", at, calls)
	}
	calls = slices.Delete(calls, at, at+1)
	status := "curl -sS -o /dev/null --connect-timeout 3 http://127.0.0.1:6784/status"
	control := "curl -sS --fail-with-body --connect-timeout 3 -X POST http://127.0.0.1:6784"
	const me = " -node-name=london-1 -peer-name=02:00:00:00:00:01 -log-level=debug"
	if want := []string{
		"weaveutil netcheck 10.32.0.0/12 weave", "kube-utils", "weaver --print-peer-name --host-root=/host --db-prefix=/weave-net",
		"weaveutil set-db-flag /weave-net peer-reclaim ok", status, status, "kube-utils -reclaim" + me,
		control + "/ip/weave:expose", control + "/expose/10.32.0.1/12",
		"kube-utils -set-node-status -node-name=london-1", "kube-utils -run-reclaim-daemon" + me,
	}; !slices.Equal(calls, want) {
		t.Errorf("called:\n%s\nwant:\n%s", strings.Join(calls, "\n"), strings.Join(want, "\n"))
	}
}

func TestWeaveLaunchForgetsWhatOthersHaveTaken(t *testing.T) {
	for name, test := range map[string]struct {
		flag, listed string // exit statuses
		kept         bool
	}{
		"still a peer":               {"0", "9", true},
		"removed":                    {"0", "0", false},
		"data of before the reclaim": {"1", "0", true},
	} {
		n := newNode(t, "INIT_CONTAINER=true", "KUBE_PEERS=10.0.0.2")
		n.write("weave-netdata.db", "data")
		n.program("bin/weaveutil", "[ $1 != get-db-flag ] || exit "+test.flag)
		n.program("weave/kube-utils", "[ $1 != -check-peer-new ] || exit "+test.listed)
		if out, _, err := n.run("launch.sh"); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		if _, err := os.Stat(n.dir + "/weave-netdata.db"); (err == nil) != test.kept {
			t.Errorf("%s: kept the data: %v, want %v", name, err == nil, test.kept)
		}
	}
}

func TestWeaveLaunchExposesWhatItIsTold(t *testing.T) {
	n := newNode(t, "INIT_CONTAINER=true", "WEAVE_EXPOSE_IP=10.32.0.7/12", "WEAVE_HTTP_ADDR=127.0.0.1:1")
	out, calls, err := n.run("launch.sh")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"-X PUT http://127.0.0.1:1/ip/weave:expose/10.32.0.7/12", "-X POST http://127.0.0.1:1/expose/10.32.0.7/12"} {
		if !slices.ContainsFunc(calls, func(c string) bool { return strings.HasSuffix(c, want) }) {
			t.Errorf("want a call %s; called:\n%s", want, strings.Join(calls, "\n"))
		}
	}
}

// As the fork's: what restarts it is the program's probe.
func TestWeaveLaunchAsksForAnAddressOnce(t *testing.T) {
	n := newNode(t, "INIT_CONTAINER=true")
	n.program("bin/curl", `case $* in *"POST http://127.0.0.1:6784/ip/weave:expose") echo no address; echo expose >>`+n.dir+`/asked; exit 22 ;; esac`)
	// The router runs until it has been asked.
	n.program("weave/weaver", `case $* in *--print-peer-name*) echo 02:00:00:00:00:01 ;; *) until [ -e `+n.dir+`/asked ]; do sleep 0.01; done; sleep 0.2 ;; esac`)
	out, calls, err := n.run("launch.sh")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := n.read("asked"); got != "expose\n" || slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, "-run-reclaim-daemon") }) {
		t.Errorf("asked %q, and called:\n%s\nwant it to ask once, and to do nothing more", got, strings.Join(calls, "\n"))
	}
	if !strings.Contains(out, "POST /ip/weave:expose failed") {
		t.Errorf("got %q, want the refusal in the log", out)
	}
}

func TestWeaveLaunchComplains(t *testing.T) {
	for want, spoil := range map[string]func(*node){
		"Kubernetes doesn't tell": func(n *node) { n.program("weave/kube-utils", "exit 1") },
		"overlaps":                func(n *node) { n.program("bin/weaveutil", "[ $1 != netcheck ] || { echo overlaps; exit 1; }") },
		"want this peer's name":   func(n *node) { n.program("weave/weaver", "") },
		"IPTABLES_BACKEND is leg": func(n *node) { n.env = append(n.env, "IPTABLES_BACKEND=legacy") },
		"cni/net.d":               func(n *node) { n.write("host/etc/cni/net.d", "not a folder") },
	} {
		n := newNode(t)
		spoil(n)
		out, calls, err := n.run("launch.sh")
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("got %v, %s; want %q", err, out, want)
		}
		if slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, "--port") }) {
			t.Errorf("%s: the router was started nevertheless", want)
		}
	}
}

func TestWeaveCommand(t *testing.T) {
	const curl = "curl -sS --fail-with-body --connect-timeout 3 "
	for command, want := range map[string]string{
		"--local status":                 curl + "http://127.0.0.1:6784/status",
		"status connections":             curl + "http://127.0.0.1:6784/status/connections",
		"report":                         curl + "-H Accept: application/json http://127.0.0.1:6784/report",
		"report -f {{.Version}}":         curl + "--get --data-urlencode format={{.Version}} http://127.0.0.1:6784/report",
		"connect 1.2.3.4 5.6.7.8":        curl + "-d peer=1.2.3.4&peer=5.6.7.8 http://127.0.0.1:6784/connect",
		"connect --replace 1.2.3.4":      curl + "-d peer=1.2.3.4&replace=true http://127.0.0.1:6784/connect",
		"forget 1.2.3.4":                 curl + "-d peer=1.2.3.4 http://127.0.0.1:6784/forget",
		"--local rmpeer london-1 berlin": curl + "-X DELETE http://127.0.0.1:6784/peer/london-1\n" + curl + "-X DELETE http://127.0.0.1:6784/peer/berlin",
	} {
		n := newNode(t)
		out, calls, err := n.run("weave", strings.Fields(command)...)
		if got := strings.Join(calls, "\n"); err != nil || got != want {
			t.Errorf("%s: %v %s: called\n%s\nwant\n%s", command, err, out, got, want)
		}
	}
	for _, command := range []string{"", "--local", "launch", "status a b", "rmpeer", "connect", "report -x y"} {
		n := newNode(t)
		if out, calls, err := n.run("weave", strings.Fields(command)...); err == nil || len(calls) > 0 || !strings.Contains(out, "usage:") {
			t.Errorf("%q: got %v, %q, %s; want a failure and the usage", command, err, calls, out)
		}
	}
}
