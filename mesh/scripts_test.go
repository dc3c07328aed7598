package mesh

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hybrid/clouds"
	"hybrid/internal/scripttest"
)

func TestMain(m *testing.M) { scripttest.Main(m) }

// node makes a machine on which Weave Net answers with what is in testdata, where
// edits replace lines of it: old, new, old, new.
func node(t *testing.T, edits ...string) *scripttest.Machine {
	t.Helper()
	m := scripttest.New(t)
	m.Program("kubectl", `case $* in *"get nodes"*) printf 'node/%s\n' london-1 london-2 ;; *"get daemonset"*) echo "2 of 2" ;; esac`)
	for _, name := range []string{"status", "connections", "peers", "ipam"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		m.File("weave/"+name, strings.NewReplacer(edits...).Replace(string(text)))
	}
	m.Program("curl", `cd `+m.Dir+`/weave; for url; do :; done
case "$* " in
*"DELETE "*/peer/*) sed "/^${url##*/}(/d" ipam >next && mv next ipam ;;
*6784/status*) cat ${url##*/} 2>/dev/null || exit 22 ;;
*) exit 7 ;;
esac`)
	return m
}

func composed(t *testing.T, name string, params map[string]string) string {
	t.Helper()
	body, err := scriptBody(name)
	if err != nil {
		t.Fatal(err)
	}
	return clouds.Compose(body, params)
}

