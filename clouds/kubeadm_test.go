package clouds

import (
	"errors"
	"flag"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"hybrid/internal/settings"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "rewrite testdata")

// golden compares with a file in testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	path := "testdata/" + file
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: found:\n%s\nwant:\n%s\n(if it is meant to be so: go test ./clouds -update)", path, got, want)
	}
}

func overridden() *ClusterArgs {
	a := args(AWS)
	a.DNSNames = []string{"frankfurt.example.org"}
	a.Kubeadm = KubeadmOverrides{
		InitConfiguration: document{"nodeRegistration": document{
			"ignorePreflightErrors": []any{"NumCPU"},
			"kubeletExtraArgs":      []any{document{"name": "v", "value": "4"}},
		}},
		JoinConfiguration: document{"nodeRegistration": document{
			"ignorePreflightErrors": []any{"NumCPU"},
			"kubeletExtraArgs":      []any{document{"name": "node-ip", "value": "::1"}},
		}},
		ClusterConfiguration: document{
			"apiServer": document{"certSANs": []any{"k.example.org"}},
			"etcd":      document{"local": document{"extraArgs": []any{document{"name": "unsafe-no-fsync", "value": "true"}}}},
		},
		KubeletConfiguration:   document{"cgroupDriver": "cgroupfs", "maxOpenFiles": int64(2000000)},
		KubeProxyConfiguration: document{"mode": "iptables"},
	}
	return a
}

func TestKubeadmDocuments(t *testing.T) {
	t.Parallel()
	for file, a := range map[string]*ClusterArgs{"init.yaml": args(AWS), "init-overridden.yaml": overridden()} {
		got, err := render(initDocuments("frankfurt", a, "frankfurt-1", "10.10.0.2", "192.0.2.1")...)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, file, got)
	}
	for file, a := range map[string]*ClusterArgs{"join.yaml": args(AWS), "join-overridden.yaml": overridden()} {
		got, err := joinDocument(a, "frankfurt-2", "10.10.0.3", joinCommand{"10.10.0.2:6443", token, caHash})
		if err != nil {
			t.Fatal(err)
		}
		golden(t, file, got)
	}
}

