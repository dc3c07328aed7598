package workloads

import (
	"fmt"
	"maps"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hybrid/clouds"
	"hybrid/internal/mockcloud"
	"hybrid/internal/mockclusters"
	"hybrid/internal/scripttest"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// world makes three clusters and a database in them.
func world(t *testing.T, preview bool, change func(*PostgresArgs)) *mockcloud.Record {
	t.Helper()
	r, err := mockcloud.Run(preview, nil, func(ctx *pulumi.Context) error {
		args := &PostgresArgs{
			Settings: Settings{
				Image: "example.org/postgres:18", Parameters: Parameters{"work_mem": "4MB", "search_path": "'a'"},
				Master: "london", Witness: "america", Placement: map[string]int{"frankfurt": 4, "london": 2},
			},
			PodCIDR: mockclusters.PodCIDR, Members: map[string]pulumi.Resource{},
		}
		made, err := mockclusters.New(ctx, map[string]int{"london": 2, "frankfurt": 2, "america": 2})
		if err != nil {
			return err
		}
		slices.Reverse(made) // an order of the settings' own
		args.Clusters, args.Identity = made, made.Named(mockclusters.Host).Identity
		for _, c := range made {
			args.Members[c.Name] = c.Nodes[1].Member
		}
		if args.Provider, err = kubernetes.NewProvider(ctx, "federation", &kubernetes.ProviderArgs{}); err != nil {
			return err
		}
		if change != nil {
			change(args)
		}
		p, err := NewPostgres(ctx, "psql", args)
		if err == nil && !pulumi.IsSecret(p.Password) {
			t.Error("the password is not secret")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var open = mockcloud.Open

// at goes down into a value: numbers are indices of lists.
func at(v resource.PropertyValue, path ...any) resource.PropertyValue {
	for _, p := range path {
		v = open(v)
		switch p := p.(type) {
		case string:
			if !v.IsObject() {
				return resource.NewNullProperty()
			}
			v = v.ObjectValue()[resource.PropertyKey(p)]
		case int:
			if !v.IsArray() || p >= len(v.ArrayValue()) {
				return resource.NewNullProperty()
			}
			v = v.ArrayValue()[p]
		}
	}
	return open(v)
}

// show is a value as text, secrets and all.
func show(v resource.PropertyValue) string {
	v = open(v)
	switch {
	case v.IsObject():
		var parts []string
		for _, k := range v.ObjectValue().StableKeys() {
			parts = append(parts, string(k)+":"+show(v.ObjectValue()[k]))
		}
		return "{" + strings.Join(parts, " ") + "}"
	case v.IsArray():
		var parts []string
		for _, e := range v.ArrayValue() {
			parts = append(parts, show(e))
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	return fmt.Sprint(v.V)
}

// inputs are those of a resource.
func inputs(t *testing.T, r *mockcloud.Record, name string) resource.PropertyValue {
	t.Helper()
	return resource.NewProperty(r.Find(t, name).Inputs)
}

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
		"psql-psql-replica-policy": "{clusterAffinity:{clusterNames:[frankfurt london]} replicaScheduling:{replicaDivisionPreference:Weighted replicaSchedulingType:Divided weightPreference:{staticWeightList:[{targetCluster:{clusterNames:[frankfurt]} weight:4} {targetCluster:{clusterNames:[london]} weight:2}]}}}",
		"psql-psql-master-policy":  "{clusterAffinity:{clusterNames:[london]}}",
		"psql-psql-witness-policy": "{clusterAffinity:{clusterNames:[america]}}",
		"psql-psql-shared-policy":  "{clusterAffinity:{clusterNames:[london frankfurt america]}}",
	} {
		if got := show(at(inputs(t, r, name), "spec", "placement")); got != want {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"psql-psql-master-everywhere":  "[{name:london}] [{name:london} {name:frankfurt} {name:america}]",
		"psql-psql-replica-everywhere": "[{name:frankfurt} {name:london}] [{name:london} {name:frankfurt} {name:america}]",
		"psql-psql-witness-everywhere": "[{name:america}] [{name:london} {name:frankfurt} {name:america}]",
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
	placed := show(at(inputs(t, r, "psql-psql-shared-policy"), "spec", "resourceSelectors"))
	for _, kind := range []string{"Secret", "ConfigMap"} {
		for name, a := range r.OfType("kubernetes:core/v1:" + kind) {
			object := show(at(resource.NewProperty(a.Inputs), "metadata", "name"))
			if !strings.Contains(placed, "kind:"+kind+" name:"+object+" ") {
				t.Errorf("%s: no cluster gets %s %s", name, kind, object)
			}
		}
	}
}

// changes are the inputs that differ.
func changes(before, after *mockcloud.Record) []string {
	var found []string
	for name, a := range before.Made {
		for property, value := range a.Inputs {
			if !reflect.DeepEqual(value, after.Made[name].Inputs[property]) {
				found = append(found, name+" "+string(property))
			}
		}
	}
	for name := range after.Made {
		if _, ok := before.Made[name]; !ok {
			found = append(found, name+" is new")
		}
	}
	slices.Sort(found)
	return found
}

// 4/2 to 3/3 moves one pod: no object of the workloads changes, but who divides.
func TestMovingAReplicaReplacesNothing(t *testing.T) {
	got := changes(world(t, false, nil), world(t, false, func(a *PostgresArgs) { a.Placement = map[string]int{"frankfurt": 3, "london": 3} }))
	want := []string{
		"psql-psql-replica-policy kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy spec",
		"psql-psql-settings kubernetes:core/v1:ConfigMap data",
		"psql-streaming command:remote:Command stdin",
	}
	if !slices.Equal(got, want) {
		t.Errorf("changed:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Another master moves the master, and touches no replica.
func TestMovingTheMaster(t *testing.T) {
	got := changes(world(t, false, nil), world(t, false, func(a *PostgresArgs) { a.Master = "frankfurt" }))
	want := []string{
		"psql-psql-master kubernetes:apps/v1:StatefulSet spec",
		"psql-psql-master-everywhere kubernetes:networking.karmada.io/v1alpha1:MultiClusterService spec",
		"psql-psql-master-policy kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy spec",
		"psql-psql-settings kubernetes:core/v1:ConfigMap data",
		"psql-streaming command:remote:Command connection",
		"psql-streaming command:remote:Command stdin",
	}
	if !slices.Equal(got, want) {
		t.Errorf("changed:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// A pod that got the name of the old master's node gives way to one that didn't.
	if got := at(resource.NewProperty(world(t, false, nil).Made["psql-psql-master kubernetes:apps/v1:StatefulSet"].Inputs), "spec", "podManagementPolicy"); !got.IsString() || got.StringValue() != "Parallel" {
		t.Errorf("the master's pods are managed by %v, want Parallel", got)
	}
}

func TestSynchronous(t *testing.T) {
	for _, c := range []struct {
		placement map[string]int
		n         int
		want      string
	}{
		{map[string]int{"frankfurt": 4, "london": 2}, 0, ``},
		{map[string]int{"frankfurt": 4, "london": 2}, 1, `ANY 1 ("frankfurt")`},
		{map[string]int{"frankfurt": 4, "london": 2, "america": 1, "paris": 0}, 2, `ANY 2 ("america", "frankfurt")`},
		{map[string]int{"london": 2, "frankfurt": 0}, 1, `ANY 1 ("london")`},
	} {
		if got := synchronous("london", c.placement, c.n); got != c.want {
			t.Errorf("%v, %d: %s, want %s", c.placement, c.n, got, c.want)
		}
	}
	r := world(t, false, func(a *PostgresArgs) { a.Synchronous = 1 })
	data := at(inputs(t, r, "psql-psql-settings"), "data")
	for key, want := range map[string]string{
		"synchronous": `ANY 1 ("frankfurt")`, "parameters": "search_path = '''a'''\nwork_mem = '4MB'\n",
		"topology": `{"master":"london","witness":"america","placement":{"frankfurt":4,"london":2},"synchronous":1}`,
	} {
		if got := show(at(data, key)); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

// Who has which password: replicas none but their own.
func TestSecrets(t *testing.T) {
	r := world(t, false, nil)
	for server, keys := range map[string]string{"psql-psql-master": "postgres replication", "psql-psql-replica": "replication"} {
		data := at(resource.NewProperty(r.OfType("kubernetes:core/v1:Secret")[server].Inputs), "stringData")
		var got []string
		for _, k := range data.ObjectValue().StableKeys() {
			got = append(got, string(k))
		}
		if strings.Join(got, " ") != keys {
			t.Errorf("%s has %v, want %s", server, got, keys)
		}
	}
	for name, a := range r.Made {
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
	kinds := map[string]string{"psql-master": "StatefulSet", "psql-witness": "StatefulSet", "psql-replica": "ReplicaSet"}
	for name, kind := range kinds {
		a, ok := r.Made["psql-"+name+" kubernetes:apps/v1:"+kind]
		if !ok {
			t.Fatalf("no %s %s", kind, name)
		}
		all := resource.NewProperty(a.Inputs)
		if show(at(all, "metadata", "annotations", "pulumi.com/skipAwait")) != "true" || show(at(all, "metadata", "annotations", "pulumi.com/patchForce")) != "true" {
			t.Errorf("%s: Pulumi would wait for pods of other clusters, or not take it over", name)
		}
		spec := at(all, "spec", "template", "spec")
		container := at(spec, "containers", 0)
		security := at(container, "securityContext")
		if show(at(security, "runAsNonRoot")) != "true" || show(at(security, "readOnlyRootFilesystem")) != "true" || show(at(security, "capabilities", "drop")) != "[ALL]" {
			t.Errorf("%s: %s", name, show(security))
		}
		if show(at(spec, "automountServiceAccountToken")) != "false" || show(at(spec, "enableServiceLinks")) != "false" {
			t.Errorf("%s has a token, or the environment of services", name)
		}
		volumes := show(at(spec, "volumes"))
		wantSecret := name
		if name == "psql-witness" {
			wantSecret = "psql-master"
		}
		for _, want := range []string{"secretName:" + wantSecret + "}", "secretName:" + name + "-tls}"} {
			if !strings.Contains(volumes, want) {
				t.Errorf("%s: want a volume with %s: %s", name, want, volumes)
			}
		}
		if kind == "StatefulSet" {
			node := map[string]string{"psql-master": "london-2", "psql-witness": "america-2"}[name]
			if got := show(at(spec, "nodeSelector", "kubernetes.io/hostname")); got != node || !strings.Contains(volumes, "path:/var/lib/"+name) {
				t.Errorf("%s: on %s with %s, want a folder of %s", name, got, volumes, node)
			}
		}
	}
	for name, a := range r.Made {
		if strings.HasPrefix(name, "psql-") && strings.Contains(name, " kubernetes:") && !strings.Contains(a.RegisterRPC.GetProvider(), "::federation::") {
			t.Errorf("%s is made by %s", name, a.RegisterRPC.GetProvider())
		}
	}
	// With a disk of the cloud's, it goes wherever the disk can.
	r = world(t, false, func(a *PostgresArgs) { a.StorageClass = "fast" })
	for _, name := range []string{"psql-master", "psql-witness"} {
		spec := at(resource.NewProperty(r.Made["psql-"+name+" kubernetes:apps/v1:StatefulSet"].Inputs), "spec")
		if got := show(at(spec, "volumeClaimTemplates", 0, "spec")); got != "{accessModes:[ReadWriteOnce] resources:{requests:{storage:10Gi}} storageClassName:fast}" {
			t.Errorf("%s: %s", name, got)
		}
		if at(spec, "template", "spec", "nodeSelector").IsObject() || strings.Contains(show(spec), "hostPath") || strings.Contains(show(spec), "initContainers:[{") {
			t.Errorf("%s is tied to a node: %s", name, show(spec))
		}
	}
}

func TestOrder(t *testing.T) {
	r := world(t, false, nil)
	for _, c := range []struct{ name, other string }{
		{"psql-streaming", "psql-psql-replica-policy"}, {"psql-streaming", "psql-psql-master-everywhere"}, {"psql-streaming", "psql-psql-witness-policy"},
		{"psql-psql-master", "psql-psql-scripts"}, {"psql-psql-replica", "psql-psql-shared-policy"},
		{"psql-psql-master-policy", "london-2-member"}, {"psql-psql-shared-policy", "america-2-member"},
	} {
		if !r.Needs(c.name, c.other) {
			t.Errorf("%s doesn't wait for %s", c.name, c.other)
		}
	}
}

func TestScriptsAreShell(t *testing.T) {
	files, err := scripts.ReadDir("scripts")
	if err != nil || len(files) != 5 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		if out, err := exec.Command("sh", "-n", "scripts/"+f.Name()).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", f.Name(), err, out)
		}
	}
	scripttest.Check(t, "streaming", clouds.Compose(streaming, map[string]string{"MASTER": "it's\n$(two) lines"}))
}

func TestStreaming(t *testing.T) {
	const all = "frankfurt\nlondon\nfrankfurt\nlondon\nfrankfurt\nfrankfurt\n"
	for name, c := range map[string]struct{ answer, mesh, want string }{
		"up":               {all + `= ANY 1 ("frankfurt")`, "", ""},
		"one is missing":   {strings.Replace(all, "frankfurt\n", "", 1) + `= ANY 1 ("frankfurt")`, "-> 192.0.2.1:6783 established encrypted sleeve 0a:00(frankfurt-1)", "3 of 4 replicas in frankfurt follow"},
		"cut off":          {"london\nlondon\n" + `= ANY 1 ("frankfurt")`, "-> 192.0.2.1:6783 retrying no route(frankfurt-1)", ""},
		"not synchronous":  {all + "= ", "", "has not taken over synchronousReplicas"},
		"master's are out": {"frankfurt\nfrankfurt\nfrankfurt\nfrankfurt\n" + `= ANY 1 ("frankfurt")`, "-> x established encrypted sleeve (frankfurt-1)", "0 of 2 replicas in london follow"},
	} {
		t.Run(name, func(t *testing.T) {
			m := scripttest.New(t, "kubectl")
			m.File("answer", c.answer+"\n")
			m.File("mesh", c.mesh+"\n")
			m.Program("kubectl", "case $* in *exec*) cat "+m.Dir+"/answer ;; esac")
			m.Program("curl", "cat "+m.Dir+"/mesh")
			_, stderr, _, err := m.Run(clouds.Compose(streaming, map[string]string{
				"MASTER": "london", "WANT": "frankfurt 4\nlondon 2", "SYNCHRONOUS": `ANY 1 ("frankfurt")`,
			}), "postgres-streaming", "create")
			if (err != nil) != (c.want != "") || !strings.Contains(stderr, c.want) {
				t.Errorf("found %v: %s\nwant %q", err, stderr, c.want)
			}
		})
	}
}