func TestScriptsAreShell(t *testing.T) {
	for _, name := range []string{"admission", "end-peers", "take-part", "up"} {
		scripttest.Check(t, name, composed(t, name, map[string]string{"X": "it's\n$(two) lines"}))
	}
	for name, text := range map[string]string{"launch": launch, "reconnect": reconnect, "addressed": addressed} {
		cmd := exec.Command("sh", "-n")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// All meeting points go to Weave Net, each as an argument of its own; and a host
// that finds the others running does not seed a second ring.
func TestLaunch(t *testing.T) {
	const points = "192.0.2.1 paris-1\n192.0.2.2 paris-2\n"
	for _, c := range []struct{ points, init, connected, want string }{
		{points, "observer", "0.0", "observer <192.0.2.1> <192.0.2.2>"},
		{points, "consensus=2", "0.000000\n0.000000", "consensus=2"},
		{points, "consensus=2", "0.000000\n0.000371", "observer <192.0.2.1> <192.0.2.2>"},
		{"", "consensus=2", "0.1", "consensus=2"},
	} {
		m := scripttest.New(t)
		m.File("mesh/meeting-points", c.points)
		m.File("launch.sh", "#!/bin/sh\nprintf %s \"$IPALLOC_INIT\"\nfor a; do printf \" <$a>\"; done\n")
		// The API answers the second time.
		m.Program("curl", `case $* in *livez*) case $* in *"--cacert "*) ;; *) exit 60;; esac; [ -e `+m.Dir+`/tried ] || { touch `+m.Dir+`/tried; exit 7; } ;; *) printf '`+c.connected+`\n' ;; esac`)
		text := strings.NewReplacer("/mesh/", m.Dir+"/mesh/", "/home/weave/launch.sh", m.Dir+"/launch.sh").Replace(launch)
		cmd := exec.Command("sh", "-c", text)
		cmd.Env = []string{"PATH=" + m.Dir + "/bin", "KUBERNETES_SERVICE_HOST=10.96.0.1", "KUBERNETES_SERVICE_PORT=443", "IPALLOC_INIT=" + c.init}
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != c.want {
			t.Errorf("found %q, %v; want %q", out, err, c.want)
		}
	}
}

// Only those that are missing are offered; replace would make Weave Net forget all
// others.
func TestReconnect(t *testing.T) {
	m := node(t, "established encrypted   sleeve 0a:31:99:00:00:02(london-2)", "retrying    EOF 0a:31:99:00:00:02(london-2)")
	m.File("mesh/meeting-points", "192.0.2.1 america-1\n192.0.2.2 london-2\n192.0.2.3 paris-1\n")
	m.Program("sleep", `[ ! -e `+m.Dir+`/slept ] && touch `+m.Dir+`/slept`) // once
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(reconnect, "/mesh/", m.Dir+"/mesh/"))
	cmd.Env = []string{"PATH=" + m.Dir + "/bin"}
	_ = cmd.Run() // ends with sleep's failure
	calls, err := os.ReadFile(m.Dir + "/calls")
	if err != nil {
		t.Fatal(err)
	}
	var offered []string
	for line := range strings.Lines(string(calls)) {
		if _, what, ok := strings.Cut(line, " -d "); ok {
			offered = append(offered, strings.TrimSpace(what))
		}
	}
	want := []string{"peer=192.0.2.2 http://127.0.0.1:6784/connect", "peer=192.0.2.3 http://127.0.0.1:6784/connect"}
	if !slices.Equal(offered, want) {
		t.Errorf("offered %q, want %q", offered, want)
	}
}

// A peer that has nothing to have an address from is not restarted.
func TestAddressed(t *testing.T) {
	for name, c := range map[string]struct {
		ring, address string
		want          bool
	}{
		"addressed":      {"ready", "    inet 10.32.0.1/12 brd 10.47.255.255 scope global weave", true},
		"without":        {"ready", "", false},
		"ring not there": {"awaiting consensus (quorum: 2, known: 1)", "", true},
	} {
		m := node(t, "Status: ready", "Status: "+c.ring)
		m.Program("ip", "echo '"+c.address+"'")
		cmd := exec.Command("sh", "-c", addressed)
		cmd.Env = []string{"PATH=" + m.Dir + "/bin"}
		if err := cmd.Run(); (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := node(t)
	m.Program("curl", "exit 7")
	cmd := exec.Command("sh", "-c", addressed)
	cmd.Env = []string{"PATH=" + m.Dir + "/bin"}
	if err := cmd.Run(); err != nil {
		t.Errorf("a peer that doesn't answer yet: %v", err)
	}
}

func TestUp(t *testing.T) {
	params := map[string]string{"NODES": "london-1 london-2 america-1 america-2", "RECLAIMS": "no", "MACHINES": "1 2", "GENERATION": "1", "WEAVE": weaveCommand}
	for name, c := range map[string]struct {
		edits []string
		log   string
		// renewed is how many nodes of how many have the DaemonSet's last settings.
		renewed string
		want    []string
	}{
		"up":              {},
		"not running":     {edits: []string{"Name: ", "Nobody: "}, want: []string{"Weave Net does not answer"}},
		"not connected":   {edits: []string{"established encrypted   sleeve 0a:31:99:00:00:02(london-2)", "pending     encrypted   sleeve 0a:31:99:00:00:02(london-2)"}, want: []string{"no encrypted connection to london-2", "6783/tcp"}},
		"not encrypted":   {edits: []string{"established encrypted   sleeve c6:5d:64:12:00:02", "established unencrypted sleeve c6:5d:64:12:00:02"}, want: []string{"no encrypted connection to america-2"}},
		"others apart":    {edits: []string{"   <- 10.30.0.2:4444        c6:5d:64:12:00:01(america-1)          established", "   <- 10.30.0.2:4444        c6:5d:64:12:00:01(america-1)          pending"}, want: []string{"no connection from america-2 to america-1"}},
		"peer missing":    {edits: []string{"(london-2)", "(london-3)"}, want: []string{"no encrypted connection to london-2", "no connection from america-1 to london-2", "no addresses for london-2"}},
		"no addresses":    {edits: []string{"131072 IPs (12.5% of total) \n", "     0 IPs (00.0% of total) \n"}, want: []string{"no addresses for america-2"}},
		"wrong password":  {edits: []string{"established encrypted   sleeve c6", "retrying    Unable to decrypt TCP msg c6"}, want: []string{"the passwords differ: every cluster must have the same hybrid:weavePassword"}},
		"none there":      {edits: []string{"established encrypted   sleeve c6", "failed      no password specificed, but peer requested an encrypted connection c6"}, want: []string{"the passwords differ"}},
		"only in the log": {edits: []string{"established encrypted   sleeve c6", "retrying    EOF c6"}, log: "INFO: connection shutting down due to error during handshake: Unable to decrypt TCP msg", want: []string{"the passwords differ"}},
		"old settings":    {renewed: "1 of 2", want: []string{"nodes that have Weave Net as it is to be: 1 of 2"}},
		"no API":          {renewed: "Unable to connect to the server: of course", want: []string{"nodes that have Weave Net as it is to be: Unable"}},
		"no DaemonSet":    {renewed: " of ", want: []string{"nodes that have Weave Net as it is to be:  of "}},
		"another mesh":    {edits: []string{"established encrypted   sleeve c6", "retrying    IP allocation was seeded by different peers c6"}, want: []string{"there are two meshes"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := node(t, c.edits...)
			if c.renewed != "" {
				m.Program("kubectl", `case $* in *"get nodes"*) echo node/london-1 ;; *"get daemonset"*) echo "`+c.renewed+`" ;; esac`)
			}
			if c.log != "" {
				m.File("var/log/pods/kube-system_weave-net-abcde_1/weave/0.log", c.log+"\n")
			}
			_, stderr, _, err := m.Run(composed(t, "up", params), "mesh-up", "create")
			if (err != nil) != (len(c.want) > 0) {
				t.Fatalf("found %v: %s", err, stderr)
			}
			for _, want := range c.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("found %s\nwant %q", stderr, want)
				}
			}
		})
	}
}

// The program answers as Weave Net's own script does.
func TestWeaveCommand(t *testing.T) {
	m := node(t)
	path := "PATH=" + m.Dir + "/bin\n"
	if _, stderr, _, err := m.Run(composed(t, "up", map[string]string{
		"NODES": "", "RECLAIMS": "no", "MACHINES": "", "GENERATION": "", "WEAVE": weaveCommand,
	}), "mesh-up", "create"); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	installed, err := os.ReadFile(m.Dir + "/usr/local/bin/weave")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ command, of, url string }{
		{"status", "", "/status"}, {"status", "connections", "/status/connections"}, {"report", "", "/report"}, {"launch", "", ""},
	} {
		_, stderr, calls, err := m.Run(path+string(installed), c.command, c.of)
		switch {
		case c.url == "" && (err == nil || !strings.Contains(stderr, "usage: weave status")):
			t.Errorf("weave %s: found %v, %s", c.command, err, stderr)
		case c.url != "":
			scripttest.Called(t, calls, "curl -sSf -m 10 http://127.0.0.1:6784"+c.url)
		}
	}
}

