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
)

// restoring is the config of a stack whose frankfurt is to be brought back, with backups or
// without.
func restoring(t *testing.T, host string, backups bool) map[string]string {
	t.Helper()
	config := hostedBy(t, host, backups)
	config["hybrid:clusters"] = strings.Replace(config["hybrid:clusters"], `"name":"frankfurt"`, `"name":"frankfurt","restore":1`, 1)
	return config
}

// began adds to outputs that frankfurt was made with a machine, and is on it.
func began(f mockcloud.Former) mockcloud.Former { return restored(f, 0) }

// restored is began, of a cluster that has been brought back so often.
func restored(f mockcloud.Former, times int) mockcloud.Former {
	f.Outputs["clusters"] = map[string]any{"frankfurt": map[string]any{"life": map[string]any{"machine": "i-1", "init": "x", "now": "i-1", "restore": times, "snapshots": true}}}
	f.Resources = map[string]map[string]any{"frankfurt-1-first-contact command:remote:Command": {"triggers": []any{"i-1"}}}
	return f
}

// A control plane that is gone comes back, although its API doesn't answer: with the same
// identity, by a step before kubeadm's.
func TestControlPlaneIsRestored(t *testing.T) {
	r, err := after(began(silent(t, labAdmins, "frankfurt")), false, restoring(t, "america", true))
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

// One that is there isn't taken for one that is gone, without backups there is nothing to go
// on from, and what is lost isn't brought back, though it may have been before.
func TestRestoreIsRefused(t *testing.T) {
	_, err := after(began(silent(t, labAdmins, "frankfurt")), true, restoring(t, "america", false))
	if err == nil || !strings.Contains(err.Error(), "hybrid:backup is not enabled") {
		t.Errorf("without backups: %v", err)
	}
	config := restoring(t, "frankfurt", true)
	config["hybrid:clusters"] = strings.Replace(config["hybrid:clusters"], `"restore":1`, `"restore":1,"lost":true`, 1)
	_, err = after(began(silent(t, labAdmins, "frankfurt")), false, config)
	if err == nil || !strings.Contains(err.Error(), "restore is 1 and was 0, and lost is set") {
		t.Errorf("of one that is lost: %v", err)
	}
	if _, err = after(restored(began(silent(t, labAdmins, "frankfurt")), 1), false, config); err != nil {
		t.Errorf("of one that is lost, and had been brought back: %v", err)
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
	r, err := after(former, true, restoring(t, "america", true))
	if err == nil || !strings.Contains(err.Error(), "the control plane answers at "+server.URL) || len(r.Made) > 0 {
		t.Errorf("with an API that answers: %v, and %d resources", err, len(r.Made))
	}
	// It answers again before the update that brings it back has ended.
	former.Resources = map[string]map[string]any{"frankfurt-1-first-contact command:remote:Command": {"triggers": []any{"i-2"}}}
	if _, err := after(former, false, restoring(t, "america", true)); err != nil {
		t.Errorf("an update that goes on: %v", err)
	}
}

// Who has snapshots is told the third way on.
func TestNotReachableWithSnapshots(t *testing.T) {
	config := restoring(t, "america", true)
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
	machine := []string{
		"frankfurt-1 aws:ec2/instance:Instance",
		"frankfurt-1-attach aws:ec2/eipAssociation:EipAssociation",
		"frankfurt-1-first-contact command:remote:Command",
		"frankfurt-1-init command:remote:Command",
		"frankfurt-1-prepare command:remote:Command",
		"frankfurt-1-snapshots command:remote:Command",
	}
	federation := []string{ // its certificate is for the private address, too
		"federation-apiserver-cert tls:index/locallySignedCert:LocallySignedCert",
		"federation-apiserver-request tls:index/certRequest:CertRequest",
		"federation-karmada-apiserver kubernetes:apps/v1:Deployment",
	}
	for host, want := range map[string][]string{"america": machine, "frankfurt": append(federation, machine...)} {
		for what, former := range map[string]mockcloud.Former{"made": {}, "brought back": began(silent(t, labAdmins, "frankfurt"))} {
			r, err := after(former, false, restoring(t, host, true))
			if err != nil {
				t.Fatal(err)
			}
			got := slices.Sorted(maps.Keys(replacedWith(r, machine[0], replaces)))
			if !slices.Equal(got, want) {
				t.Errorf("%s, hosted by %s: with the machine the engine replaces\n%s", what, host, strings.Join(got, "\n"))
			}
		}
	}
}
