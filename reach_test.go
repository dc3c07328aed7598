package main

import (
	"strings"
	"testing"
	"time"

	"hybrid/clouds"
	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// unused is an address at which there is no server.
const unused = "https://127.0.0.1:1"

// silent are the outputs of a stack whose clusters don't answer.
func silent(t *testing.T, admins string, names ...string) mockcloud.Former {
	t.Helper()
	patience = time.Second
	t.Cleanup(func() { patience = clouds.Patience })
	var all []string
	for _, name := range names {
		k, err := clouds.NewKubeconfig(name, unused, testAuthority, clouds.Credentials{Token: "sesame"})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	merged, err := clouds.MergeKubeconfigs(all)
	if err != nil {
		t.Fatal(err)
	}
	return mockcloud.Former{Outputs: map[string]any{"kubeconfig": resource.MakeSecret(resource.NewProperty(merged)), adminsOutput: []any{admins}}}
}

// labAdmins are the adminCidrs of Pulumi.dev.yaml.
const labAdmins = "198.18.0.1/32"

// after runs the program after an update that has left outputs.
func after(former mockcloud.Former, preview bool, config map[string]string) (*mockcloud.Record, error) {
	return mockcloud.RunAfter(former, preview, config, func(ctx *pulumi.Context) error {
		_, err := program(ctx)
		return err
	})
}

func listed(lost string) string {
	item := func(name, cloud, region, net, service, more string) string {
		if name == lost {
			more += `,"lost":true`
		}
		return `{"name":"` + name + `","cloud":"` + cloud + `","region":"` + region + `","networkCidr":"` + net + `","serviceCidr":"` + service + `"` + more + `}`
	}
	return "[" + item("london", "digitalocean", "lon1", "10.10.0.0/24", "10.96.0.0/16", "") + "," +
		item("frankfurt", "aws", "eu-central-1", "10.20.0.0/24", "10.97.0.0/16", "") + "," +
		item("america", "gce", "us-west1", "10.30.0.0/24", "10.98.0.0/16", `,"federationHost":true`) + "]"
}

// Nothing is made, and nothing changed, as long as a cluster doesn't answer; the error
// names it and the ways on.
func TestNotReachable(t *testing.T) {
	for _, preview := range []bool{true, false} {
		r, err := after(silent(t, labAdmins, "frankfurt"), preview, stackConfig(t, "Pulumi.dev.yaml"))
		if err == nil || len(r.Made) > 0 {
			t.Fatalf("preview %v: %v, and %d resources", preview, err, len(r.Made))
		}
		for _, want := range []string{
			"frankfurt: " + unused + " can't be used from here", "connection refused",
			"curl --insecure " + unused + "/version", "lost: true", "pulumi up", "hybrid:adminCidrs", "HTTPS_PROXY",
		} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("want %q in: %v", want, err)
			}
		}
		if strings.Contains(err.Error(), "sesame") {
			t.Errorf("a secret is in: %v", err)
		}
	}
	// With its host, the federation is out of reach: that needs no other advice.
	_, err := after(silent(t, labAdmins, "america", "federation-cluster"), false, stackConfig(t, "Pulumi.dev.yaml"))
	if err == nil || strings.Contains(err.Error(), "federation-cluster") || !strings.Contains(err.Error(), "it hosts the federation") {
		t.Errorf("got %v", err)
	}
}

// What this update may mend is asked again when it has. Until then nothing in the
// cluster is touched; a preview only warns.
func TestUpdateThatMends(t *testing.T) {
	for name, outputs := range map[string]mockcloud.Former{
		"frankfurt":          silent(t, "203.0.113.0/24", "frankfurt"), // an address from before
		"federation-cluster": silent(t, labAdmins, "federation-cluster"),
	} {
		if r, err := after(outputs, true, stackConfig(t, "Pulumi.dev.yaml")); err != nil || len(r.Made) == 0 {
			t.Errorf("%s: preview: %v, and %d resources", name, err, len(r.Made))
		}
		// The stand-ins for machines don't answer either.
		r, err := after(outputs, false, stackConfig(t, "Pulumi.dev.yaml"))
		if err == nil || !strings.Contains(err.Error(), name+": https://") {
			t.Errorf("%s: got %v", name, err)
		}
		provider, object := "frankfurt-kubernetes pulumi:providers:kubernetes", "frankfurt-weave-net kubernetes:apps/v1:DaemonSet"
		if name != "frankfurt" {
			provider, object = "federation-kubernetes pulumi:providers:kubernetes", "federation-completions"
		}
		for key := range r.Made {
			if strings.HasPrefix(key, provider) || strings.HasPrefix(key, object) {
				t.Errorf("%s: %s has been made", name, key)
			}
		}
	}
	// What leaves isn't mended.
	config := stackConfig(t, "Pulumi.dev.yaml")
	config["hybrid:clusters"] = listed("")
	if r, err := after(silent(t, "203.0.113.0/24", "paris"), true, config); err == nil || len(r.Made) > 0 {
		t.Errorf("a cluster that is not listed any more: %v, and %d resources", err, len(r.Made))
	}
}

