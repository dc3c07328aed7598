package crds

import (
	"encoding/json"
	"slices"
	"testing"
)

// The control plane fails in ways that are hard to read where one is missing.
var names = []string{
	"workloadrebalancers.apps.karmada.io",
	"cronfederatedhpas.autoscaling.karmada.io",
	"federatedhpas.autoscaling.karmada.io",
	"resourceinterpretercustomizations.config.karmada.io",
	"resourceinterpreterwebhookconfigurations.config.karmada.io",
	"serviceexports.multicluster.x-k8s.io",
	"serviceimports.multicluster.x-k8s.io",
	"multiclusteringresses.networking.karmada.io",
	"multiclusterservices.networking.karmada.io",
	"clusteroverridepolicies.policy.karmada.io",
	"clusterpropagationpolicies.policy.karmada.io",
	"clustertaintpolicies.policy.karmada.io",
	"federatedresourcequotas.policy.karmada.io",
	"overridepolicies.policy.karmada.io",
	"propagationpolicies.policy.karmada.io",
	"remedies.remedy.karmada.io",
	"clusterresourcebindings.work.karmada.io",
	"resourcebindings.work.karmada.io",
	"works.work.karmada.io",
}

func TestAll(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, crd := range all {
		got = append(got, crd.Name)
		text, err := json.Marshal(crd.Spec)
		if err != nil {
			t.Fatalf("%s: %v", crd.Name, err)
		}
		// The provider notes all of it a second time, in an annotation or in the
		// managed fields, and etcd takes 1.5 MiB.
		if len(text) > 512<<10 {
			t.Errorf("%s has %d KiB; want at most 512", crd.Name, len(text)>>10)
		}
		var spec struct {
			Group      string
			Names      struct{ Plural string }
			Conversion any
			Versions   []struct {
				Storage bool
				Schema  struct{ OpenAPIV3Schema struct{ Type string } }
			}
		}
		if err := json.Unmarshal(text, &spec); err != nil {
			t.Fatalf("%s: %v", crd.Name, err)
		}
		if name := spec.Names.Plural + "." + spec.Group; name != crd.Name {
			t.Errorf("%s defines %s", crd.Name, name)
		}
		stored := 0
		for _, v := range spec.Versions {
			if v.Storage {
				stored++
			}
			if v.Schema.OpenAPIV3Schema.Type != "object" {
				t.Errorf("%s: a version has no schema", crd.Name)
			}
		}
		if stored != 1 || spec.Conversion != nil {
			t.Errorf("%s: %d stored versions, conversion %v; want one, and none", crd.Name, stored, spec.Conversion)
		}
	}
	if !slices.Equal(got, names) {
		t.Errorf("got %q, want %q", got, names)
	}
}

func TestStatusIsWritable(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, crd := range all {
		for _, v := range crd.Spec["versions"].([]any) {
			version := v.(map[string]any)
			properties := version["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)["properties"].(map[string]any)
			_, reported := properties["status"]
			subresources, _ := version["subresources"].(map[string]any)
			_, writable := subresources["status"]
			if reported && !writable {
				t.Errorf("%s, %s: has a status, but no subresource to write it", crd.Name, version["name"])
			}
		}
	}
}
