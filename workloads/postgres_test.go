package workloads

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func TestPreviewAndUpMakeTheSame(t *testing.T) {
	up := slices.Sorted(maps.Keys(world(t, false, nil).Made))
	preview := slices.Sorted(maps.Keys(world(t, true, nil).Made))
	if !slices.Equal(up, preview) {
		t.Errorf("up:\n%s\npreview:\n%s", strings.Join(up, "\n"), strings.Join(preview, "\n"))
	}
}

func TestPlacement(t *testing.T) {
	r := world(t, false, nil)
	for name, want := range map[string]string{
		"psql-psql-replica-policy":          "{clusterAffinity:{clusterNames:[frankfurt london]} replicaScheduling:{replicaDivisionPreference:Weighted replicaSchedulingType:Divided weightPreference:{staticWeightList:[{targetCluster:{clusterNames:[frankfurt]} weight:4} {targetCluster:{clusterNames:[london]} weight:2}]}}}",
		"psql-psql-master-policy":           "{clusterAffinity:{clusterNames:[london]}}",
		"psql-psql-etcd-america-policy":     "{clusterAffinity:{clusterNames:[america]}}",
		"psql-psql-etcd-america-tls-policy": "{clusterAffinity:{clusterNames:[america]}}",
		"psql-psql-proxy-policy":            "{clusterAffinity:{clusterNames:[london frankfurt america]}}",
		"psql-psql-shared-policy":           "{clusterAffinity:{clusterNames:[london frankfurt america]}}",
	} {
		if got := show(at(inputs(t, r, name), "spec", "placement")); got != want {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"psql-psql-members-everywhere":        "[{name:frankfurt} {name:london}] [{name:london} {name:frankfurt} {name:america}]",
		"psql-psql-etcd-frankfurt-everywhere": "[{name:frankfurt}] [{name:london} {name:frankfurt} {name:america}]",
	} {
		spec := at(inputs(t, r, name), "spec")
		if got := show(at(spec, "providerClusters")) + " " + show(at(spec, "consumerClusters")); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := show(at(resource.NewProperty(r.OfType("kubernetes:apps/v1:ReplicaSet")["psql-psql-replica"].Inputs), "spec", "replicas")); got != "6" {
		t.Errorf("%s replicas", got)
	}
	// All that pods mount is placed.
	var placed string
	for name := range r.OfType("kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy") {
		placed += show(at(inputs(t, r, name), "spec", "resourceSelectors"))
	}
	for _, kind := range []string{"Secret", "ConfigMap"} {
		for name, a := range r.OfType("kubernetes:core/v1:" + kind) {
			object := show(at(resource.NewProperty(a.Inputs), "metadata", "name"))
			if !strings.Contains(placed, "kind:"+kind+" name:"+object+" ") {
				t.Errorf("%s: no cluster gets %s %s", name, kind, object)
			}
		}
	}
}

// 4/2 to 3/3 moves one pod: no object of the workloads changes, but who divides. That
// commits wait for fewer is Patroni's to know.
func TestMovingAReplicaReplacesNothing(t *testing.T) {
	got := changes(world(t, false, nil), world(t, false, func(a *PostgresArgs) { a.Placement = map[string]int{"frankfurt": 3, "london": 3} }))
	want := []string{
		"psql-psql-config kubernetes:core/v1:ConfigMap data",
		"psql-psql-replica-policy kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy spec",
		"psql-streaming command:remote:Command stdin",
	}
	if !slices.Equal(got, want) {
		t.Errorf("changed:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Passwords and keys are secret wherever they are.
func TestSecrets(t *testing.T) {
	for name, a := range world(t, false, nil).Made {
		if text := plain(resource.NewProperty(a.Inputs)); strings.Contains(text, mockcloud.Password) || strings.Contains(text, mockcloud.PrivatePEM) {
			t.Errorf("%s has a password or key in the clear", name)
		}
	}
}

// plain is all of a value that is not secret.
func plain(v resource.PropertyValue) string {
	switch {
	case v.IsSecret():
		return ""
	case v.IsOutput():
		if v.OutputValue().Secret {
			return ""
		}
		return plain(v.OutputValue().Element)
	case v.IsObject():
		var all string
		for _, e := range v.ObjectValue() {
			all += plain(e) + " "
		}
		return all
	case v.IsArray():
		var all string
		for _, e := range v.ArrayValue() {
			all += plain(e) + " "
		}
		return all
	}
	return fmt.Sprint(v.V)
}

func TestPods(t *testing.T) {
	r := world(t, false, nil)
	kinds := map[string]string{"psql-master": "StatefulSet", "psql-replica": "ReplicaSet", "psql-proxy": "DaemonSet", "psql-etcd-america": "StatefulSet"}
	for name, kind := range kinds {
		a, ok := r.Made["psql-"+name+" kubernetes:apps/v1:"+kind]
		if !ok {
			t.Fatalf("no %s %s", kind, name)
		}
		all := resource.NewProperty(a.Inputs)
		if show(at(all, "metadata", "annotations", "pulumi.com/skipAwait")) != "true" || show(at(all, "metadata", "annotations", "pulumi.com/patchForce")) != "true" {
			t.Errorf("%s: Pulumi would wait for pods of other clusters, or not take it over", name)
		}
		want := name
		if name == "psql-etcd-america" {
			want = "psql-etcd"
		}
		if got := show(at(all, "spec", "template", "metadata", "labels", "name")); got != want {
			t.Errorf("%s: its pods' name is %s, want %s", name, got, want)
		}
		spec := at(all, "spec", "template", "spec")
		security := at(spec, "containers", 0, "securityContext")
		if show(at(security, "allowPrivilegeEscalation")) != "false" || show(at(security, "readOnlyRootFilesystem")) != "true" || show(at(security, "capabilities", "drop")) != "[ALL]" {
			t.Errorf("%s: %s", name, show(security))
		}
		if show(at(spec, "automountServiceAccountToken")) != "false" || show(at(spec, "enableServiceLinks")) != "false" {
			t.Errorf("%s has a token, or the environment of services", name)
		}
		if kind == "StatefulSet" {
			node := map[string]string{"psql-master": "london-2", "psql-etcd-america": "america-2"}[name]
			if got, volumes := show(at(spec, "nodeSelector", "kubernetes.io/hostname")), show(at(spec, "volumes")); got != node || !strings.Contains(volumes, "path:/var/lib/"+name+" ") {
				t.Errorf("%s: on %s with %s, want a folder of %s", name, got, volumes, node)
			}
			if got := show(at(all, "spec", "podManagementPolicy")); got != "Parallel" {
				t.Errorf("the pods of %s are managed by %v, want Parallel", name, got)
			}
		}
	}
	// Patroni finds its own server where members may connect from: without that it rewinds
	// nothing.
	env := show(at(resource.NewProperty(r.Made["psql-psql-replica kubernetes:apps/v1:ReplicaSet"].Inputs), "spec", "template", "spec", "containers", 0, "env"))
	if !strings.Contains(env, "name:PATRONI_POSTGRESQL_LISTEN value:$(POD_IP):5432") || strings.Contains(common, "listen: '*") {
		t.Errorf("PostgreSQL listens elsewhere than at the pod's address: %s", env)
	}
	// Who leads hands over before it goes, and none waits long for an answer of a DNS that starts.
	for _, name := range []string{"psql-master kubernetes:apps/v1:StatefulSet", "psql-replica kubernetes:apps/v1:ReplicaSet"} {
		spec := at(resource.NewProperty(r.Made["psql-"+name].Inputs), "spec", "template", "spec")
		if got := show(at(spec, "containers", 0, "lifecycle", "preStop", "exec", "command")); got != "[/bin/sh /etc/psql/scripts/leave.sh]" {
			t.Errorf("%s: before it stops: %s", name, got)
		}
		if got := show(at(spec, "dnsConfig", "options")); got != "[{name:timeout value:1} {name:attempts value:5}]" {
			t.Errorf("%s: it asks the DNS so: %s", name, got)
		}
	}
	for name, a := range r.Made {
		if strings.HasPrefix(name, "psql-") && strings.Contains(name, " kubernetes:") && !strings.Contains(a.RegisterRPC.GetProvider(), "::federation::") {
			t.Errorf("%s is made by %s", name, a.RegisterRPC.GetProvider())
		}
	}
	// With a disk of the cloud's, it goes wherever the disk can.
	r = world(t, false, func(a *PostgresArgs) { a.StorageClass = "fast" })
	for name, size := range map[string]string{"psql-master": "10Gi", "psql-etcd-london": "1Gi"} {
		spec := at(resource.NewProperty(r.Made["psql-"+name+" kubernetes:apps/v1:StatefulSet"].Inputs), "spec")
		if got := show(at(spec, "volumeClaimTemplates", 0, "spec")); got != "{accessModes:[ReadWriteOnce] resources:{requests:{storage:"+size+"}} storageClassName:fast}" {
			t.Errorf("%s: %s", name, got)
		}
		if at(spec, "template", "spec", "nodeSelector").IsObject() || strings.Contains(show(spec), "hostPath") || strings.Contains(show(spec), "name:folder") {
			t.Errorf("%s is tied to a node: %s", name, show(spec))
		}
	}
}

// The authorities are of the kind that Python accepts, and two: who may enter the
// database must not be able to change who leads.
func TestCertificates(t *testing.T) {
	r := world(t, false, nil)
	authorities := r.OfType("tls:index/selfSignedCert:SelfSignedCert")
	maps.DeleteFunc(authorities, func(name string, _ pulumi.MockResourceArgs) bool { return !strings.HasPrefix(name, "psql-") })
	if len(authorities) != 2 {
		t.Errorf("%d authorities, want 2", len(authorities))
	}
	for name, a := range authorities {
		if all := resource.NewProperty(a.Inputs); show(at(all, "setSubjectKeyId")) != "true" || !strings.Contains(show(at(all, "allowedUses")), "cert_signing") {
			t.Errorf("%s: %s", name, show(all))
		}
	}
	for name, want := range map[string]string{"psql-psql-tls-cert": "psql-ca-key", "psql-psql-etcd-client-cert": "psql-etcd-ca-key", "psql-psql-etcd-london-tls-cert": "psql-etcd-ca-key"} {
		if !r.Needs(name, want) {
			t.Errorf("%s isn't signed with %s", name, want)
		}
	}
}

func TestOrder(t *testing.T) {
	r := world(t, false, nil)
	for _, c := range []struct{ name, other string }{
		{"psql-streaming", "psql-psql-replica-policy"}, {"psql-streaming", "psql-psql-members-everywhere"}, {"psql-streaming", "psql-psql-etcd-america-policy"},
		{"psql-streaming", "psql-psql-proxy-policy"},
		{"psql-psql-master", "psql-psql-scripts"}, {"psql-psql-replica", "psql-psql-shared-policy"}, {"psql-psql-etcd-america", "psql-etcd-members"},
		{"psql-psql-master-policy", "london-2-member"}, {"psql-psql-shared-policy", "america-2-member"},
	} {
		if !r.Needs(c.name, c.other) {
			t.Errorf("%s doesn't wait for %s", c.name, c.other)
		}
	}
}
