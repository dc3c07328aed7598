package dockertest

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"hybrid/lab/registry"
	"hybrid/lab/vm"
)

// nodeData is what a program's user-data does for a node, with a network for pods
// that needs no other node.
const nodeData = `#cloud-config
write_files:
- path: /etc/cni/net.d/10-bridge.conflist
  content: |
    {"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
      "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.%[2]d.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
- path: /etc/kubeadm.yaml
  content: |
    apiVersion: kubeadm.k8s.io/v1beta4
    kind: InitConfiguration
    localAPIEndpoint: {advertiseAddress: %[1]s}
    nodeRegistration:
      ignorePreflightErrors: [SystemVerification, NumCPU, Mem, Swap]
    ---
    apiVersion: kubeadm.k8s.io/v1beta4
    kind: ClusterConfiguration
    kubernetesVersion: ` + registry.Kubernetes + `
    networking: {podSubnet: 10.244.0.0/16}
    apiServer: {certSANs: [198.18.64.11]}
    etcd: {local: {extraArgs: [{name: unsafe-no-fsync, value: "true"}]}}
    ---
    apiVersion: kubelet.config.k8s.io/v1beta1
    kind: KubeletConfiguration
    cgroupDriver: cgroupfs
    failSwapOn: false
    failCgroupV1: false
    ---
    apiVersion: kubeproxy.config.k8s.io/v1alpha1
    kind: KubeProxyConfiguration
    mode: iptables
    conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
runcmd:
- sysctl -qw net.ipv4.ip_forward=1
`

// hostSettings are those that the kubelet changes where it can.
var hostSettings = []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys"}

func settings(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, name := range hostSettings {
		text, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s=%s", name, text)
	}
	return out.String()
}

func TestKubernetes(t *testing.T) {
	before := settings(t)
	l := Open(t)
	ctx := t.Context()
	l.must(l.CreateNetwork(ctx, translated))
	first := l.Machine(vm.Machine{Name: "first", Cloud: "aws", NetworkID: translated.ID, PrivateIP: addr("10.20.0.11")}, fmt.Sprintf(nodeData, "10.20.0.11", 1))
	second := l.Machine(vm.Machine{Name: "second", Cloud: "aws", NetworkID: translated.ID, PrivateIP: addr("10.20.0.12")}, fmt.Sprintf(nodeData, "10.20.0.12", 2))
	open := []vm.Rule{{Protocol: "all", Peers: all}}
	l.must(l.ApplyPolicy(ctx, translated.ID, vm.Policy{
		Addresses: []vm.PublicAddress{{Public: addr("198.18.64.11"), Private: first.PrivateIP}, {Public: addr("198.18.64.12"), Private: second.PrivateIP}},
		Machines: []vm.MachinePolicy{
			{Addresses: []netip.Addr{first.PrivateIP}, Ingress: open, Egress: open},
			{Addresses: []netip.Addr{second.PrivateIP}, Ingress: open, Egress: open},
		},
	}))
	l.Booted(first)
	l.Booted(second)
	l.Mark("booted")
	sh := func(m vm.Machine, command string) string {
		t.Helper()
		out, err := l.Exec(m, command)
		if err != nil {
			pods, _ := l.Exec(m, "journalctl -u kubelet -n 20 --no-pager; ls /var/log/pods; tail -n 5 /var/log/pods/*/*/*.log")
			t.Fatalf("%s: %s: %v:\n%s\n%s", m.Name, command, err, out, pods)
		}
		return out
	}

	t.Run("the registry has what kubeadm asks for", func(t *testing.T) {
		for _, image := range strings.Fields(sh(first, "kubeadm config images list --kubernetes-version "+registry.Kubernetes)) {
			host, rest, _ := strings.Cut(image, "/")
			repository, tag, _ := strings.Cut(rest, ":")
			response, err := http.Get(fmt.Sprintf("http://%s/v2/%s/manifests/%s?ns=%s", vm.Registry, repository, tag, host))
			l.must(err)
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Errorf("%s: got %s", image, response.Status)
			}
		}
	})
	sh(first, "kubeadm init --config /etc/kubeadm.yaml")
	l.Mark("kubeadm init")
	const kubectl = "kubectl --kubeconfig /etc/kubernetes/admin.conf "
	join := sh(first, "kubeadm token create --print-join-command 2>/dev/null")
	// kubeadm join looks for the token's signature only every five seconds.
	sh(first, "until "+kubectl+"-n kube-public get configmap cluster-info -o yaml | grep -q jws-kubeconfig; do sleep 0.1; done")
	l.Mark("token signed")
	sh(second, join+" --ignore-preflight-errors=SystemVerification,NumCPU,Mem,Swap")
	l.Mark("kubeadm join")
	sh(first, kubectl+"wait --for=condition=Ready node --all --timeout=60s")
	l.Mark("nodes Ready")
	sh(first, kubectl+"-n kube-system wait --for=condition=Available deployment/coredns --timeout=60s")
	l.Mark("CoreDNS Available")
	// As on real machines, which get this version: see docs/lab.md.
	if got := sh(first, kubectl+"get node -o jsonpath='{.items[*].status.nodeInfo.containerRuntimeVersion}'"); got != "containerd://2.2.1 containerd://2.2.1" {
		t.Errorf("the nodes run %q; want containerd 2.2.1", got)
	}
	if said := sh(first, "journalctl -u containerd --no-pager | grep -v level=info | grep -i -e deprecat -e config || true"); said != "" {
		t.Errorf("containerd is not content with its configuration: %s", said)
	}
	// A setting that containerd doesn't know is not in what it makes of the file.
	for setting := range strings.Lines(sh(first, "sed -n 's/^ *\\([a-z_A-Z]* = \\)/\\1/p' /etc/containerd/config.toml")) {
		setting = strings.ReplaceAll(strings.TrimSpace(setting), `"`, "'")
		if !strings.Contains(sh(first, "containerd config dump"), setting) {
			t.Errorf("containerd does not know %q", setting)
		}
	}
	if response, err := insecure().Get("https://198.18.64.11:6443/readyz"); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("the API at the public address: got %v, %v", response, err)
	}
	t.Run("a node comes back", func(t *testing.T) {
		l.must(l.Docker.ContainerKill(ctx, "hybrid-lab-second", "KILL"))
		l.must(l.StartMachine(ctx, second.ID))
		l.must(Eventually(time.Minute, func() error {
			out, err := l.Exec(second, "systemctl is-active kubelet && pgrep -x kube-proxy")
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		}))
	})
	if after := settings(t); after != before {
		t.Errorf("the host's settings were\n%s\nand are now\n%s", before, after)
	}
}