// A wrong password is told early: waiting for the other peers can't help.
func TestUpDoesNotWaitForPasswords(t *testing.T) {
	params := map[string]string{"NODES": "london-1 london-2 america-1 america-2", "RECLAIMS": "no", "MACHINES": "", "GENERATION": "", "WEAVE": weaveCommand}
	text := composed(t, "up", params)
	asked := func(m *scripttest.Machine) int {
		_, stderr, calls, err := m.Run(text, "mesh-up", "create")
		if err == nil {
			t.Fatalf("no error: %s", stderr)
		}
		return len(calls)
	}
	password := asked(node(t, "established encrypted   sleeve c6", "retrying    Unable to decrypt TCP msg c6"))
	other := asked(node(t, "established encrypted   sleeve c6", "retrying    EOF c6"))
	if password >= other {
		t.Errorf("it asked %d times because of another password, and %d times for another reason", password, other)
	}
}

// A machine that has been replaced was another peer, whose addresses no other peer
// would ever ask for.
func TestUpReclaims(t *testing.T) {
	for reclaims, want := range map[string][]string{"yes": {"curl -sf -m 5 -X DELETE http://127.0.0.1:6784/peer/ce:00:00:00:00:01"}, "no": nil} {
		m := node(t, "(paris-1)", "(london-2)")
		_, stderr, calls, err := m.Run(composed(t, "up", map[string]string{
			"NODES": "london-1 london-2 america-1 america-2", "RECLAIMS": reclaims, "MACHINES": "", "GENERATION": "", "WEAVE": weaveCommand,
		}), "mesh-up", "create")
		if err != nil {
			t.Errorf("%v: %s", err, stderr)
		}
		scripttest.Called(t, slices.DeleteFunc(calls, func(c string) bool { return !strings.Contains(c, "DELETE") }), want...)
	}
	// A peer that is away at that moment is no replaced one: no other has its name.
	m := node(t)
	m.Program("curl", `cd `+m.Dir+`/weave; for url; do :; done
case $url in */ipam) cat ipam; sed '/london-2/s/$/- unreachable!/' ipam >next && mv next ipam ;; *) cat ${url##*/} ;; esac`)
	if _, stderr, calls, err := m.Run(composed(t, "up", map[string]string{
		"NODES": "london-1 london-2 america-1 america-2", "RECLAIMS": "yes", "MACHINES": "", "GENERATION": "", "WEAVE": weaveCommand,
	}), "mesh-up", "create"); err != nil || strings.Contains(fmt.Sprint(calls), "DELETE") {
		t.Errorf("%v: %s %v", err, stderr, calls)
	}
}

