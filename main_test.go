package main

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func TestMain(m *testing.M) {
	os.Unsetenv("SSH_AUTH_SOCK") // see clouds.CheckAgent
	os.Exit(m.Run())
}

// preview runs the program with a stack's config and returns what it registers.
func preview(config map[string]string) (map[string]pulumi.MockResourceArgs, error) {
	return run(true, config, nil)
}

// up is preview for what depends on what only machines that exist have.
func up(config map[string]string) (map[string]pulumi.MockResourceArgs, error) {
	return run(false, config, nil)
}

// run is preview or up. check, if not nil, looks at what the program has made.
func run(preview bool, config map[string]string, check func(*system)) (map[string]pulumi.MockResourceArgs, error) {
	r, err := mockcloud.Run(preview, config, func(ctx *pulumi.Context) error {
		made, err := program(ctx)
		if err == nil && check != nil {
			check(made)
		}
		return err
	})
	return r.Made, err
}

// Pulumi's command plugin would fail when the first machine has been made.
func TestAgentThatIsGoneCreatesNothing(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "/no/such/agent")
	made, err := preview(stackConfig(t, "Pulumi.dev.yaml"))
	if err == nil || !strings.Contains(err.Error(), "env -u SSH_AUTH_SOCK") || len(made) != 0 {
		t.Errorf("got %v and %d resources, want what to do and none", err, len(made))
	}
}

