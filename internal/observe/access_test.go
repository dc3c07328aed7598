package observe

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hybrid/internal/fakecloud"
)

// fromFile looks at a made-up cloud by a kubeconfig file, which change may change.
func fromFile(t *testing.T, c *fakecloud.Cloud, change func(*clientcmdapi.Config)) (*Observer, error) {
	t.Helper()
	config, err := clientcmd.Load([]byte(c.Kubeconfig()))
	if err != nil {
		t.Fatal(err)
	}
	change(config)
	path := filepath.Join(t.TempDir(), "kubeconfig of $(id)")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	s, err := FromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	o, err := New(s)
	if err == nil {
		o.Timeout = time.Second
	}
	return o, err
}

// What is wrong with one context is that cluster's problem, and the others are shown.
func TestBrokenContext(t *testing.T) {
	for name, c := range map[string]struct {
		context clientcmdapi.Context
		want    string
	}{
		"no cluster":     {clientcmdapi.Context{Cluster: "nosuch", AuthInfo: "test"}, `context "paris" is of cluster "nosuch", and there is no such cluster`},
		"no user":        {clientcmdapi.Context{Cluster: "london", AuthInfo: "nosuch"}, `context "paris" is of user "nosuch", and there is no such user`},
		"empty":          {clientcmdapi.Context{}, `context "paris" is of cluster ""`},
		"no server":      {clientcmdapi.Context{Cluster: "serverless", AuthInfo: "test"}, `no server found for cluster "serverless"`},
		"no certificate": {clientcmdapi.Context{Cluster: "gone", AuthInfo: "test"}, "unable to read certificate-authority"},
		"no URL":         {clientcmdapi.Context{Cluster: "wrong", AuthInfo: "test"}, "host must be a URL"},
		"no credentials": {clientcmdapi.Context{Cluster: "london", AuthInfo: "helpless"}, "command must be specified"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := fromFile(t, fakecloud.New(t, 3, 1), func(k *clientcmdapi.Config) {
				k.Clusters["serverless"] = &clientcmdapi.Cluster{TLSServerName: "x"}
				k.Clusters["gone"] = &clientcmdapi.Cluster{Server: "https://127.0.0.1:1", CertificateAuthority: "/no/such/file"}
				k.Clusters["wrong"] = &clientcmdapi.Cluster{Server: "https://a b:1"}
				k.AuthInfos["helpless"] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: "Never"}}
				k.Contexts["paris"] = &c.context
			})
			if err != nil {
				t.Fatal(err)
			}
			s := o.Look(t.Context())
			if len(s.Problems) != 1 || s.Healthy || !strings.HasPrefix(s.Problems[0].Text, "cluster paris: ") || !strings.Contains(s.Problems[0].Text, c.want) {
				t.Errorf("problems: %q, want one: %s", texts(s), c.want)
			}
			for _, c := range s.Clusters {
				if good := c.Name != "paris"; c.Reachable != good || good && len(c.Nodes) != 1 {
					t.Errorf("%+v", c)
				}
			}
		})
	}
}

func TestAllContextsBroken(t *testing.T) {
	_, err := fromFile(t, fakecloud.New(t, 3, 1), func(k *clientcmdapi.Config) { k.Clusters = nil })
	if err == nil || strings.Count(err.Error(), "there is no such cluster") != 3 {
		t.Errorf("got %v, want an error for each of 3 clusters", err)
	}
}

func TestBrokenFederation(t *testing.T) {
	o, err := fromFile(t, fakecloud.New(t, 3, 1), func(k *clientcmdapi.Config) { delete(k.Clusters, FederationContext) })
	if err != nil {
		t.Fatal(err)
	}
	s := o.Look(t.Context())
	if len(s.Problems) != 1 || !strings.HasPrefix(s.Problems[0].Text, "federation: the kubeconfig's context") {
		t.Errorf("problems: %q, want one of the federation", texts(s))
	}
}

// Who copies a command runs what it shows and nothing else, whatever clusters are called.
func TestCommandsAreQuoted(t *testing.T) {
	hostile := func(name string) string { return "admin $(touch made) of " + name + "; touch made #'" }
	c := fakecloud.New(t, 3, 1)
	c.Cluster("frankfurt").Silent = true
	c.Cluster("america").Nodes[0].Status.Conditions[0].Status = "False"
	c.Cluster("london").Pods[0].Status.Conditions[0].Status = "False"
	c.Cluster("london").Refuse = []string{"exec"}
	c.Lost = []string{"frankfurt"}
	o, err := fromFile(t, c, func(k *clientcmdapi.Config) {
		k.Contexts["broken"] = &clientcmdapi.Context{Cluster: "nosuch"}
		for name, context := range k.Contexts {
			if name != FederationContext {
				delete(k.Contexts, name)
				k.Contexts[hostile(name)] = context
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	o.stack.Domain, o.stack.Servers = "example.org; touch made", []string{"127.0.0.1:$(touch made)"}
	s := o.Look(t.Context())
	if len(s.Problems) < 6 {
		t.Errorf("few problems: %q", texts(s))
	}
	bin, dir := t.TempDir(), t.TempDir()
	for _, name := range []string{"kubectl", "dig"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\nprintf '%s\\0' \"$@\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range s.Problems {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", p.Command)
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + bin + ":/usr/bin:/bin"}
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v", p.Command, err)
		}
		words := strings.Split(string(out), "\x00")
		if i := slices.Index(words, "--context"); strings.HasPrefix(p.Command, "kubectl") && i >= 0 && words[i+1] != FederationContext &&
			!slices.Contains([]string{hostile("america"), hostile("frankfurt"), hostile("london")}, words[i+1]) {
			t.Errorf("%s: its context is %q", p.Command, words[i+1])
		}
		if strings.HasPrefix(p.Command, "kubectl") && words[1] != o.stack.File {
			t.Errorf("%s: its file is %q", p.Command, words[1])
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "made")); err == nil {
		t.Error("a command to copy runs what a name says")
	}
}