func TestLost(t *testing.T) {
	config := stackConfig(t, "Pulumi.dev.yaml")
	config["hybrid:clusters"] = listed("frankfurt")
	r, err := after(silent(t, labAdmins, "frankfurt"), false, config)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for key := range r.Made {
		if strings.HasPrefix(key, "frankfurt") {
			left = append(left, key)
		}
	}
	if len(left) != 2 || !mockcloud.Open(r.Find(t, "frankfurt-kubernetes").Inputs["deleteUnreachable"]).BoolValue() {
		t.Errorf("it leaves %v", left)
	}
	if guard := mockcloud.Text(r.Find(t, "reachable").Inputs["stdin"]); !strings.Contains(guard, "'london'") || strings.Contains(guard, "'frankfurt'") {
		t.Error("destroy asks others than those that are not lost")
	}
	for _, name := range []string{"london-kubernetes", "america-kubernetes", "federation-kubernetes"} {
		if mockcloud.Open(r.Find(t, name).Inputs["deleteUnreachable"]).BoolValue() {
			t.Errorf("%s forgets what it can't reach", name)
		}
	}
}

// The federation's host can't leave.
func TestHostLost(t *testing.T) {
	config := stackConfig(t, "Pulumi.dev.yaml")
	config["hybrid:clusters"] = listed("america")
	r, err := after(silent(t, labAdmins, "america", "federation-cluster"), false, config)
	if err != nil {
		t.Fatal(err)
	}
	r.Find(t, "america-1")
	for name, want := range map[string]bool{"london-kubernetes": false, "america-kubernetes": true, "federation-kubernetes": true} {
		if got := mockcloud.Open(r.Find(t, name).Inputs["deleteUnreachable"]).BoolValue(); got != want {
			t.Errorf("%s: deleteUnreachable is %v", name, got)
		}
	}
	if guard := mockcloud.Text(r.Find(t, "reachable").Inputs["stdin"]); strings.Contains(guard, "'america'") || strings.Contains(guard, "'federation-cluster'") {
		t.Error("destroy asks what is lost")
	}
}

// Everything waits for the guard when the stack is destroyed.
func TestGuardIsOverAll(t *testing.T) {
	made, err := up(stackConfig(t, "Pulumi.dev.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	needs := map[string]bool{}
	for _, urn := range made["reachable command:local:Command"].RegisterRPC.GetDependencies() {
		needs[resource.URN(urn).Name()+" "+string(resource.URN(urn).Type())] = true
	}
	for key, a := range made {
		if a.Custom && a.Name != "reachable" && !needs[key] {
			t.Errorf("%s may be deleted although a cluster doesn't answer", key)
		}
	}
}

// testAuthority is a certificate that signs nothing.
const testAuthority = `-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUYmT1ya3fj/KbXYM8ovJ/m3b/sr4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyNjEwMzgxOFoYDzIxMjYxMTAy
MTAzODE4WjAUMRIwEAYDVQQDDAlhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARyiYJTI/8y0xgwsHzJyuRhqMMh4Saz73ahvHdsNZdHK7bzRmVztoAH
2yjLvOxD5fhuNyp/3JV5Nz+7AMDZktwLo1MwUTAdBgNVHQ4EFgQUFMNnDGSwxfS6
9lfwM7lLGrMbZuYwHwYDVR0jBBgwFoAUFMNnDGSwxfS69lfwM7lLGrMbZuYwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiBeeq5Y/+waob40cB0Vqask
wEkjWrGkVosxIEUsbi05lwIhAKaYyNosRWaVu1yvXkg8kLLQbACojv+lrk5ORuOn
CI5q
-----END CERTIFICATE-----
`