func TestProgram(t *testing.T) {
	made, err := preview(stackConfig(t, "Pulumi.dev.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"london-1 digitalocean:index/droplet:Droplet",
		"london-2 digitalocean:index/droplet:Droplet",
		"frankfurt-1 aws:ec2/instance:Instance",
		"frankfurt-2 aws:ec2/instance:Instance",
		"america-1 gcp:compute/instance:Instance",
		"america-2 gcp:compute/instance:Instance",
		"london hybrid:clouds:Cluster",
		"america-kubernetes pulumi:providers:kubernetes",
		"zone hybrid:federation:Zone",
		"zone gcp:dns/managedZone:ManagedZone",
		"zone-london gcp:dns/recordSet:RecordSet",
		"zone-federation gcp:dns/recordSet:RecordSet",
		"mesh hybrid:mesh:Mesh",
		"mesh-password random:index/randomPassword:RandomPassword",
		"london-weave-net kubernetes:apps/v1:DaemonSet",
		"frankfurt-mesh command:remote:Command",
		"federation hybrid:federation:Federation",
		"federation-token random:index/randomPassword:RandomPassword",
		"federation-etcd kubernetes:apps/v1:StatefulSet",
		"frankfurt-federation-membership command:remote:Command",
	} {
		if _, ok := made[want]; !ok {
			t.Errorf("found no %s in:\n%s", want, strings.Join(slices.Sorted(maps.Keys(made)), "\n"))
		}
	}
}

func TestWrongSettingsMakeNothing(t *testing.T) {
	made, err := preview(stackConfig(t, "testdata/settings/everything-wrong.yaml"))
	if err == nil || len(made) > 0 {
		t.Errorf("found error %v and %d resources, want an error and none", err, len(made))
	}
}

// One more cluster changes, of the others, no more than whom they let in, whom they
// look for and where services are known, none of which replaces anything.
func TestOneMoreClusterLeavesTheOthersAlone(t *testing.T) {
	config := stackConfig(t, "Pulumi.dev.yaml")
	before, err := up(config)
	if err != nil {
		t.Fatal(err)
	}
	one := `[{"name":"paris","cloud":"aws","region":"eu-west-3","networkCidr":"10.50.0.0/24","serviceCidr":"10.100.0.0/16"},`
	config["hybrid:clusters"] = one + strings.TrimPrefix(config["hybrid:clusters"], "[")
	after, err := up(config)
	if err != nil {
		t.Fatal(err)
	}
	changes := []string{
		"america-mesh command:remote:Command stdin",
		"america-weave-mesh kubernetes:core/v1:ConfigMap data",
		"frankfurt-mesh command:remote:Command stdin",
		"london-mesh command:remote:Command stdin",
		"london-peers digitalocean:index/firewall:Firewall inboundRules",
		"psql-psql-etcd-america-everywhere kubernetes:networking.karmada.io/v1alpha1:MultiClusterService spec",
		"psql-psql-etcd-frankfurt-everywhere kubernetes:networking.karmada.io/v1alpha1:MultiClusterService spec",
		"psql-psql-etcd-london-everywhere kubernetes:networking.karmada.io/v1alpha1:MultiClusterService spec",
		"psql-psql-local-policy kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy spec",
		"psql-psql-members-everywhere kubernetes:networking.karmada.io/v1alpha1:MultiClusterService spec",
		"psql-psql-proxy-policy kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy spec",
		"psql-psql-shared-policy kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy spec",
		"reachable command:local:Command stdin",
	}
	var found []string
	for name, a := range before {
		for property, value := range a.Inputs {
			if !reflect.DeepEqual(value, after[name].Inputs[property]) {
				found = append(found, name+" "+string(property))
			}
		}
	}
	slices.Sort(found)
	if !slices.Equal(found, changes) {
		t.Errorf("changed:\n%s\nwant:\n%s", strings.Join(found, "\n"), strings.Join(changes, "\n"))
	}
	for name := range after {
		if _, ok := before[name]; !ok && !strings.Contains(name, "paris") {
			t.Errorf("%s is new", name)
		}
	}
}

// One cluster alone has a mesh too: of its own nodes.
func TestOneCluster(t *testing.T) {
	config := stackConfig(t, "Pulumi.dev.yaml")
	config["hybrid:clusters"] = `[{"name":"paris","cloud":"aws","region":"eu-west-3","networkCidr":"10.50.0.0/24","serviceCidr":"10.100.0.0/16","federationHost":true}]`
	made, err := preview(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := made["paris-mesh command:remote:Command"]; !ok {
		t.Error("found no step that waits for the mesh")
	}
	for name := range made {
		if strings.Contains(name, "mesh-admission") || strings.Contains(name, "mesh-peers") || strings.HasPrefix(name, "paris-mesh-tcp ") {
			t.Errorf("%s: there is no other cluster", name)
		}
	}
}

// Nothing of a zone that is switched off is left, not even in certificates.
func TestWithoutZone(t *testing.T) {
	config := stackConfig(t, "Pulumi.dev.yaml")
	config["hybrid:zone"] = `{"enabled": false}`
	made, err := run(false, config, func(s *system) {
		if s.outputs()["zone"] != nil || strings.Contains(next(s.settings), "zone") {
			t.Error("there is an output of the zone, or a command about it")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range made {
		if strings.HasPrefix(name, "zone") || strings.Contains(fmt.Sprint(a.Inputs), "cluster.world") {
			t.Errorf("%s is about the zone", name)
		}
	}
}

// The names are in the certificates, and another domain replaces no node.
func TestAnotherDomain(t *testing.T) {
	config := stackConfig(t, "Pulumi.dev.yaml")
	before, err := up(config)
	if err != nil {
		t.Fatal(err)
	}
	config["hybrid:zone"] = `{"domain": "example.org"}`
	after, err := up(config)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for name, a := range before {
		if !strings.HasPrefix(name, "zone") && !reflect.DeepEqual(a.Inputs, after[name].Inputs) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	if want := []string{
		"america-1-init command:remote:Command",
		"federation-apiserver-request tls:index/certRequest:CertRequest",
		"frankfurt-1-init command:remote:Command",
		"london-1-init command:remote:Command",
	}; !slices.Equal(found, want) {
		t.Errorf("changed:\n%s\nwant:\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
	if stdin := fmt.Sprint(after["london-1-init command:remote:Command"].Inputs["stdin"]); !strings.Contains(stdin, "- london.example.org\n") {
		t.Errorf("kubeadm doesn't know the name: %s", stdin)
	}
}

// The exporter is there if it is switched on, and without the database it isn't let in there.
func TestMonitoring(t *testing.T) {
	config := stackConfig(t, "Pulumi.dev.yaml")
	for name, x := range map[string]struct {
		monitoring, postgres string
		want                 bool
	}{
		"off":              {"{}", "{}", false},
		"on":               {`{"enabled": true, "image": "example.org/hybrid:1"}`, "{}", true},
		"without database": {`{"enabled": true, "image": "example.org/hybrid:1"}`, `{"enabled": false}`, true},
	} {
		config["hybrid:monitoring"], config["hybrid:postgres"] = x.monitoring, x.postgres
		made, err := run(true, config, func(s *system) {
			if _, ok := s.outputs()["metrics"]; ok != x.want {
				t.Errorf("%s: the output metrics is there: %v", name, ok)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := made["london-monitoring-role-hybrid-exporter-postgresql kubernetes:rbac.authorization.k8s.io/v1:Role"]; ok != (name == "on") {
			t.Errorf("%s: the role in the database's pods: %v", name, ok)
		}
		for key := range made {
			if strings.Contains(key, "monitoring") && !x.want {
				t.Errorf("%s: found %s", name, key)
			}
		}
	}
}

func TestOutputs(t *testing.T) {
	_, err := run(true, stackConfig(t, "Pulumi.dev.yaml"), func(s *system) {
		all := s.outputs()
		pulumi.All(all["kubeconfig"]).ApplyT(func(v []any) any {
			if text := v[0].(string); !strings.Contains(text, "name: federation-cluster") || !strings.Contains(text, "current-context: london") {
				t.Errorf("kubeconfig:\n%s", text)
			}
			return nil
		})
		if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, []string{"adminCidrs", "certificatesEnd", "clusters", "kubeconfig", "mesh", "next", "postgres", "sshPrivateKeys", "zone"}) {
			t.Errorf("outputs %v", got)
		}
		database := all["postgres"].(pulumi.Map)
		if got := slices.Sorted(maps.Keys(database)); !slices.Equal(got, []string{"ca", "commands", "durability", "password", "read", "write"}) {
			t.Errorf("outputs of postgres %v", got)
		}
		for name, value := range map[string]pulumi.Input{"kubeconfig": all["kubeconfig"], "sshPrivateKeys": all["sshPrivateKeys"], "password": database["password"]} {
			if out, ok := value.(pulumi.Output); !ok || !pulumi.IsSecret(out) {
				t.Errorf("%s is not secret", name)
			}
		}
		if text := next(s.settings); !strings.Contains(text, "kubectl --context london get nodes\n") || !strings.Contains(text, "umask 077") ||
			!strings.Contains(text, "kubectl --context federation-cluster get clusters\n") || !strings.Contains(text, "delegate cluster.world to these") {
			t.Errorf("next:\n%s", text)
		}
		s.settings.Zone.Existing = "ours"
		if text := next(s.settings); strings.Contains(text, "delegate") {
			t.Errorf("next, with a zone that there is:\n%s", text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The settings of certificates are those of the federation, and count for all.
func TestAllCertificatesFollowTheSettings(t *testing.T) {
	config := stackConfig(t, "Pulumi.dev.yaml")
	config["hybrid:federation"] = `{"certificateHours": 100, "renewHours": 10}`
	made, err := preview(config)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for name, r := range made {
		if !strings.HasSuffix(r.TypeToken, "LocallySignedCert") {
			continue
		}
		found++
		if valid, renewed := r.Inputs["validityPeriodHours"], r.Inputs["earlyRenewalHours"]; !valid.IsNumber() || valid.NumberValue() != 100 || renewed.NumberValue() != 10 {
			t.Errorf("%s is valid for %v hours, and renewed %v before, want 100 and 10", name, valid, renewed)
		}
	}
	if found < 12 {
		t.Errorf("found %d certificates: this shows too little", found)
	}
}
