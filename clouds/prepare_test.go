package clouds

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// prepared makes a machine whose image has Kubernetes on board, or nothing.
func prepared(t *testing.T, version string) *machine {
	m := newMachine(t)
	m.File("proc/sys/net/ipv4/ip_forward", "1\n")
	m.File("proc/sys/net/bridge/bridge-nf-call-iptables", "1\n")
	for _, plugin := range []string{"loopback", "portmap"} {
		m.File("usr/lib/cni/"+plugin, "")
	}
	for _, name := range []string{"runc", "curl", "dpkg", "apt-get", "apt-mark"} {
		m.Program(name, "")
	}
	m.Program("containerd", containerd("2.2.1"))
	m.Program("conntrack", "")
	tools := map[string]string{
		"kubeadm": `case $1 in version) echo ` + version + ` ;; *) echo registry.k8s.io/pause:3.10.1 ;; esac`,
		"kubelet": "echo Kubernetes " + version,
	}
	m.remove("kubeadm")
	for name, body := range tools {
		if version != "" {
			m.Program(name, body)
		}
	}
	return m
}

// brings says what the distribution's package of containerd has.
func (m *machine) brings(containerd string) {
	m.File("packages/containerd", "#!/bin/sh\necho containerd \"$@\" >>"+m.Dir+"/calls\n"+containerd)
}

func (m *machine) remove(program string) {
	m.t.Helper()
	if err := os.Remove(filepath.Join(m.Dir, "bin", program)); err != nil {
		m.t.Fatal(err)
	}
}

// containerd is a program of a version, as far as the script calls it.
func containerd(version string) string {
	return `case $1 in
		--version) echo containerd github.com/containerd/containerd ` + version + ` 1c4457e00facac03ce1d75f7b6777a7a851e5c41 ;;
		*) echo "config_path = '/etc/containerd/certs.d'" ;; esac`
}

var prepareParams = map[string]string{"VERSION": "v1.35.4", "MIRROR": "http://198.51.100.5", "PACKAGES": ""}

func (m *machine) read(path string) string {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.Dir, path))
	if err != nil {
		m.t.Error(err)
	}
	return string(text)
}

func TestPrepareTakesTheImageAsItIs(t *testing.T) {
	t.Parallel()
	m := prepared(t, "v1.35.4")
	for range 2 {
		_, stderr, calls, err := m.run("prepare", "create", prepareParams)
		if err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
		called(t, calls, "kubeadm version", "kubelet --version", "containerd config dump")
	}
	if got, want := m.read("etc/containerd/certs.d/_default/hosts.toml"), "server = \"http://198.51.100.5\"\n[host.\"http://198.51.100.5\"]\n  capabilities = [\"pull\", \"resolve\"]\n"; got != want {
		t.Errorf("hosts.toml:\n%s\nwant:\n%s", got, want)
	}
	if _, err := os.Stat(m.Dir + "/opt/cni/bin/portmap"); err != nil {
		t.Error(err)
	}
	// A mirror that is no longer wanted goes away.
	none := maps.Clone(prepareParams)
	none["MIRROR"] = ""
	if _, stderr, _, err := m.run("prepare", "create", none); err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
	if _, err := os.Stat(m.Dir + "/etc/containerd/certs.d/_default/hosts.toml"); err == nil {
		t.Error("the mirror is still there")
	}
}

// key is a program that fetches one.
const key = `while [ "$1" != -o ]; do shift; done; echo key >"$2"`

// installing makes a machine of an image without Kubernetes. Before apt-get does
// anything, it does what is said.
func installing(t *testing.T, first string) *machine {
	m := prepared(t, "")
	m.remove("containerd")
	m.remove("conntrack")
	m.brings(containerd("2.2.1"))
	m.Program("apt-get", first+`
		case $* in *install*)
		cp `+m.Dir+`/packages/containerd `+m.Dir+`/bin 2>/dev/null
		printf '#!/bin/sh\ncase $1 in version) echo v1.35.4;; *) echo registry.k8s.io/pause:3.10.1;; esac\n' >`+m.Dir+`/bin/kubeadm
		printf '#!/bin/sh\necho Kubernetes v1.35.4\n' >`+m.Dir+`/bin/kubelet
		chmod +x `+m.Dir+`/bin/kube*;; esac`)
	m.Program("curl", key)
	return m
}

