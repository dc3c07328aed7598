package main

import (
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"hybrid/clouds"
	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// restoring is the config of a stack whose frankfurt is to be brought back, with backups or
// without.
func restoring(t *testing.T, backups bool) map[string]string {
	t.Helper()
	config := stackConfig(t, "Pulumi.dev.yaml")
	config["hybrid:clusters"] = strings.Replace(listed(""), `"name":"frankfurt"`, `"name":"frankfurt","restore":1`, 1)
	if backups {
		config["hybrid:backup"] = strings.Replace(config["hybrid:backup"], `"enabled":false`, `"enabled":true`, 1)
	}
	return config
}

// began adds to outputs that frankfurt was made with a machine, and is on it.
func began(f mockcloud.Former) mockcloud.Former {
	f.Outputs["clusters"] = map[string]any{"frankfurt": map[string]any{"life": map[string]any{"machine": "i-1", "init": "x", "now": "i-1", "restore": 0, "snapshots": true}}}
	f.Resources = map[string]map[string]any{"frankfurt-1-first-contact command:remote:Command": {"triggers": []any{"i-1"}}}
	return f
}

// A control plane that is gone comes back, although its API doesn't answer: with the same
// identity, by a step before kubeadm's.
func TestControlPlaneIsRestored(t *testing.T) {
	r, err := after(began(silent(t, labAdmins, "frankfurt")), false, restoring(t, true))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Needs("frankfurt-1-init", "frankfurt-1-snapshots") {
		t.Error("kubeadm doesn't wait for what it is to go on from")
	}
	if got := mockcloud.Open(r.Find(t, "frankfurt-kubernetes").Inputs["clusterIdentifier"]); got.StringValue() != "frankfurt/i-1" {
		t.Errorf("the provider knows %v", got)
	}
}

// One that is there isn't taken for one that is gone, and without backups there is nothing
// to go on from.
func TestRestoreIsRefused(t *testing.T) {
	_, err := after(began(silent(t, labAdmins, "frankfurt")), true, restoring(t, false))
	if err == nil || !strings.Contains(err.Error(), "hybrid:backup is not enabled") {
		t.Errorf("without backups: %v", err)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	k, err := clouds.NewKubeconfig("frankfurt", server.URL, authority, clouds.Credentials{Token: "sesame"})
	if err != nil {
		t.Fatal(err)
	}
	former := began(silent(t, labAdmins, "frankfurt"))
	former.Outputs["kubeconfig"] = resource.MakeSecret(resource.NewProperty(k))
	r, err := after(former, true, restoring(t, true))
	if err == nil || !strings.Contains(err.Error(), "the control plane answers at "+server.URL) || len(r.Made) > 0 {
		t.Errorf("with an API that answers: %v, and %d resources", err, len(r.Made))
	}
	// It answers again before the update that brings it back has ended.
	former.Resources = map[string]map[string]any{"frankfurt-1-first-contact command:remote:Command": {"triggers": []any{"i-2"}}}
	if _, err := after(former, false, restoring(t, true)); err != nil {
		t.Errorf("an update that goes on: %v", err)
	}
}

// Who has snapshots is told the third way on.
func TestNotReachableWithSnapshots(t *testing.T) {
	config := restoring(t, true)
	config["hybrid:clusters"] = listed("")
	_, err := after(silent(t, labAdmins, "frankfurt"), true, config)
	if err == nil || !strings.Contains(err.Error(), "three ways on") || !strings.Contains(err.Error(), "restore: 1 ") {
		t.Errorf("found %v", err)
	}
}

// What the engine replaces with the control plane's machine is what was on that machine, and
// nothing that is in a cluster or in the federation: also where the cluster has had one
// update only, that which made it.
func TestRestoreReplacesTheMachineAlone(t *testing.T) {
	replaces := replacing(t)
	for what, former := range map[string]mockcloud.Former{"made": {}, "brought back": began(silent(t, labAdmins, "frankfurt"))} {
		config := restoring(t, true)
		config["hybrid:clusters"] = strings.Replace(config["hybrid:clusters"], `,"federationHost":true`, "", 1)
		config["hybrid:clusters"] = strings.Replace(config["hybrid:clusters"], `"name":"frankfurt"`, `"name":"frankfurt","federationHost":true`, 1)
		r, err := after(former, false, config)
		if err != nil {
			t.Fatal(err)
		}
		got := slices.Sorted(maps.Keys(replacedWith(r, "frankfurt-1 aws:ec2/instance:Instance", replaces)))
		if want := []string{
			"federation-apiserver-cert tls:index/locallySignedCert:LocallySignedCert", // it is for the private address, too
			"federation-apiserver-request tls:index/certRequest:CertRequest",
			"frankfurt-1 aws:ec2/instance:Instance",
			"frankfurt-1-attach aws:ec2/eipAssociation:EipAssociation",
			"frankfurt-1-first-contact command:remote:Command",
			"frankfurt-1-init command:remote:Command",
			"frankfurt-1-prepare command:remote:Command",
			"frankfurt-1-snapshots command:remote:Command",
		}; !slices.Equal(got, want) {
			t.Errorf("%s: with the machine the engine replaces\n%s", what, strings.Join(got, "\n"))
		}
	}
}

// replacedWith are what the engine replaces together with a resource, by name and type: what
// has a property that it takes for unknown then, as one that was made of something that is
// replaced, and is replaced when that changes (calculateDependentReplacements in
// https://github.com/pulumi/pulumi/blob/v3.253.0/pkg/resource/deploy/step_generator.go).
func replacedWith(r *mockcloud.Record, root string, replaces func(token, property string) bool) map[string]bool {
	replaced := map[string]bool{root: true}
	again := func(a pulumi.MockResourceArgs) bool {
		if replaced[named(a.RegisterRPC.GetProvider())] {
			return true
		}
		for property, on := range a.RegisterRPC.GetPropertyDependencies() {
			unknown := slices.ContainsFunc(on.GetUrns(), func(urn string) bool { return replaced[named(urn)] })
			if unknown && (replaces(a.TypeToken, property) || property == "clusterIdentifier") {
				return true
			}
		}
		return false
	}
	for before := 0; before != len(replaced); {
		before = len(replaced)
		for name, a := range r.Made {
			if again(a) {
				replaced[name] = true
			}
		}
	}
	return replaced
}

// named is a resource's name and type, of its URN or of a reference to a provider.
func named(urn string) string {
	parts := strings.Split(urn, "::")
	if len(parts) < 4 {
		return ""
	}
	return parts[3] + " " + parts[2][strings.LastIndex(parts[2], "$")+1:]
}