func TestAdmission(t *testing.T) {
	params := map[string]string{"CLUSTER": "paris"}
	if _, stderr, _, err := node(t).Run(composed(t, "admission", params), "mesh-admission", "create"); err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
	_, stderr, _, err := node(t, "Status: ready", "Status: awaiting consensus (quorum: 2, known: 1)").Run(composed(t, "admission", params), "mesh-admission", "create")
	if err == nil || !strings.Contains(stderr, "awaiting consensus") {
		t.Errorf("found %v: %s", err, stderr)
	}

	// Only what belongs to the cluster that has left is reclaimed.
	_, stderr, calls, err := node(t).Run(composed(t, "admission", params), "mesh-admission", "delete")
	if err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
	scripttest.Called(t, calls, reclaims...)

	// A living peer keeps its addresses.
	_, stderr, calls, err = node(t).Run(composed(t, "admission", map[string]string{"CLUSTER": "london"}), "mesh-admission", "delete")
	if err == nil || !strings.Contains(stderr, "peers of london are still in the mesh") || strings.Contains(fmt.Sprint(calls), "DELETE") {
		t.Errorf("found %v: %s", err, stderr)
	}
	// Nor does one that owns addresses, and is just not among the peers.
	_, stderr, calls, err = node(t, "12.5% of total) - unreachable!", "12.5% of total) ").Run(composed(t, "admission", params), "mesh-admission", "delete")
	if err == nil || !strings.Contains(stderr, "peers of paris are still in the mesh") || strings.Contains(fmt.Sprint(calls), "DELETE") {
		t.Errorf("found %v: %s", err, stderr)
	}
	// What can't be asked is not done.
	for _, file := range []string{"peers", "ipam"} {
		m := node(t)
		if err := os.Remove(m.Dir + "/weave/" + file); err != nil {
			t.Fatal(err)
		}
		_, stderr, calls, err = m.Run(composed(t, "admission", params), "mesh-admission", "delete")
		if err == nil || !strings.Contains(stderr, "Weave Net does not answer") || strings.Contains(fmt.Sprint(calls), "DELETE") {
			t.Errorf("without %s: found %v: %s", file, err, stderr)
		}
	}
	// What is not reclaimed is told.
	m := node(t)
	m.Program("curl", `for url; do :; done; cat `+m.Dir+`/weave/${url##*/} 2>/dev/null`)
	if _, stderr, _, err = m.Run(composed(t, "admission", params), "mesh-admission", "delete"); err == nil ||
		!strings.Contains(stderr, "did not reclaim the addresses of ce:00:00:00:00:01 ce:00:00:00:00:02") {
		t.Errorf("found %v: %s", err, stderr)
	}
}

// reclaims is how addresses of paris go back to the ring.
var reclaims = []string{
	"curl -sf -m 5 http://127.0.0.1:6784/status/peers", "curl -sf -m 5 http://127.0.0.1:6784/status/ipam",
	"curl -sf -m 5 -X DELETE http://127.0.0.1:6784/peer/ce:00:00:00:00:01", "curl -sf -m 5 -X DELETE http://127.0.0.1:6784/peer/ce:00:00:00:00:02",
	"curl -sf -m 5 http://127.0.0.1:6784/status/peers", "curl -sf -m 5 http://127.0.0.1:6784/status/ipam",
}