func TestPrepareInstalls(t *testing.T) {
	t.Parallel()
	m := installing(t, "")
	_, stderr, calls, err := m.run("prepare", "create", prepareParams)
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	called(t, calls, "curl", "dpkg --configure -a", "apt-get -qq update",
		"apt-get -qq -y --allow-change-held-packages install containerd runc conntrack kubeadm=1.35.4-* kubelet=1.35.4-* kubectl=1.35.4-*",
		"apt-mark hold containerd runc kubeadm kubelet kubectl", "containerd --version", "systemctl restart containerd", "containerd config dump")
	if got := m.read("etc/containerd/config.toml"); !strings.Contains(got, `sandbox = "registry.k8s.io/pause:3.10.1"`) || !strings.Contains(got, "SystemdCgroup = true") {
		t.Errorf("config.toml:\n%s", got)
	}
	if got := m.read("etc/apt/sources.list.d/kubernetes.list"); !strings.Contains(got, "https://pkgs.k8s.io/core:/stable:/v1.35/deb/ /") {
		t.Errorf("kubernetes.list: %s", got)
	}
	// Nothing is installed twice, and a node that is in use is not upgraded.
	if _, _, calls, err = m.run("prepare", "create", prepareParams); err != nil || slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, "apt") }) {
		t.Errorf("again: %v, %v", err, calls)
	}
	m.File("etc/kubernetes/kubelet.conf", "x")
	other := maps.Clone(prepareParams)
	other["VERSION"] = "v1.35.5"
	if _, stderr, _, err = m.run("prepare", "create", other); err == nil || !strings.Contains(stderr, "this node runs Kubernetes v1.35.4, and kubernetesVersion is v1.35.5") {
		t.Errorf("upgrade: %v, %s", err, stderr)
	}
}

// What dpkg and apt-get say when another program has the locks.
const (
	dpkgLocked = `echo "dpkg: error: dpkg frontend lock was locked by another process with pid 812"; exit 2`
	aptLocked  = `echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 812 (apt-get)"; exit 100`
)

func TestPrepareWaitsForTheLocksOfPackages(t *testing.T) {
	t.Parallel()
	m := installing(t, `[ -e $0.tried ] || { >$0.tried; `+aptLocked+`; }`)
	m.Program("dpkg", `[ -e $0.tried ] || { >$0.tried; `+dpkgLocked+`; }`)
	_, stderr, calls, err := m.run("prepare", "create", prepareParams)
	if err != nil || strings.Contains(stderr, "lock") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, "curl", "dpkg --configure -a", "dpkg --configure -a", "apt-get -qq update", "apt-get -qq update",
		"apt-get -qq -y", "apt-mark hold", "containerd --version", "systemctl restart containerd", "containerd config dump")
	// They may come between.
	m = installing(t, "")
	m.Program("apt-mark", `[ -e $0.tried ] || { >$0.tried; `+dpkgLocked+`; }`)
	_, stderr, calls, err = m.run("prepare", "create", prepareParams)
	if err != nil || strings.Contains(stderr, "lock") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, "curl", "dpkg --configure -a", "apt-get -qq update", "apt-get -qq -y", "apt-mark hold", "apt-mark hold",
		"containerd --version", "systemctl restart containerd", "containerd config dump")
}

func TestPrepareGivesUpWaiting(t *testing.T) {
	t.Parallel()
	for program, c := range map[string]struct{ body, want string }{
		"dpkg":    {dpkgLocked, "locked by another process with pid 812"},
		"apt-get": {aptLocked, "held by process 812 (apt-get)"},
	} {
		m := installing(t, "")
		m.Program(program, c.body)
		_, stderr, calls, err := m.run("prepare", "create", prepareParams)
		for _, want := range []string{c.want, "another program has held the locks of packages for 15 minutes: end it, then run pulumi up again"} {
			if err == nil || strings.Count(stderr, want) != 1 {
				t.Errorf("%s: found %v, %s; want %q, once", program, err, stderr, want)
			}
		}
		if last := calls[len(calls)-1]; !strings.HasPrefix(last, program) {
			t.Errorf("%s: went on with %s", program, last)
		}
	}
	// Any other failure is told at once.
	m := installing(t, "")
	m.Program("dpkg", "echo unknown block; exit 1")
	_, stderr, calls, err := m.run("prepare", "create", prepareParams)
	if err == nil || !strings.Contains(stderr, "unknown block") || !strings.Contains(stderr, `"dpkg --configure" failed`) {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, calls, "curl", "dpkg --configure -a")
}

