package clouds

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata anew")

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
	a.Names = []string{"frankfurt.example.org"}
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
	for file, a := range map[string]*ClusterArgs{"init.yaml": args(AWS), "init-overridden.yaml": overridden()} {
		got, err := initDocuments("frankfurt", a, "frankfurt-1", "10.10.0.2", "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, file, got)
	}
	for file, a := range map[string]*ClusterArgs{"join.yaml": args(AWS), "join-overridden.yaml": overridden()} {
		got, err := joinDocument(a, "frankfurt-2", "10.10.0.3", ticket{"10.10.0.2:6443", token, caHash})
		if err != nil {
			t.Fatal(err)
		}
		golden(t, file, got)
	}
}

func TestCertificateNames(t *testing.T) {
	got := strings.Join(certificateNames("frankfurt", overridden(), "frankfurt-1", "10.10.0.2", "192.0.2.1"), " ")
	if want := "10.10.0.2 192.0.2.1 frankfurt-1 frankfurt.example.org k.example.org"; got != want {
		t.Errorf("found %s, want %s", got, want)
	}
}

func TestMergedLeavesItsArgumentsAlone(t *testing.T) {
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
	// What is no object has no such field.
	none := KubeadmOverrides{JoinConfiguration: document{"nodeRegistration": "x"}}
	if got := none.Problems(); got != nil {
		t.Errorf("found %v, want nothing", got)
	}
}

func TestParseTicket(t *testing.T) {
	line := "kubeadm join 10.10.0.2:6443 --token " + token + " --discovery-token-ca-cert-hash " + caHash + " \n"
	got, err := parseTicket(line)
	if want := (ticket{"10.10.0.2:6443", token, caHash}); err != nil || got != want || got.id() != "abcdef" {
		t.Errorf("found %v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"", "kubeadm join " + token, strings.Replace(line, "sha256:ab", "sha256:", 1)} {
		if _, err := parseTicket(bad); err == nil || strings.Contains(err.Error(), "abcdef") {
			t.Errorf("%q: found %v, want an error without the token", bad, err)
		}
	}
}
