package federation

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

var authorityBundle = base64.StdEncoding.EncodeToString([]byte("CERTIFICATE federation-ca"))

func TestKinds(t *testing.T) {
	r := world{}.make(t)
	if n := len(r.OfType("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition")); n != 2 {
		t.Errorf("found %d kinds, want both of testdata", n)
	}
	spec := r.Find(t, "federation-kind-resourcebindings.work.karmada.io").Inputs["spec"]
	client := at(spec, "conversion", "webhook", "clientConfig")
	if text(client, "url") != "https://karmada-webhook.federation.svc:443/convert" || text(client, "caBundle") != authorityBundle {
		t.Errorf("versions are converted by %v", client)
	}
	if len(list(spec, "versions")) != 2 || text(spec, "group") != "work.karmada.io" {
		t.Errorf("spec %v", spec)
	}
	other := r.Find(t, "federation-kind-works.work.karmada.io").Inputs
	if !at(other["spec"], "conversion").IsNull() {
		t.Error("there is nothing to convert")
	}
	annotations := at(other["metadata"], "annotations")
	if text(annotations, "controller-gen.kubebuilder.io/version") != "v0.19.0" || text(annotations, "pulumi.com/patchForce") != "true" {
		t.Errorf("annotations %v", annotations)
	}
}

// What Karmada 1.18.1 itself configures, one line for each.
var wantHooks = strings.Fields(`
mutate-clusterpropagationpolicy:CREATE,UPDATE:policy.karmada.io/clusterpropagationpolicies:Cluster:None
mutate-clusterresourcebinding:CREATE:work.karmada.io/clusterresourcebindings:Cluster:None
mutate-federatedhpa:CREATE,UPDATE:autoscaling.karmada.io/federatedhpas:Namespaced:None
mutate-multiclusterservice:CREATE,UPDATE:networking.karmada.io/multiclusterservices:Namespaced:None
mutate-overridepolicy:CREATE,UPDATE:policy.karmada.io/overridepolicies:Namespaced:None
mutate-propagationpolicy:CREATE,UPDATE:policy.karmada.io/propagationpolicies:Namespaced:None
mutate-resourcebinding:CREATE:work.karmada.io/resourcebindings:Namespaced:None
mutate-work:CREATE,UPDATE:work.karmada.io/works:Namespaced:None
validate-clusteroverridepolicy:CREATE,UPDATE:policy.karmada.io/clusteroverridepolicies:Cluster:None
validate-clusterpropagationpolicy:CREATE,UPDATE:policy.karmada.io/clusterpropagationpolicies:Cluster:None
validate-clustertaintpolicy:CREATE,UPDATE:policy.karmada.io/clustertaintpolicies:Cluster:None
validate-cronfederatedhpa:CREATE,UPDATE:autoscaling.karmada.io/cronfederatedhpas:Namespaced:None
validate-federatedhpa:CREATE,UPDATE:autoscaling.karmada.io/federatedhpas:Namespaced:None
validate-federatedresourcequota:CREATE,UPDATE:policy.karmada.io/federatedresourcequotas:Namespaced:None
validate-multiclusteringress:CREATE,UPDATE:networking.karmada.io/multiclusteringresses:Namespaced:None
validate-multiclusterservice:CREATE,UPDATE:networking.karmada.io/multiclusterservices:Namespaced:None
validate-overridepolicy:CREATE,UPDATE:policy.karmada.io/overridepolicies:Namespaced:None
validate-propagationpolicy:CREATE,UPDATE:policy.karmada.io/propagationpolicies:Namespaced:None
validate-resourcebinding:CREATE,UPDATE:work.karmada.io/resourcebindings:Namespaced:NoneOnDryRun
validate-resourcedeletionprotection:DELETE:*/*:*:None
validate-resourceinterpretercustomization:CREATE,UPDATE:config.karmada.io/resourceinterpretercustomizations:Cluster:None
validate-resourceinterpreterwebhookconfiguration:CREATE,UPDATE:config.karmada.io/resourceinterpreterwebhookconfigurations:Cluster:None
`)

