package federation

import (
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

var programs = []string{
	"karmada-apiserver", "karmada-aggregated-apiserver", "kube-controller-manager",
	"karmada-controller-manager", "karmada-scheduler", "karmada-webhook",
}

func TestPrograms(t *testing.T) {
	r := world{}.make(t)
	for _, name := range append(slices.Clone(programs), "etcd") {
		spec, c := at(pod(t, r, name), "spec"), container(t, r, name)
		if at(spec, "automountServiceAccountToken").BoolValue() || text(spec, "securityContext", "seccompProfile", "type") != "RuntimeDefault" {
			t.Errorf("%s has more rights than it needs", name)
		}
		if at(c, "securityContext", "allowPrivilegeEscalation").BoolValue() || !slices.Equal(texts(c, "securityContext", "capabilities", "drop"), []string{"ALL"}) {
			t.Errorf("%s has more rights than it needs", name)
		}
		if name != "etcd" && !at(spec, "securityContext", "runAsNonRoot").BoolValue() {
			t.Errorf("%s runs as root", name)
		}
		for _, probe := range []resource.PropertyKey{"startupProbe", "livenessProbe", "readinessProbe"} {
			if text(c, probe, "httpGet", "path") == "" {
				t.Errorf("%s has no %s", name, probe)
			}
		}
		if text(c, "resources", "requests", "cpu") == "" || text(c, "resources", "requests", "memory") == "" {
			t.Errorf("%s requests nothing", name)
		}
		// Its own files, and no others.
		for _, v := range list(spec, "volumes") {
			if got := text(v, "secret", "secretName"); got != "" && got != name {
				t.Errorf("%s reads %s", name, got)
			}
		}
		// A reboot starts all at once: who comes too early waits.
		waiters := list(spec, "initContainers")
		if (len(waiters) == 1) != (name != "etcd") {
			t.Errorf("%s has %d init containers", name, len(waiters))
		}
		for _, c := range waiters {
			command := strings.Join(texts(c, "command"), " ")
			if mounts := list(c, "volumeMounts"); len(mounts) != 1 || text(mounts[0], "subPath") != "ca.crt" ||
				!strings.Contains(command, "curl -sSf --cacert "+text(mounts[0], "mountPath")+" ") {
				t.Errorf("%s is waited for by %q with %v: want it verified by the authority's certificate, and no key there", name, command, mounts)
			}
		}
	}
	if got := text(container(t, r, "karmada-apiserver"), "image"); got != "registry.k8s.io/kube-apiserver:v1.35.4" {
		t.Errorf("the API server is %s", got)
	}
	if got := text(container(t, r, "karmada-webhook"), "image"); got != "docker.io/karmada/karmada-webhook:v1.18.1" {
		t.Errorf("the webhook is %s", got)
	}
}

func TestNoToolsNoWaiting(t *testing.T) {
	r := world{change: func(a *Args) { a.ToolsImage = "" }}.make(t)
	if waits := list(pod(t, r, "karmada-scheduler"), "spec", "initContainers"); len(waits) > 0 {
		t.Errorf("found %v", waits)
	}
}

// Who needs which key.
func TestFiles(t *testing.T) {
	r := world{}.make(t)
	for name, want := range map[string][]string{
		"etcd":                         {"ca.crt", "tls.crt", "tls.key"},
		"karmada-aggregated-apiserver": {"ca.crt", "etcd.crt", "etcd.key", "kubeconfig", "tls.crt", "tls.key"},
		"kube-controller-manager":      {"accounts.key", "ca.crt", "kubeconfig"},
		"karmada-controller-manager":   {"ca.crt", "kubeconfig"},
		"karmada-scheduler":            {"ca.crt", "kubeconfig"},
		"karmada-webhook":              {"ca.crt", "kubeconfig", "tls.crt", "tls.key"},
		"karmada-apiserver": {
			"accounts.key", "accounts.pub", "authentication.yaml", "ca.crt", "etcd.crt", "etcd.key",
			"front-proxy-ca.crt", "front-proxy.crt", "front-proxy.key", "tls.crt", "tls.key", "tokens.csv",
		},
	} {
		var got []string
		data := at(r.Find(t, "federation-"+name+"-files").Inputs["stringData"]).ObjectValue()
		for file, content := range data {
			got = append(got, string(file))
			// No authority's key leaves the state.
			if strings.Contains(text(content), mockcloud.PrivatePEM+"federation-ca-key") || strings.Contains(text(content), "front-proxy-ca-key") {
				t.Errorf("%s has an authority's key in %s", name, file)
			}
		}
		if !same(got, want) {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
	}
}

func TestFlags(t *testing.T) {
	r := world{change: func(a *Args) { a.EtcdArgs = []string{"--unsafe-no-fsync=true"} }}.make(t)
	has(t, r, "etcd", "--client-cert-auth=true", "--data-dir=/var/lib/etcd/data", "--unsafe-no-fsync=true")
	has(t, r, "karmada-apiserver", "--token-auth-file=/etc/federation/tokens.csv", "--authentication-config=/etc/federation/authentication.yaml",
		"--disable-admission-plugins=StorageObjectInUseProtection", "--authorization-mode=RBAC", "--tls-min-version=VersionTLS13", "--etcd-servers=https://etcd.federation.svc.cluster.local:2379")
	has(t, r, "karmada-aggregated-apiserver", "--secure-port=5443", "--etcd-certfile=/etc/federation/etcd.crt")
	// A dead member must not hold up the questions.
	sysctls := list(at(r.Find(t, "federation-karmada-controller-manager").Inputs["spec"], "template", "spec", "securityContext", "sysctls"))
	if len(sysctls) != 1 || text(sysctls[0], "name") != "net.ipv4.tcp_syn_retries" || text(sysctls[0], "value") != "2" {
		t.Errorf("karmada-controller-manager dials as if all were alive: %v", sysctls)
	}
	has(t, r, "karmada-controller-manager", "--feature-gates=MultiClusterService=true,Failover=false", "--leader-elect=false",
		"--cluster-status-update-frequency=5s", "--cluster-failure-threshold=10s")
	has(t, r, "kube-controller-manager", "--controllers=namespace,garbagecollector,serviceaccount,serviceaccount-token,clusterrole-aggregation", "--leader-elect=false")
}

// With one replica there is no election, and no two may run at once; with more, one is
// always there.
func TestReplicas(t *testing.T) {
	one, two := world{}.make(t), world{change: func(a *Args) { a.Replicas = 2 }}.make(t)
	for _, name := range programs {
		controller := strings.Contains(name, "controller") || strings.Contains(name, "scheduler")
		for _, c := range []struct {
			r        *mockcloud.Record
			replicas float64
			strategy string
		}{{one, 1, "Recreate"}, {two, 2, "RollingUpdate"}} {
			if !controller {
				c.strategy = "RollingUpdate"
			}
			spec := c.r.Find(t, "federation-"+name).Inputs["spec"]
			if got := at(spec, "replicas").NumberValue(); got != c.replicas {
				t.Errorf("%s: %v replicas, want %v", name, got, c.replicas)
			}
			if got := text(spec, "strategy", "type"); got != c.strategy {
				t.Errorf("%s with %v: %s, want %s", name, c.replicas, got, c.strategy)
			}
		}
		if controller {
			has(t, two, name, "--leader-elect=true")
		}
		two.Find(t, "federation-"+name+"-budget")
	}
	if budgets := one.OfType("kubernetes:policy/v1:PodDisruptionBudget"); len(budgets) > 0 {
		t.Error("a budget for one pod keeps its node from being drained for ever")
	}
	if got := at(two.Find(t, "federation-etcd").Inputs["spec"], "replicas").NumberValue(); got != 1 {
		t.Errorf("%v etcds, each with data of its own", got)
	}
}

func TestServices(t *testing.T) {
	r := world{}.make(t)
	port := func(name string) resource.PropertyValue {
		service := r.Find(t, "federation-"+name+"-service")
		if text(service.Inputs["metadata"], "annotations", "pulumi.com/skipAwait") != "true" {
			t.Errorf("%s is waited for before its pods are made", name)
		}
		return list(service.Inputs["spec"], "ports")[0]
	}
	if got := at(port("karmada-apiserver"), "nodePort").NumberValue(); got != 30443 {
		t.Errorf("the API is at port %v", got)
	}
	for name, want := range map[string]float64{"karmada-webhook": 8443, "karmada-aggregated-apiserver": 5443} {
		if p := port(name); at(p, "port").NumberValue() != 443 || at(p, "targetPort").NumberValue() != want {
			t.Errorf("%s: %v", name, p)
		}
	}
}

// What the federation knows outlives etcd's pod.
func TestEtcdStorage(t *testing.T) {
	r := world{}.make(t)
	spec := at(pod(t, r, "etcd"), "spec")
	var folder string
	for _, v := range list(spec, "volumes") {
		folder += text(v, "hostPath", "path")
	}
	if folder != "/var/lib/federation-etcd" || at(spec, "nodeSelector", "node-role.kubernetes.io/control-plane").IsNull() {
		t.Errorf("data in %q, node %v", folder, at(spec, "nodeSelector"))
	}
	if identity := text(r.Find(t, "federation-kubernetes").Inputs["clusterIdentifier"]); identity != "federation-cluster/america-1-init-id//var/lib/federation-etcd" {
		t.Errorf("identity %s", identity)
	}

	r = world{change: func(a *Args) { a.StorageClass = "ssd" }}.make(t)
	spec = at(pod(t, r, "etcd"), "spec")
	if !at(spec, "nodeSelector").IsNull() || strings.Contains(mockcloud.Plain(spec.ObjectValue()), "federation-etcd") {
		t.Error("etcd is bound to a node")
	}
	claims := list(r.Find(t, "federation-etcd").Inputs["spec"], "volumeClaimTemplates")
	if len(claims) != 1 || text(claims[0], "spec", "storageClassName") != "ssd" || text(claims[0], "metadata", "name") != "data" {
		t.Errorf("claims %v", claims)
	}
}