// The configuration is in containerd 2's syntax: 1.x would not start with it.
func TestPrepareWantsContainerd2(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"1.6.20~ds1": "found 1.6.20~ds1", "v1.7.28": "found v1.7.28", "": "found none", "v2.0.0": "", "10.0.0": ""} {
		m := installing(t, "")
		m.brings(containerd(version))
		if version == "" {
			m.brings("exit 1")
		}
		_, stderr, _, err := m.run("prepare", "create", prepareParams)
		if failed := strings.Contains(stderr, "expected containerd 2 or newer from the image's packages, "+want); failed != (want != "") {
			t.Errorf("containerd %q: found %v, %s; want %q", version, err, stderr, want)
		}
	}
}

func TestPrepareComplains(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*machine){
		// Other versions than those that are installed come before them.
		"after their packages were installed, found v1.34.0 v1.35.4": func(m *machine) { m.Program("kubeadm", "echo v1.34.0"); m.Program("curl", key) },
		"after their packages were installed, found v1.35.4 v1.34.0": func(m *machine) { m.Program("kubelet", "echo Kubernetes v1.34.0"); m.Program("curl", key) },
		"doesn't read /etc/containerd/certs.d":                       func(m *machine) { m.Program("containerd", "") },
		"CNI plugin portmap":                                         func(m *machine) { os.Remove(m.Dir + "/usr/lib/cni/portmap") },
		"bridge-nf-call-iptables to be 1, found missing":             func(m *machine) { os.RemoveAll(m.Dir + "/proc/sys/net/bridge") },
		"ip_forward to be 1, found 0":                                func(m *machine) { m.File("proc/sys/net/ipv4/ip_forward", "0\n") },
	} {
		m := prepared(t, "v1.35.4")
		spoil(m)
		_, stderr, _, err := m.run("prepare", "create", prepareParams)
		if err == nil || !strings.Contains(strings.ReplaceAll(stderr, m.Dir, ""), want) {
			t.Errorf("found %v, %s; want %q", err, stderr, want)
		}
	}
}

// An image with another version than the node's gets that from the repository, and keeps
// its containerd; so does a machine that asks a mirror.
func TestPrepareInstallsAnotherVersion(t *testing.T) {
	t.Parallel()
	m := prepared(t, "v1.35.4")
	m.Program("curl", key)
	m.Program("apt-get", `case $* in *install*)
		for name in kubeadm kubelet; do sed -i s/v1.35.4/v1.36.5/ `+m.Dir+`/bin/$name; done ;; esac`)
	params := map[string]string{"VERSION": "v1.36.5", "MIRROR": "", "PACKAGES": "http://198.51.100.6"}
	_, stderr, calls, err := m.run("prepare", "create", params)
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	calls = slices.DeleteFunc(calls, func(c string) bool { return strings.HasPrefix(c, "kube") })
	called(t, calls, "curl", "dpkg --configure -a", "apt-get -qq update",
		"apt-get -qq -y --allow-change-held-packages install kubeadm=1.36.5-* kubelet=1.36.5-* kubectl=1.36.5-*",
		"apt-mark hold kubeadm kubelet kubectl")
	if got := m.read("etc/apt/sources.list.d/kubernetes.list"); !strings.Contains(got, " http://198.51.100.6/core:/stable:/v1.36/deb/ /") {
		t.Errorf("kubernetes.list: %s", got)
	}
	if !strings.Contains(stderr, "installing Kubernetes v1.36.5 from http://198.51.100.6") {
		t.Errorf("said %s", stderr)
	}
}