func TestHooks(t *testing.T) {
	r := world{}.make(t)
	var got []string
	for _, name := range []string{"completions", "validations"} {
		names := map[string]bool{}
		for _, h := range list(r.Find(t, "federation-"+name).Inputs["webhooks"]) {
			rule := list(h, "rules")[0]
			path, ok := strings.CutPrefix(text(h, "clientConfig", "url"), "https://karmada-webhook.federation.svc:443/")
			if !ok || text(h, "clientConfig", "caBundle") != authorityBundle || text(h, "failurePolicy") != "Fail" {
				t.Errorf("%s is called as %v", path, h)
			}
			if full := text(h, "name"); names[full] || strings.Count(full, ".") < 2 {
				t.Errorf("name %s", full)
			} else {
				names[full] = true
			}
			got = append(got, fmt.Sprintf("%s:%s:%s/%s:%s:%s", path, strings.Join(texts(rule, "operations"), ","),
				texts(rule, "apiGroups")[0], texts(rule, "resources")[0], text(rule, "scope"), text(h, "sideEffects")))
			if protection := strings.HasSuffix(path, "protection"); protection == at(h, "objectSelector").IsNull() {
				t.Errorf("%s is for %v", path, at(h, "objectSelector"))
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, wantHooks) {
		t.Errorf("found:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(wantHooks, "\n"))
	}
}

func TestRegistration(t *testing.T) {
	r := world{}.make(t)
	spec := r.Find(t, "federation-cluster-api").Inputs["spec"]
	if text(spec, "caBundle") != authorityBundle || text(spec, "service", "namespace") != "karmada-system" {
		t.Errorf("%v", spec)
	}
	alias := r.Find(t, "federation-aggregated-alias").Inputs
	if text(alias["spec"], "externalName") != "karmada-aggregated-apiserver.federation.svc.cluster.local" || text(alias["metadata"], "name") != text(spec, "service", "name") {
		t.Errorf("%v", alias)
	}
}

func TestRoles(t *testing.T) {
	r := world{}.make(t)
	var subjects []string
	for _, s := range list(r.Find(t, "federation-cluster-proxy-admin-binding").Inputs["subjects"]) {
		subjects = append(subjects, text(s, "kind")+" "+text(s, "name"))
	}
	if want := []string{"User system:admin", "User admin", "Group system:masters"}; !slices.Equal(subjects, want) {
		t.Errorf("members are open to %v, want %v", subjects, want)
	}
	for name, verb := range map[string]string{"view": "get", "edit": "create"} {
		role := r.Find(t, "federation-karmada-"+name).Inputs
		if text(role["metadata"], "labels", resource.PropertyKey("rbac.authorization.k8s.io/aggregate-to-"+name)) != "true" || len(list(role["rules"])) != 5 ||
			!slices.Contains(texts(list(role["rules"])[0], "verbs"), verb) {
			t.Errorf("%s: %v", name, role)
		}
	}
}

func TestKubeconfigs(t *testing.T) {
	r := world{}.make(t)
	outside := text(r.Find(t, "federation-kubernetes").Inputs["kubeconfig"])
	for _, want := range []string{"server: https://192.0.97.1:30443", "token: " + mockcloud.Password, "certificate-authority-data: " + authorityBundle, "current-context: federation-cluster"} {
		if !strings.Contains(outside, want) {
			t.Errorf("want %s in:\n%s", want, outside)
		}
	}
	inside := text(r.Find(t, "federation-karmada-scheduler-files").Inputs["stringData"], "kubeconfig")
	for _, want := range []string{"server: https://karmada-apiserver.federation.svc.cluster.local:5443", "client-certificate-data: " + base64.StdEncoding.EncodeToString([]byte("CERTIFICATE federation-admin-cert"))} {
		if !strings.Contains(inside, want) {
			t.Errorf("want %s in:\n%s", want, inside)
		}
	}
	if strings.Contains(inside, mockcloud.Password) {
		t.Error("programs have the administrator's token")
	}
}
