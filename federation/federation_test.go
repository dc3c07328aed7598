package federation

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hybrid/clouds"
	"hybrid/internal/mockcloud"
	"hybrid/internal/mockclusters"
	"hybrid/internal/scripttest"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"go.yaml.in/yaml/v3"
)

// Short names for what tests look into.
var (
	text  = mockcloud.Text
	texts = mockcloud.Texts
	at    = mockcloud.At
	list  = mockcloud.List
)

func TestMain(m *testing.M) {
	definitions = func() (all []crd, err error) {
		found, err := filepath.Glob("testdata/crds/*.yaml")
		for _, file := range found {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			var d struct {
				Metadata struct {
					Name        string
					Annotations map[string]string
				}
				Spec map[string]any
			}
			if err := yaml.Unmarshal(text, &d); err != nil {
				return nil, err
			}
			all = append(all, crd{Name: d.Metadata.Name, Annotations: d.Metadata.Annotations, Spec: d.Spec})
		}
		return all, err
	}
	scripttest.Main(m)
}

// world is what a test makes.
type world struct {
	preview bool
	workers map[string]int // per cluster
	change  func(*Args)
}

var three = mockclusters.Three

func (w world) make(t *testing.T) *mockcloud.Record {
	t.Helper()
	if w.workers == nil {
		w.workers = three
	}
	r, err := mockcloud.Run(w.preview, nil, func(ctx *pulumi.Context) error {
		args := &Args{
			Settings: DefaultSettings(), KubernetesVersion: "v1.35.4",
			DNSNames: []string{"federation.example.org"}, ToolsImage: "example.org/tools:1",
		}
		made, rules, err := mockclusters.Connected(ctx, w.workers)
		if err != nil {
			return err
		}
		args.Clusters, args.Host, args.PeerRules = made, made.Named(mockclusters.Host), rules
		peer, err := args.Host.Run(ctx, args.Host.Name+"-1-peer", args.Host.ControlPlane(), clouds.Script{Name: "peer", Timeout: "1m"})
		if err != nil {
			return err
		}
		args.Peers = []pulumi.Resource{peer}
		if w.change != nil {
			w.change(args)
		}
		f, err := New(ctx, "federation", args)
		if err != nil {
			return err
		}
		if !pulumi.IsSecret(f.Kubeconfig) {
			t.Error("the kubeconfig is not secret")
		}
		if got := slices.Sorted(maps.Keys(f.Members)); !slices.Equal(got, slices.Sorted(maps.Keys(w.workers))) {
			t.Errorf("members: %v", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPreviewAndUpMakeTheSame(t *testing.T) {
	up := slices.Sorted(maps.Keys(world{}.make(t).Made))
	preview := slices.Sorted(maps.Keys(world{preview: true}.make(t).Made))
	if !slices.Equal(up, preview) {
		t.Errorf("up:\n%s\npreview:\n%s", strings.Join(up, "\n"), strings.Join(preview, "\n"))
	}
	// A single cluster is host and member.
	world{workers: map[string]int{"america": 1}}.make(t).Find(t, "america-federation-membership")
}

func TestHostMustTakePart(t *testing.T) {
	_, err := mockcloud.Run(false, nil, func(ctx *pulumi.Context) error {
		_, err := New(ctx, "federation", &Args{})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "expected the host to be one of its clusters") {
		t.Errorf("found %v", err)
	}
}

func TestBrokenKinds(t *testing.T) {
	good := definitions
	t.Cleanup(func() { definitions = good })
	definitions = func() ([]crd, error) { return nil, errors.New("no files") }
	if _, err := (&builder{}).kinds(); err == nil || err.Error() != "no files" {
		t.Errorf("found %v", err)
	}
}

func TestOrder(t *testing.T) {
	r := world{}.make(t)
	for _, c := range []struct {
		name, other string
		want        bool
	}{
		// etcd, API, all that is in the API, programs, members.
		{"federation-etcd", "america-1-peer", true},
		{"federation-etcd", "federation-etcd-files", true},
		{"federation-karmada-apiserver", "federation-etcd", true},
		{"federation-karmada-apiserver", "federation-karmada-apiserver-files", true},
		{"federation-reachable", "federation-karmada-apiserver", true},
		// The provider asks once whether there is an API.
		{"federation-kubernetes", "federation-reachable", true},
		{"federation-karmada-controller-manager", "federation-kind-works.work.karmada.io", true},
		{"federation-karmada-scheduler", "federation-karmada-system", true},
		{"federation-ready", "federation-karmada-webhook", true},
		{"federation-ready", "federation-karmada-aggregated-apiserver", true},
		{"federation-member-london", "federation-ready", true},
		{"federation-member-london", "london-federation-credentials", true},
		{"london-federation-credentials", "london-federation-karmada-london-token", true},
		{"london-federation-credentials", "london-federation-role-binding", true},
		{"london-federation-membership", "federation-member-london", true},
		// Members neither wait for each other, nor for the federation to make their
		// accounts.
		{"london-federation-membership", "frankfurt-federation-credentials", false},
		{"london-federation-credentials", "federation-reachable", false},
		{"federation-ready", "london-federation-credentials", false},
	} {
		if got := r.Needs(c.name, c.other); got != c.want {
			t.Errorf("%s waits for %s: %v, want %v", c.name, c.other, got, c.want)
		}
	}
	for name, provider := range map[string]string{
		"federation-etcd":                         "america-kubernetes",
		"federation-kind-works.work.karmada.io":   "federation-kubernetes",
		"federation-member-london":                "federation-kubernetes",
		"federation-cluster-api":                  "federation-kubernetes",
		"london-federation-karmada-london-token":  "london-kubernetes",
		"america-federation-karmada-impersonator": "america-kubernetes",
	} {
		if got := r.Find(t, name).RegisterRPC.GetProvider(); !strings.Contains(got, "::"+provider+"::") {
			t.Errorf("%s is made by %s", name, got)
		}
	}
}

// What waits for an answer must not wait for a firewall.
func TestPeerRules(t *testing.T) {
	r := world{}.make(t)
	for name, a := range r.Made {
		if !strings.HasSuffix(a.Name, "-federation-membership") && a.Name != "federation-reachable" {
			continue
		}
		found := 0
		for _, dependency := range a.RegisterRPC.GetDependencies() {
			if strings.Contains(dependency, "irewall") || strings.Contains(dependency, "IngressRule") {
				found++
			}
		}
		if found < 3 {
			t.Errorf("%s waits for %d firewalls", name, found)
		}
	}
}

// A dead cluster must not be asked to delete what was in it.
func TestDeletion(t *testing.T) {
	r := world{}.make(t)
	for name, with := range map[string]string{
		"federation-etcd":                         "america-1-init",
		"federation-karmada-apiserver":            "america-1-init",
		"federation-karmada-apiserver-files":      "america-1-init",
		"federation-member-london":                "federation-etcd",
		"federation-kind-works.work.karmada.io":   "federation-etcd",
		"federation-karmada-system":               "federation-etcd",
		"london-federation-membership":            "america-1-init",
		"london-federation-karmada-london-token":  "london-1-init",
		"london-federation-karmada-impersonator":  "london-1-init",
		"america-federation-karmada-impersonator": "america-1-init",
	} {
		a := r.Find(t, name)
		if got := a.RegisterRPC.GetDeletedWith(); !strings.HasSuffix(got, "::"+with) {
			t.Errorf("%s: deleted with %q, want %s", name, got, with)
		}
		if a.RegisterRPC.GetCustomTimeouts().GetCreate() == "" {
			t.Errorf("%s: want a timeout", name)
		}
	}
	for name, a := range r.OfType("command:remote:Command") {
		if got := text(a.Inputs["delete"]); strings.HasSuffix(name, "-membership") != strings.HasSuffix(got, "federation-member delete") {
			t.Errorf("%s: delete %q", name, got)
		}
	}
	for _, a := range r.Made {
		if strings.HasPrefix(a.TypeToken, "kubernetes:") && strings.Contains(a.Name, "federation") &&
			text(a.Inputs["metadata"], "annotations", "pulumi.com/patchForce") != "true" {
			t.Errorf("%s %s can't be taken over after a refresh that didn't reach its cluster", a.Name, a.TypeToken)
		}
	}
}

func TestNoSecretInPlainText(t *testing.T) {
	const token = mockcloud.Password
	for name, w := range map[string]world{
		"generated":          {},
		"given":              {change: func(a *Args) { a.Token = pulumi.ToSecret(pulumi.String(token)).(pulumi.StringOutput) }},
		"given in the clear": {change: func(a *Args) { a.Token = pulumi.String(token) }},
		"preview":            {preview: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.make(t)
			for k, a := range r.Made {
				shown := mockcloud.Plain(a.Inputs)
				for _, secret := range []string{token, mockcloud.PrivatePEM, mockcloud.PrivateKey, mockcloud.MemberToken, mockcloud.ImpersonatorToken} {
					if strings.Contains(shown, secret) {
						t.Errorf("%s shows %s", k, secret)
					}
				}
			}
			credentials := r.Find(t, "london-federation-credentials")
			if got := text(credentials.Inputs["logging"]); got != "none" || !slices.Contains(credentials.RegisterRPC.GetAdditionalSecretOutputs(), "stdout") {
				t.Errorf("the members' tokens are logged: %q", got)
			}
			if got := text(r.Find(t, "federation-karmada-apiserver-files").Inputs["stringData"], "tokens.csv"); got != token+",admin,admin,system:masters\n" {
				t.Errorf("tokens.csv has %q", got)
			}
			_, generated := r.Made["federation-token random:index/randomPassword:RandomPassword"]
			if want := !strings.HasPrefix(name, "given"); generated != want {
				t.Errorf("a token has been generated: %v", generated)
			}
		})
	}
}

// One more cluster, or node, leaves the control plane and the other members alone:
// a node of the host is another address in the API's certificate.
func TestGrowth(t *testing.T) {
	before := world{}.make(t)
	for name, c := range map[string]struct {
		workers map[string]int
		changed []string
	}{
		"a cluster":          {map[string]int{"london": 1, "frankfurt": 1, "america": 1, "paris": 1}, nil},
		"a member's node":    {map[string]int{"london": 2, "frankfurt": 1, "america": 1}, nil},
		"a node of the host": {map[string]int{"london": 1, "frankfurt": 1, "america": 2}, []string{"federation-apiserver-request"}},
	} {
		after := world{workers: c.workers}.make(t)
		var changed []string
		for k, a := range before.Made {
			if strings.Contains(a.Name, "federation") && !strings.Contains(a.Name, "-peer") && !strings.Contains(a.Name, "api-federation") &&
				!reflect.DeepEqual(a.Inputs, after.Made[k].Inputs) {
				changed = append(changed, a.Name)
			}
		}
		if !slices.Equal(changed, c.changed) {
			t.Errorf("%s changes %v, want %v", name, changed, c.changed)
		}
	}
}

// same says whether two lists have the same items.
func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// pod is what a program's Deployment, or etcd's StatefulSet, runs.
func pod(t *testing.T, r *mockcloud.Record, name string) resource.PropertyValue {
	t.Helper()
	return at(r.Find(t, "federation-"+name).Inputs["spec"], "template")
}

// container is the program in it.
func container(t *testing.T, r *mockcloud.Record, name string) resource.PropertyValue {
	t.Helper()
	all := list(pod(t, r, name), "spec", "containers")
	if len(all) != 1 {
		t.Fatalf("%s has %d containers", name, len(all))
	}
	return all[0]
}

func has(t *testing.T, r *mockcloud.Record, name string, flags ...string) {
	t.Helper()
	command := texts(container(t, r, name), "command")
	for _, flag := range flags {
		if !slices.Contains(command, flag) {
			t.Errorf("%s: want %s in %s", name, flag, fmt.Sprint(command))
		}
	}
}
