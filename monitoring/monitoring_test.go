package monitoring

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hybrid/clouds"
	"hybrid/federation"
	"hybrid/internal/mockcloud"
	"hybrid/internal/mockclusters"
	"hybrid/internal/observe"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// Short names for what tests look into.
var (
	text  = mockcloud.Text
	texts = mockcloud.Texts
	at    = mockcloud.At
	list  = mockcloud.List
)

const image = "example.org/hybrid:1"

// world is what a test makes.
type world struct {
	preview bool
	workers map[string]int // per cluster
	change  func(*Args)
}

func (w world) make(t *testing.T) *mockcloud.Record {
	t.Helper()
	if w.workers == nil {
		w.workers = mockclusters.Three
	}
	r, err := mockcloud.Run(w.preview, nil, func(ctx *pulumi.Context) error {
		all, err := mockclusters.New(ctx, w.workers)
		if err != nil {
			return err
		}
		args := &Args{
			Settings: Settings{Enabled: true, Image: image}, Clusters: all, Host: all.Named(mockclusters.Host),
			Mesh: map[string]pulumi.Resource{}, Database: true,
		}
		run := func(name string) (pulumi.CustomResource, error) {
			return args.Host.Run(ctx, name, args.Host.ControlPlane(), clouds.Script{Name: "mesh", Timeout: "1m"})
		}
		if args.Mesh[args.Host.Name], err = run("america-mesh"); err != nil {
			return err
		}
		args.Federation = &federation.Federation{}
		if args.Federation.Ready, err = run("federation-ready"); err != nil {
			return err
		}
		args.Federation.Identity = args.Host.Identity
		if args.Federation.Provider, err = kubernetes.NewProvider(ctx, "federation-kubernetes", &kubernetes.ProviderArgs{}); err != nil {
			return err
		}
		if w.change != nil {
			w.change(args)
		}
		_, err = New(ctx, "monitoring", args)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The exporter finds everything in the file that it is given: what there should be, and an
// account in each API that isn't the administrator's.
func TestOutputs(t *testing.T) {
	r := world{}.make(t)
	path := filepath.Join(t.TempDir(), outputsFile)
	if err := os.WriteFile(path, []byte(text(r.Find(t, "monitoring-outputs").Inputs["stringData"], outputsFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := observe.FromOutputs(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []observe.Expected{
		{Name: "america", Cloud: "digitalocean", Region: "lon1", FederationHost: true, Nodes: []string{"america-1", "america-2"}},
		{Name: "frankfurt", Cloud: "aws", Region: "lon1", Nodes: []string{"frankfurt-1", "frankfurt-2"}},
		{Name: "london", Cloud: "gce", Region: "lon1", Nodes: []string{"london-1", "london-2"}},
	}
	if !reflect.DeepEqual(s.Clusters, want) {
		t.Errorf("found %+v, want %+v", s.Clusters, want)
	}
	for name, server := range map[string]string{
		"america":                 "https://10.10.0.2:6443", // at home
		"frankfurt":               "https://" + mockcloud.Address("frankfurt-1") + ":6443",
		"london":                  "https://" + mockcloud.Address("london-1") + ":6443",
		observe.FederationContext: federation.URL,
	} {
		context := s.Kubeconfig.Contexts[name]
		if context == nil {
			t.Errorf("there is no context %s", name)
			continue
		}
		cluster, user := s.Kubeconfig.Clusters[context.Cluster], s.Kubeconfig.AuthInfos[context.AuthInfo]
		if cluster.Server != server || string(cluster.CertificateAuthorityData) != "CA" {
			t.Errorf("%s is at %s, known by %q; want %s", name, cluster.Server, cluster.CertificateAuthorityData, server)
		}
		if user.Token != "account token" || len(user.ClientKeyData) > 0 {
			t.Errorf("%s: the user is %+v, want the account", name, user)
		}
	}
}

// wanted are the roles of view-role.yaml for an API, by name and namespace.
func wanted(t *testing.T, federation, database bool) map[string][]rbacv1.PolicyRule {
	t.Helper()
	all := map[string][]rbacv1.PolicyRule{}
	for document := range strings.SplitSeq(viewRole, "\n---\n") {
		var role rbacv1.ClusterRole // a Role has the same rules
		if err := yaml.UnmarshalStrict([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		if (role.Name == federationRole) == federation && (database || role.Namespace != "default") {
			all[strings.Replace(role.Name, "view", "exporter", 1)+" "+role.Namespace] = role.Rules
		}
	}
	return all
}

// Each account has the roles of view-role.yaml for its API, and no others.
func TestRoles(t *testing.T) {
	for _, database := range []bool{true, false} {
		r := world{change: func(a *Args) { a.Database = database }}.make(t)
		found, bound := map[string]map[string][]rbacv1.PolicyRule{}, map[string][]string{}
		for _, a := range r.Made {
			kind := a.TypeToken[strings.LastIndex(a.TypeToken, ":")+1:]
			name, namespace := text(a.Inputs["metadata"], "name"), text(a.Inputs["metadata"], "namespace")
			api, _, _ := strings.Cut(a.Name, "-monitoring-")
			switch kind {
			case "ClusterRole", "Role":
				if found[api] == nil {
					found[api] = map[string][]rbacv1.PolicyRule{}
				}
				var rules []rbacv1.PolicyRule
				for _, x := range list(a.Inputs["rules"]) {
					rules = append(rules, rbacv1.PolicyRule{
						Verbs: texts(x, "verbs"), APIGroups: texts(x, "apiGroups"), Resources: texts(x, "resources"), ResourceNames: texts(x, "resourceNames"),
					})
				}
				found[api][name+" "+namespace] = rules
			case "ClusterRoleBinding", "RoleBinding":
				subject := list(a.Inputs["subjects"])[0]
				if text(a.Inputs["roleRef"], "kind")+"Binding" != kind || text(subject, "kind") != "ServiceAccount" ||
					text(subject, "name") != exporterName || text(subject, "namespace") != accountsIn {
					t.Errorf("%s: %v", a.Name, a.Inputs)
				}
				bound[api] = append(bound[api], text(a.Inputs["roleRef"], "name")+" "+namespace)
			}
		}
		for _, api := range []string{"london", "frankfurt", "america", federation.Context} {
			want := wanted(t, api == federation.Context, database)
			slices.Sort(bound[api])
			if !reflect.DeepEqual(found[api], want) || !slices.Equal(bound[api], slices.Sorted(maps.Keys(want))) {
				t.Errorf("database: %t: roles of %s: %v, bound %q, want %v", database, api, found[api], bound[api], want)
			}
		}
	}
}

func TestExporter(t *testing.T) {
	r := world{}.make(t)
	d := r.Find(t, "monitoring-exporter")
	spec := at(d.Inputs["spec"], "template", "spec")
	c := list(spec, "containers")[0]
	if text(c, "image") != image || !slices.Equal(texts(c, "command"), []string{"/hybrid", "exporter", "--outputs", "/etc/hybrid/outputs.json", "--listen", ":9939"}) {
		t.Errorf("it runs %v of %s", texts(c, "command"), text(c, "image"))
	}
	if at(spec, "automountServiceAccountToken").BoolValue() || !at(spec, "securityContext", "runAsNonRoot").BoolValue() ||
		at(c, "securityContext", "allowPrivilegeEscalation").BoolValue() || !slices.Equal(texts(c, "securityContext", "capabilities", "drop"), []string{"ALL"}) {
		t.Errorf("it has more rights than it needs: %v", spec)
	}
	for name, others := range map[string][]string{
		"monitoring-exporter":                    {"america-mesh", "monitoring-outputs", "monitoring-service", "federation-ready"},
		"london-monitoring-token":                {"london-monitoring-account"},
		federation.Context + "-monitoring-token": {"federation-ready"},
	} {
		for _, other := range others {
			if !r.Needs(name, other) {
				t.Errorf("%s doesn't wait for %s", name, other)
			}
		}
	}
	for name, a := range r.OfType("kubernetes:core/v1:Service") {
		if kind := text(a.Inputs["spec"], "type"); kind != "" && kind != "ClusterIP" {
			t.Errorf("%s is open as a %s", name, kind)
		}
	}
}

func TestPreviewAndUpMakeTheSame(t *testing.T) {
	up, preview := world{}.make(t), world{preview: true}.make(t)
	for name := range up.Made {
		if _, ok := preview.Made[name]; !ok {
			t.Errorf("a preview has no %s", name)
		}
	}
}

func TestNoSecretInPlainText(t *testing.T) {
	for _, preview := range []bool{false, true} {
		for name, a := range (world{preview: preview}).make(t).Made {
			shown := mockcloud.Plain(a.Inputs)
			for _, secret := range []string{mockcloud.AccountToken, "account token", mockcloud.ClientKey} {
				if strings.Contains(shown, secret) {
					t.Errorf("%s shows %s", name, secret)
				}
			}
		}
	}
}

// What an API hasn't filled in is an error that tells nothing of the rest.
func TestNoToken(t *testing.T) {
	_, err := kubeconfig("london", "https://192.0.2.1:6443", map[string]string{"ca.crt": "Q0E="})
	if err == nil || !strings.Contains(err.Error(), "the Secret kube-system/hybrid-exporter: expected token, found none") || strings.Contains(err.Error(), "Q0E") {
		t.Errorf("found %v", err)
	}
}

// One more cluster changes, of what there is, the exporter's file and so its pod.
func TestGrowth(t *testing.T) {
	before, after := world{}.make(t), world{workers: map[string]int{"london": 1, "frankfurt": 1, "america": 1, "paris": 1}}.make(t)
	var changed []string
	for k, a := range before.Made {
		if strings.Contains(a.Name, "monitoring") && !reflect.DeepEqual(a.Inputs, after.Made[k].Inputs) {
			changed = append(changed, a.Name)
		}
	}
	if !slices.Equal(changed, []string{"monitoring-outputs"}) {
		t.Errorf("changed: %v", changed)
	}
}

func TestProblems(t *testing.T) {
	for image, want := range map[string]string{
		"":                     "image is missing: expected one that the nodes can pull",
		"registry/hybrid":      `image is "registry/hybrid": expected a name with a version or digest`,
		"example.org/hybrid:1": "",
	} {
		found := strings.Join(Settings{Enabled: true, Image: image}.Problems(), "\n")
		if !strings.HasPrefix(found, want) || want == "" && found != "" {
			t.Errorf("%q: found %q, want %q", image, found, want)
		}
	}
	if found := DefaultSettings().Problems(); len(found) > 0 {
		t.Errorf("switched off: %q", found)
	}
}
