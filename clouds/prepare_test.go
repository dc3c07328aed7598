package clouds

import (
	"encoding/json"
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
	m.file("proc/sys/net/ipv4/ip_forward", "1\n")
	m.file("proc/sys/net/bridge/bridge-nf-call-iptables", "1\n")
	for _, plugin := range []string{"bridge", "host-local", "loopback", "portmap"} {
		m.file("usr/lib/cni/"+plugin, "")
	}
	for _, name := range []string{"runc", "curl", "dpkg", "apt-get", "apt-mark"} {
		m.program(name, "")
	}
	m.program("containerd", `echo "config_path = '/etc/containerd/certs.d'"`)
	tools := map[string]string{
		"kubeadm": `case $1 in version) echo ` + version + ` ;; *) echo registry.k8s.io/pause:3.10.1 ;; esac`,
		"kubelet": "echo Kubernetes " + version,
	}
	os.Remove(m.dir + "/bin/kubeadm")
	for name, body := range tools {
		if version != "" {
			m.program(name, body)
		}
	}
	return m
}

var prepareParams = map[string]string{"VERSION": "v1.35.4", "MIRROR": "http://198.51.100.5", "NODE_LOCAL_NET": "100.64.0.0/24"}

func (m *machine) read(path string) string {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.dir, path))
	if err != nil {
		m.t.Error(err)
	}
	return string(text)
}

func TestPrepareTakesTheImageAsItIs(t *testing.T) {
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
	var network struct {
		Name    string
		Plugins []struct{ Type string }
	}
	if err := json.Unmarshal([]byte(m.read("etc/cni/net.d/99-node-local.conflist")), &network); err != nil || len(network.Plugins) != 2 {
		t.Errorf("node-local network: %v, %v", network, err)
	}
	if _, err := os.Stat(m.dir + "/opt/cni/bin/portmap"); err != nil {
		t.Error(err)
	}
	// A mirror that is no longer wanted goes away.
	none := maps.Clone(prepareParams)
	none["MIRROR"] = ""
	if _, stderr, _, err := m.run("prepare", "create", none); err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
	if _, err := os.Stat(m.dir + "/etc/containerd/certs.d/_default/hosts.toml"); err == nil {
		t.Error("the mirror is still there")
	}
}

func TestPrepareInstalls(t *testing.T) {
	m := prepared(t, "")
	// What apt installs.
	m.program("apt-get", `case $* in *install*)
		printf '#!/bin/sh\ncase $1 in version) echo v1.35.4;; *) echo registry.k8s.io/pause:3.10.1;; esac\n' >`+m.dir+`/bin/kubeadm
		printf '#!/bin/sh\necho Kubernetes v1.35.4\n' >`+m.dir+`/bin/kubelet
		chmod +x `+m.dir+`/bin/kube*;; esac`)
	m.program("curl", `while [ "$1" != -o ]; do shift; done; echo key >"$2"`)
	_, stderr, calls, err := m.run("prepare", "create", prepareParams)
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	called(t, calls, "curl", "dpkg --configure -a", "apt-get -qq -o DPkg::Lock::Timeout=300 update",
		"apt-get -qq -y -o DPkg::Lock::Timeout=300 --allow-change-held-packages install containerd conntrack kubeadm=1.35.4-* kubelet=1.35.4-* kubectl=1.35.4-*",
		"apt-mark hold kubeadm kubelet kubectl", "systemctl restart containerd", "containerd config dump")
	if got := m.read("etc/containerd/config.toml"); !strings.Contains(got, `sandbox_image = "registry.k8s.io/pause:3.10.1"`) || !strings.Contains(got, "SystemdCgroup = true") {
		t.Errorf("config.toml:\n%s", got)
	}
	if got := m.read("etc/apt/sources.list.d/kubernetes.list"); !strings.Contains(got, "https://pkgs.k8s.io/core:/stable:/v1.35/deb/ /") {
		t.Errorf("kubernetes.list: %s", got)
	}
	// Nothing is installed twice, and a node that is in use is not upgraded.
	if _, _, calls, err = m.run("prepare", "create", prepareParams); err != nil || slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, "apt") }) {
		t.Errorf("again: %v, %v", err, calls)
	}
	m.file("etc/kubernetes/kubelet.conf", "x")
	other := maps.Clone(prepareParams)
	other["VERSION"] = "v1.35.5"
	if _, stderr, _, err = m.run("prepare", "create", other); err == nil || !strings.Contains(stderr, "this node runs Kubernetes v1.35.4, and hybrid:kubernetesVersion is v1.35.5") {
		t.Errorf("upgrade: %v, %s", err, stderr)
	}
}

func TestPrepareComplains(t *testing.T) {
	for want, spoil := range map[string]func(*machine){
		"kubeadm is v1.34.0, and hybrid:kubernetesVersion is v1.35.4": func(m *machine) { m.program("kubeadm", "echo v1.34.0") },
		"kubelet is v1.34.0, and hybrid:kubernetesVersion is v1.35.4": func(m *machine) { m.program("kubelet", "echo Kubernetes v1.34.0") },
		"doesn't read /etc/containerd/certs.d":                        func(m *machine) { m.program("containerd", "") },
		"CNI plugin portmap":                                          func(m *machine) { os.Remove(m.dir + "/usr/lib/cni/portmap") },
		"bridge-nf-call-iptables to be 1, found missing":              func(m *machine) { os.RemoveAll(m.dir + "/proc/sys/net/bridge") },
		"ip_forward to be 1, found 0":                                 func(m *machine) { m.file("proc/sys/net/ipv4/ip_forward", "0\n") },
	} {
		m := prepared(t, "v1.35.4")
		spoil(m)
		_, stderr, _, err := m.run("prepare", "create", prepareParams)
		if err == nil || !strings.Contains(strings.ReplaceAll(stderr, m.dir, ""), want) {
			t.Errorf("found %v, %s; want %q", err, stderr, want)
		}
	}
}