// Of the settings, what counts for a running cluster is neither its names, nor its
// version, nor what only a new node looks at.
func TestSettingsOfARunningCluster(t *testing.T) {
	t.Parallel()
	settings := func(change func(*ClusterArgs)) string {
		a := args(AWS)
		change(a)
		p, err := initParams("frankfurt", a, "frankfurt-1", "10.10.0.2", "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		return p["SETTINGS"]
	}
	before := settings(func(*ClusterArgs) {})
	for name, c := range map[string]struct {
		change func(*ClusterArgs)
		counts bool
	}{
		"version":  {func(a *ClusterArgs) { a.Shared.KubernetesVersion = "v1.35.8" }, false},
		"names":    {func(a *ClusterArgs) { a.DNSNames = []string{"frankfurt.example.org"} }, false},
		"services": {func(a *ClusterArgs) { a.ServiceCIDR = a.NetworkCIDR }, false},
		"registration": {func(a *ClusterArgs) {
			a.Kubeadm = KubeadmOverrides{InitConfiguration: overridden().Kubeadm.InitConfiguration}
		}, false},
		"etcd": {func(a *ClusterArgs) {
			a.Kubeadm = KubeadmOverrides{ClusterConfiguration: overridden().Kubeadm.ClusterConfiguration}
		}, true},
		"kubelet": {func(a *ClusterArgs) { a.Kubeadm.KubeletConfiguration = document{"maxPods": int64(50)} }, true},
		"proxy":   {func(a *ClusterArgs) { a.Kubeadm.KubeProxyConfiguration = document{"mode": "nftables"} }, true},
	} {
		if counts := settings(c.change) != before; counts != c.counts {
			t.Errorf("%s: counts for a running cluster: %v, want %v", name, counts, c.counts)
		}
	}
}

func TestCertificateNames(t *testing.T) {
	t.Parallel()
	got := strings.Join(certificateNames("frankfurt", overridden(), "frankfurt-1", "10.10.0.2", "192.0.2.1"), " ")
	if want := "10.10.0.2 192.0.2.1 frankfurt-1 frankfurt.example.org k.example.org"; got != want {
		t.Errorf("found %s, want %s", got, want)
	}
}

func TestMergedLeavesItsArgumentsAlone(t *testing.T) {
	t.Parallel()
	base := document{"a": document{"b": []any{"x"}}, "c": "old"}
	over := document{"a": document{"b": []any{"x", "y"}, "d": int64(1)}, "c": []any{"new"}}
	got := merged(base, over)
	want := document{"a": document{"b": []any{"x", "y"}, "d": int64(1)}, "c": []any{"new"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if !reflect.DeepEqual(base, document{"a": document{"b": []any{"x"}}, "c": "old"}) {
		t.Errorf("base has become %v", base)
	}
}

func TestOverridesOfOurFields(t *testing.T) {
	t.Parallel()
	k := KubeadmOverrides{
		ClusterConfiguration: document{"clusterName": "x", "networking": document{"dnsDomain": "x"}, "certificatesDir": "x"},
		InitConfiguration:    document{"nodeRegistration": document{"name": "x", "criSocket": "x"}, "localAPIEndpoint": document{"bindPort": 8443}},
		JoinConfiguration:    document{"nodeRegistration": document{"criSocket": "x"}},
	}
	got := strings.Join(k.Problems(), "\n")
	want := "clusterConfiguration sets certificatesDir: leave it out: certificates are renewed where kubeadm puts them\n" +
		"clusterConfiguration sets clusterName: set the cluster's name in hybrid:clusters\n" +
		"clusterConfiguration sets networking: set hybrid:podCidr and the cluster's serviceCidr\n" +
		"initConfiguration sets localAPIEndpoint: leave it out: firewalls and kubeconfigs name the API's address and port\n" +
		"initConfiguration sets nodeRegistration.criSocket: leave it out: machines are prepared with containerd\n" +
		"initConfiguration sets nodeRegistration.name: leave it out: nodes are named after their machines\n" +
		"joinConfiguration sets nodeRegistration.criSocket: leave it out: machines are prepared with containerd"
	if got != want {
		t.Errorf("found:\n%s\nwant:\n%s", got, want)
	}
}

// read reads overrides as a stack has them.
func read(t *testing.T, text string) KubeadmOverrides {
	t.Helper()
	var p settings.Problems
	var k KubeadmOverrides
	settings.Object([]byte(text), "hybrid:kubeadm", &k, &p)
	if p.Err() != nil {
		t.Fatal(text, p.Err())
	}
	return k
}

// An empty key changes nothing, however deep it is.
func TestEmptyOverrides(t *testing.T) {
	t.Parallel()
	documents := func(a *ClusterArgs) string {
		init, err := render(initDocuments("frankfurt", a, "frankfurt-1", "10.10.0.2", "192.0.2.1")...)
		if err != nil {
			t.Fatal(err)
		}
		join, err := joinDocument(a, "frankfurt-2", "10.10.0.3", joinCommand{"10.10.0.2:6443", token, caHash})
		if err != nil {
			t.Fatal(err)
		}
		return init + join + strings.Join(certificateNames("frankfurt", a, "frankfurt-1", "10.10.0.2", "192.0.2.1"), " ")
	}
	want := documents(args(AWS))
	for _, text := range []string{
		`{"clusterConfiguration": null}`,
		`{"clusterConfiguration": {"apiServer": null}}`,
		`{"clusterConfiguration": {"apiServer": {"certSANs": null}}}`,
		`{"clusterConfiguration": {"apiServer": {"certSANs": []}}}`,
		`{"clusterConfiguration": {"apiServer": {"certSANs": [null]}, "networking": null}}`,
		`{"initConfiguration": {"nodeRegistration": null}}`,
		`{"initConfiguration": {"nodeRegistration": {"kubeletExtraArgs": null, "name": null}}, "joinConfiguration": {"nodeRegistration": {"kubeletExtraArgs": [null]}}}`,
		`{"joinConfiguration": {"nodeRegistration": null, "discovery": null, "timeouts": {"discovery": null}}}`,
		`{"kubeletConfiguration": {"cgroupDriver": null, "allowedUnsafeSysctls": null}, "kubeProxyConfiguration": {}}`,
	} {
		a := args(AWS)
		a.Kubeadm = read(t, text)
		if got := documents(a); got != want || a.Kubeadm.Problems() != nil {
			t.Errorf("%s: found %s, %v", text, got, a.Kubeadm.Problems())
		}
	}
	a := args(AWS)
	a.Kubeadm.ClusterConfiguration = document{"apiServer": nil}
	if got := documents(a); got != want {
		t.Errorf("nil: found %s", got)
	}
}

// What kubeadm would refuse, or ignore, when the machines are there.
func TestMisfits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"clusterConfiguration": {"apiServer": {"certSANs": [["a.example.org"], ["b.example.org"]]}}}`: "clusterConfiguration.apiServer.certSANs, item 1: expected a string, in quotes if it looks like something else, found a list\n" +
			"clusterConfiguration.apiServer.certSANs, item 2: expected a string, in quotes if it looks like something else, found a list",
		`{"clusterConfiguration": {"apiServer": {"certSANs": "a.example.org"}}}`:                       `clusterConfiguration.apiServer.certSANs: expected a list, found "a.example.org"`,
		`{"clusterConfiguration": {"apiServer": {"certSANs": {"a": "b"}}}}`:                            "clusterConfiguration.apiServer.certSANs: expected a list, found an object",
		`{"clusterConfiguration": {"apiServer": []}}`:                                                  "clusterConfiguration.apiServer: expected an object, found a list",
		`{"clusterConfiguration": {"etcd": {"local": {"serverCertSANs": [1]}}}}`:                       "clusterConfiguration.etcd.local.serverCertSANs, item 1: expected a string, in quotes if it looks like something else, found 1",
		`{"clusterConfiguration": {"apiserver": {}}}`:                                                  `clusterConfiguration: unknown key "apiserver": expected apiServer`,
		`{"clusterConfiguration": {"featureGates": {"A": "true"}}}`:                                    `clusterConfiguration.featureGates.A: expected true or false, without quotes, found "true"`,
		`{"clusterConfiguration": {"etcd": {"local": {"extraArgs": [{"name": "a", "value": true}]}}}}`: "clusterConfiguration.etcd.local.extraArgs, item 1.value: expected a string, in quotes if it looks like something else, found true",
		`{"clusterConfiguration": {"etcd": {"local": {"extraArgs": [{"value": "a"}]}}}}`:               "clusterConfiguration.etcd.local.extraArgs, item 1: name missing",
		`{"clusterConfiguration": {"etcd": {"local": {"extraArgs": ["a=b"]}}}}`:                        `clusterConfiguration.etcd.local.extraArgs, item 1: expected an object, found "a=b"`,
		`{"clusterConfiguration": {"scheduler": {"extraArgs": {"v": "4"}}}}`:                           `clusterConfiguration.scheduler.extraArgs: expected a list, found an object as of v1beta3: write [{name: v, value: "4"}] and so on`,
		`{"initConfiguration": {"nodeRegistration": {"kubeletExtraArgs": {"node-labels": "a=b"}}}}`:    `initConfiguration.nodeRegistration.kubeletExtraArgs: expected a list, found an object as of v1beta3: write [{name: node-labels, value: "a=b"}] and so on`,
		`{"initConfiguration": {"nodeRegistration": {"ignorePreflightErrors": "Swap"}}}`:               `initConfiguration.nodeRegistration.ignorePreflightErrors: expected a list, found "Swap"`,
		`{"initConfiguration": {"skipPhases": {}}}`:                                                    "initConfiguration.skipPhases: expected a list, found an object",
		`{"joinConfiguration": {"nodeRegistration": "x"}}`:                                             `joinConfiguration.nodeRegistration: expected an object, found "x"`,
		`{"joinConfiguration": {"nodeRegistration": {"taints": ["a"]}}}`:                               `joinConfiguration.nodeRegistration.taints, item 1: expected an object, found "a"`,
		`{"joinConfiguration": {"controlPlane": {}}}`:                                                  "joinConfiguration sets controlPlane: leave it out",
		`{"joinConfiguration": {"timeouts": {"discovery": 120}}}`:                                      "joinConfiguration.timeouts.discovery: expected a string, in quotes if it looks like something else, found 120",
		`{"kubeletConfiguration": {"cgroupDriver": ["systemd"]}}`:                                      "kubeletConfiguration.cgroupDriver: expected a string, in quotes if it looks like something else, found a list",
		`{"kubeletConfiguration": {"allowedUnsafeSysctls": "net.a"}}`:                                  `kubeletConfiguration.allowedUnsafeSysctls: expected a list, found "net.a"`,
		`{"kubeletConfiguration": {"evictionHard": {"memory.available": 100}}}`:                        "kubeletConfiguration.evictionHard.memory.available: expected a string, in quotes if it looks like something else, found 100",
		`{"kubeletConfiguration": {"maxPods": "110"}}`:                                                 `kubeletConfiguration.maxPods: expected a whole number, without quotes, found "110"`,
		`{"kubeletConfiguration": {"memoryThrottlingFactor": "0.9"}}`:                                  `kubeletConfiguration.memoryThrottlingFactor: expected a number, without quotes, found "0.9"`,
		`{"kubeProxyConfiguration": {"conntrack": {"min": 1.5}}}`:                                      "kubeProxyConfiguration.conntrack.min: expected a whole number, without quotes, found 1.5",
		`{"kubeProxyConfiguration": {"mod": "ipvs"}}`:                                                  `kubeProxyConfiguration: unknown key "mod": expected mode`,
	} {
		k := read(t, text)
		got := strings.Join(k.Problems(), "\n")
		if !strings.Contains(got, want) {
			t.Errorf("%s: found %q, want %q", text, got, want)
		}
		// Whatever it is, nothing panics.
		a := args(AWS)
		a.Kubeadm = k
		initDocuments("frankfurt", a, "frankfurt-1", "10.10.0.2", "192.0.2.1")
		joinDocument(a, "frankfurt-2", "10.10.0.3", joinCommand{"10.10.0.2:6443", token, caHash})
		certificateNames("frankfurt", a, "frankfurt-1", "10.10.0.2", "192.0.2.1")
	}
}

// The documents that the program writes fit, and every field's kind is known.
func TestKubeadmFields(t *testing.T) {
	t.Parallel()
	var check func(path string, field any)
	check = func(path string, field any) {
		switch field := field.(type) {
		case map[string]any:
			for key, below := range field {
				check(path+"."+key, below)
			}
		case []any:
			if len(field) != 1 {
				t.Errorf("%s has %d items, want one that stands for all", path, len(field))
			}
			check(path, field[0])
		case string:
			if _, ok := plainKinds[field]; !ok {
				t.Errorf("%s is %q", path, field)
			}
		default:
			t.Errorf("%s is %v", path, field)
		}
	}
	check("", fields())
	init, err := render(initDocuments("frankfurt", overridden(), "frankfurt-1", "10.10.0.2", "192.0.2.1")...)
	if err != nil {
		t.Fatal(err)
	}
	join, err := joinDocument(overridden(), "frankfurt-2", "10.10.0.3", joinCommand{"10.10.0.2:6443", token, caHash})
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(strings.NewReader(init + "---\n" + join))
	n := 0
	for {
		var d document
		if err := decoder.Decode(&d); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
		kind := d["kind"].(string)
		delete(d, "kind")
		delete(d, "apiVersion")
		name := strings.ToLower(kind[:1]) + kind[1:]
		if got := misfits(name, d, fields()[name]); got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	if n != len(fields()) {
		t.Errorf("%d documents, want %d", n, len(fields()))
	}
}

func TestParseTicket(t *testing.T) {
	t.Parallel()
	line := "kubeadm join 10.10.0.2:6443 --token " + token + " --discovery-token-ca-cert-hash " + caHash + " \n"
	got, err := parseJoin(line)
	if want := (joinCommand{"10.10.0.2:6443", token, caHash}); err != nil || got != want || got.id() != "abcdef" {
		t.Errorf("found %v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"", "kubeadm join " + token, strings.Replace(line, "sha256:ab", "sha256:", 1)} {
		if _, err := parseJoin(bad); err == nil || strings.Contains(err.Error(), "abcdef") {
			t.Errorf("%q: found %v, want an error without the token", bad, err)
		}
	}
}
