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
	"hybrid/workloads/topology"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"go.yaml.in/yaml/v3"
)

// world makes three clusters and a database in them.
func world(t *testing.T, preview bool, change func(*PostgresArgs)) *mockcloud.Record {
	t.Helper()
	r, err := mockcloud.Run(preview, nil, func(ctx *pulumi.Context) error {
		args := &PostgresArgs{
			Settings: Settings{
				Image: "example.org/postgres:17", ProxyImage: "example.org/haproxy:3", Durability: topology.Cloud,
				Parameters: Parameters{"work_mem": "4MB", "search_path": "'a'"},
				Master:     "london", Placement: map[string]int{"frankfurt": 4, "london": 2},
			},
			PodCIDR: mockclusters.PodCIDR, Host: mockclusters.Host, Members: map[string]pulumi.Resource{},
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

func TestEtcd(t *testing.T) {
	r := world(t, false, func(a *PostgresArgs) { a.Etcd = map[string]any{"unsafe-no-fsync": true} })
	settings := show(at(inputs(t, r, "psql-psql-config"), "data", "etcd.json"))
	for _, want := range []string{
		`"initial-cluster": "psql-etcd-america=https://psql-etcd-america:2380,psql-etcd-frankfurt=https://psql-etcd-frankfurt:2380,psql-etcd-london=https://psql-etcd-london:2380"`,
		`"client-cert-auth": true`, `"advertise-client-urls": "https://NAME:2379"`, `"unsafe-no-fsync": true`,
	} {
		if !strings.Contains(settings, want) {
			t.Errorf("etcd's settings lack %s: %s", want, settings)
		}
	}
}

// What Patroni is told, as it arrives: the durability, the settings' parameters, and
// that only psql-master may begin with an empty database.
func TestDynamicConfiguration(t *testing.T) {
	for _, c := range []struct {
		durability topology.Durability
		mode       string
	}{{topology.Cloud, `"synchronous_mode":"quorum","synchronous_node_count":4`}, {topology.None, `"synchronous_mode":false`}} {
		r := world(t, false, func(a *PostgresArgs) { a.Durability = c.durability })
		script := show(at(inputs(t, r, "psql-streaming"), "stdin"))
		for _, want := range []string{c.mode, `"work_mem":"4MB"`, `"failsafe_mode":true`, `"check_timeline":true`, `"ttl":20`, "work_mem = '\\''4MB'\\''"} {
			if !strings.Contains(script, want) {
				t.Errorf("%q: the script lacks %s: %s", c.durability, want, script)
			}
		}
		data := at(inputs(t, r, "psql-psql-config"), "data")
		if got := show(at(data, "bootstrap.yml")); !strings.Contains(strings.Join(strings.Fields(got), ""), strings.ReplaceAll(c.mode, " ", "")) {
			t.Errorf("a new database would begin with %s", got)
		}
		if got := show(at(data, "stack.yml")); !strings.Contains(got, `"psql-etcd-america:2379"`) || !strings.Contains(got, "hostssl all all 10.32.0.0/12 scram-sha-256") {
			t.Errorf("stack.yml: %s", got)
		}
	}
	r := world(t, false, nil)
	if got := show(at(inputs(t, r, "psql-psql-config"), "data", topology.Key)); strings.Join(strings.Fields(got), "") != `{"master":"london","placement":{"frankfurt":4,"london":2},"durability":"cloud","etcd":["america","frankfurt","london"]}` {
		t.Errorf("the topology is %s", got)
	}
	for name, may := range map[string]bool{"psql-master kubernetes:apps/v1:StatefulSet": true, "psql-replica kubernetes:apps/v1:ReplicaSet": false} {
		if env := show(at(resource.NewProperty(r.Made["psql-"+name].Inputs), "spec", "template", "spec", "containers", 0, "env")); strings.Contains(env, "name:BOOTSTRAP") != may {
			t.Errorf("%s: may make a database is %v, want %v", name, !may, may)
		}
	}
}

// The settings of Patroni are YAML, and those that are the program's can't be set.
func TestConfiguration(t *testing.T) {
	var c struct {
		Postgresql struct{ Authentication map[string]map[string]string }
	}
	if err := yaml.Unmarshal([]byte(common), &c); err != nil {
		t.Fatal(err)
	}
	if a := c.Postgresql.Authentication; a["rewind"]["username"] != "rewinder" || a["rewind"]["sslcert"] == "" || len(a["superuser"]) != 1 {
		t.Errorf("members would enter each other as %v", a)
	}
	for name, want := range map[string]bool{"ssl": true, "synchronous_standby_names": true, "wal_level": true, "work_mem": false, "TimeZone": false, "SSL": true} {
		if own(name) != want {
			t.Errorf("%s is the program's: %v, want %v", name, !want, want)
		}
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
	// Who leads hands over before it goes.
	for _, name := range []string{"psql-master kubernetes:apps/v1:StatefulSet", "psql-replica kubernetes:apps/v1:ReplicaSet"} {
		if got := show(at(resource.NewProperty(r.Made["psql-"+name].Inputs), "spec", "template", "spec", "containers", 0, "lifecycle", "preStop", "exec", "command")); got != "[/bin/sh /etc/psql/scripts/leave.sh]" {
			t.Errorf("%s: before it stops: %s", name, got)
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

func TestScriptsAreShell(t *testing.T) {
	files, err := scripts.ReadDir("scripts/pod")
	if err != nil || len(files) != 6 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".sh") {
			continue
		}
		if out, err := exec.Command("sh", "-n", "scripts/pod/"+f.Name()).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", f.Name(), err, out)
		}
	}
	for name, script := range map[string]string{"up": up, "keep": keep} {
		scripttest.Check(t, name, clouds.Compose(script, map[string]string{"MASTER": "it's\n$(two) lines"}))
	}
}

// listed is what list.py prints.
const listed = `london leader running 
london quorum_standby streaming 
frankfurt quorum_standby streaming 
frankfurt replica streaming 
`

func TestUp(t *testing.T) {
	changed := strings.NewReplacer
	for name, c := range map[string]struct {
		list, mesh, try, want string
		fails                 bool
	}{
		"up":              {list: listed},
		"one is missing":  {list: changed("replica streaming", "replica creating-replica").Replace(listed), mesh: "-> x established encrypted sleeve (frankfurt-1)", fails: true, want: "1 of 2 members in frankfurt lead or follow"},
		"not following":   {list: changed("replica streaming", "replica running").Replace(listed), mesh: "-> x established encrypted sleeve (frankfurt-1)", fails: true, want: "1 of 2 members in frankfurt lead or follow"},
		"cut off":         {list: changed("frankfurt", "nowhere").Replace(listed), mesh: "-> x retrying no route(frankfurt-1)"},
		"no leader":       {list: changed("leader", "replica").Replace(listed), fails: true, want: "there is no leader"},
		"wrong parameter": {list: listed, try: "unrecognized configuration parameter", fails: true, want: "PostgreSQL refuses hybrid:postgres.parameters: unrecognized configuration parameter"},
		"a restart is due": {list: changed("running ", "running restart", "replica streaming ", "replica streaming restart").Replace(listed),
			want: "2 members take some of the parameters at their next start"},
	} {
		t.Run(name, func(t *testing.T) {
			m := scripttest.New(t, "kubectl")
			m.File("list", c.list)
			m.File("mesh", c.mesh+"\n")
			m.File("try", c.try)
			m.Program("kubectl", "case $* in *try.sh*) cat "+m.Dir+"/try; [ ! -s "+m.Dir+"/try ] ;; *HTTPSConnection*) cat "+m.Dir+"/list ;; esac")
			m.Program("curl", "cat "+m.Dir+"/mesh")
			_, stderr, calls, err := m.Run(clouds.Compose(up, map[string]string{
				"MASTER": "london", "WANT": "frankfurt 2\nlondon 2", "PARAMETERS": "work_mem = '4MB'\n", "DYNAMIC": "{}", "ETCD": "london", "LIST": listScript,
			}), "postgres-streaming", "create")
			if (err != nil) != c.fails || !strings.Contains(stderr, c.want) {
				t.Errorf("found %v: %s\nwant %q", err, stderr, c.want)
			}
			said := strings.Join(calls, "\n")
			// Nothing is changed by what PostgreSQL refuses, and what isn't up hasn't been.
			if strings.Contains(said, "edit-config") == (c.try != "" || name == "no leader") || strings.Contains(said, "create configmap psql-initialized") == c.fails {
				t.Errorf("called:\n%s", said)
			}
		})
	}
}

// Members of etcd that are to go leave it first, and no others.
func TestKeep(t *testing.T) {
	const members = `30a69044f5555af2, started, psql-etcd-frankfurt, https://psql-etcd-frankfurt:2380, https://psql-etcd-frankfurt:2379, false
84b7ce9cf243a659, started, psql-etcd-america, https://psql-etcd-america:2380, https://psql-etcd-america:2379, false
eb81b2f811ca747b, started, psql-etcd-london, https://psql-etcd-london:2380, https://psql-etcd-london:2379, false
`
	for name, c := range map[string]struct {
		now, list, remove string
		removed           int
		want              string
	}{
		"the first time":       {list: "fail"},
		"another master's":     {list: members, removed: 1},
		"as it is":             {now: "america london", list: members},
		"two go":               {now: "america frankfurt london paris", list: members, removed: 1},
		"etcd can't be asked":  {now: "frankfurt london", list: "fail", want: "can't be asked"},
		"it can't be spared":   {now: "frankfurt london", list: members, remove: "echo unhealthy cluster; exit 1", removed: 3, want: "the member of PostgreSQL's etcd in frankfurt can't be taken out: unhealthy cluster"},
		"one comes, none goes": {now: "london", list: "eb81b2f811ca747b, started, psql-etcd-london, https://psql-etcd-london:2380, https://psql-etcd-london:2379, false\n"},
	} {
		t.Run(name, func(t *testing.T) {
			m := scripttest.New(t, "kubectl")
			m.File("list", c.list)
			m.Program("kubectl", `case $* in *"get configmap"*) printf '%s' '`+c.now+`' ;; *"member list"*) cat `+m.Dir+`/list; [ "$(cat `+m.Dir+`/list)" != fail ] ;; *"member remove"*) `+c.remove+"\n;; esac")
			_, stderr, calls, err := m.Run(clouds.Compose(keep, map[string]string{"MASTER": "london", "ETCD": "america london"}), "etcd-members", "create")
			if (err != nil) != (c.want != "") || !strings.Contains(stderr, c.want) {
				t.Errorf("found %v: %s\nwant %q", err, stderr, c.want)
			}
			said := strings.Join(calls, "\n")
			if got := strings.Count(said, "member remove 30a69044f5555af2"); got != c.removed || strings.Count(said, "member remove") != got {
				t.Errorf("called:\n%s\nwant %d removals of frankfurt's", said, c.removed)
			}
		})
	}
}