func TestEndPeers(t *testing.T) {
	params := map[string]string{"CLUSTER": "paris", "ADMIN": "users: []"}
	const end = "kubectl --kubeconfig /var/lib/hybrid/paris.conf --request-timeout 100s -n kube-system delete daemonset weave-net --ignore-not-found --cascade=foreground --timeout=100s"
	m := node(t)
	_, stderr, calls, err := m.Run(composed(t, "end-peers", params), "mesh-peers", "delete")
	if err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
	scripttest.Called(t, calls, append([]string{end}, reclaims...)...)

	// A cluster that is lost can't be asked. Its workers may run: nothing is taken from them,
	// and nothing waits for their machines, which go when this has ended.
	m.Program("kubectl", "echo first: no route; echo no route to host >&2; exit 1")
	_, stderr, calls, err = m.Run(composed(t, "end-peers", params), "mesh-peers", "delete")
	if err != nil || !strings.HasSuffix(stderr, "could not be ended in paris: no route to host\n") {
		t.Errorf("found %v: %s", err, stderr)
	}
	scripttest.Called(t, calls, end)
	if left, err := filepath.Glob(m.Dir + "/var/lib/hybrid/*"); err != nil || len(left) > 0 {
		t.Errorf("left on the machine: %v, %v", left, err)
	}
	if _, stderr, calls, err = m.Run(composed(t, "end-peers", params), "mesh-peers", "create"); err != nil || len(calls) > 0 {
		t.Errorf("found %v: %s: %v", err, stderr, calls)
	}
}

func TestTakePart(t *testing.T) {
	const kube = "kubectl --kubeconfig /etc/kubernetes/admin.conf "
	const weave = kube + "--request-timeout 20s -n kube-system "
	params := map[string]string{"NODE": "london-2"}
	answer := func(ready string) string {
		return `case $* in *jsonpath*) printf ` + ready + ` ;; *"get pods"*) echo pod/weave-net-abcde ;; esac`
	}
	m := node(t)
	m.Program("kubectl", answer("True"))
	_, stderr, calls, err := m.Run(composed(t, "take-part", params), "mesh-peer", "create")
	if err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
	scripttest.Called(t, calls, weave+"get pods", weave+"exec pod/weave-net-abcde -c weave -- curl",
		kube+"wait --for=condition=Ready node/london-2")

	m.Program("kubectl", `case $* in *condition=Ready*) exit 1 ;; *jsonpath*) echo "Ready=False: no CNI" ;; *"get pods"*) echo pod/weave-net-abcde ;; esac`)
	_, stderr, _, err = m.Run(composed(t, "take-part", params), "mesh-peer", "create")
	if err == nil || !strings.Contains(stderr, "no CNI") || !strings.Contains(stderr, "did not become Ready") {
		t.Errorf("found %v, %s", err, stderr)
	}
	m.Program("kubectl", answer("True"))

	_, stderr, calls, err = m.Run(composed(t, "take-part", params), "mesh-peer", "delete")
	if err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
	scripttest.Called(t, calls, kube+"get node london-2", kube+"drain london-2", weave+"get pods",
		weave+"exec pod/weave-net-abcde -c weave -- curl -sf -m 10 -X DELETE http://127.0.0.1:6784/peer")

	// A dead node must not keep anybody from deleting it.
	m.Program("kubectl", `case $* in *jsonpath*) printf Unknown ;; *"get pods"*) echo pod/weave-net-abcde ;; *) exit 1 ;; esac`)
	if _, stderr, calls, err = m.Run(composed(t, "take-part", params), "mesh-peer", "delete"); err != nil || strings.Contains(fmt.Sprint(calls), "drain") {
		t.Errorf("dead: %v: %s %v", err, stderr, calls)
	}
	m.Program("kubectl", `case $* in *jsonpath*) ;; *"get pods"*) exit 1 ;; esac`)
	if _, stderr, _, err = m.Run(composed(t, "take-part", params), "mesh-peer", "delete"); err != nil {
		t.Errorf("no such node: %v: %s", err, stderr)
	}
}
