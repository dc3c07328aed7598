package mesh

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"
	"hybrid/internal/mockclusters"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// world is what a test makes.
type world struct {
	preview bool
	workers map[string]int // per cluster
	change  func(*Args)
}

var three = mockclusters.Three

func (w world) make(t *testing.T) *mockcloud.Record {
	t.Helper()
	r, err := mockcloud.Run(w.preview, nil, func(ctx *pulumi.Context) error {
		args := &Args{Range: mockclusters.PodCIDR, Settings: Settings{Image: "example.org/weave-kube:1", MTU: DefaultSettings().MTU, InitContainer: true}}
		made, rules, err := mockclusters.Connected(ctx, w.workers)
		if err != nil {
			return err
		}
		args.Clusters, args.Host, args.PeerRules = made, made.Named(mockclusters.Host), rules
		if w.change != nil {
			w.change(args)
		}
		m, err := New(ctx, "mesh", args)
		if err != nil {
			return err
		}
		if !pulumi.IsSecret(m.Password) {
			t.Error("the password is not secret")
		}
		if got := slices.Sorted(maps.Keys(m.Up)); !slices.Equal(got, slices.Sorted(maps.Keys(w.workers))) {
			t.Errorf("up: %v", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPreviewAndUpMakeTheSame(t *testing.T) {
	up := slices.Sorted(maps.Keys(world{workers: three}.make(t).Made))
	preview := slices.Sorted(maps.Keys(world{workers: three, preview: true}.make(t).Made))
	if !slices.Equal(up, preview) {
		t.Errorf("up:\n%s\npreview:\n%s", strings.Join(up, "\n"), strings.Join(preview, "\n"))
	}
	// A single cluster is a mesh too.
	alone := world{workers: map[string]int{"america": 1}}.make(t)
	alone.Find(t, "america-mesh")
	for k := range alone.Made {
		if strings.Contains(k, "admission") || strings.Contains(k, "mesh-peers") {
			t.Errorf("%s: there is no cluster to admit", k)
		}
	}
}

func TestHostMustTakePart(t *testing.T) {
	_, err := mockcloud.Run(false, nil, func(ctx *pulumi.Context) error {
		_, err := New(ctx, "mesh", &Args{})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "expected the host to be one of its clusters") {
		t.Errorf("found %v", err)
	}
}

func TestOrder(t *testing.T) {
	r := world{workers: three}.make(t)
	for _, c := range []struct {
		name, other string
		want        bool
	}{
		// The host seeds, the others join what has been seeded.
		{"london-mesh-admission", "america-weave-net", true},
		{"london-weave-net", "london-mesh-admission", true},
		{"frankfurt-weave-net", "frankfurt-mesh-admission", true},
		// The cluster's peers are ended by its API, after all that needs them has gone. Their
		// admission ends together with the machines: of a lost cluster it waits for that.
		{"london-weave-net", "london-mesh-peers", true},
		{"london-mesh-peers", "london-mesh-admission", true},
		{"london-mesh-peers", "london-1-admin-conf", true},
		{"london-mesh-admission", "london-1", false},
		{"london-mesh-admission", "london-peer-america", true},
		// The objects that a pod can't start without.
		{"london-weave-net", "london-weave-passwd", true},
		{"london-weave-net", "london-weave-mesh", true},
		// Nodes are Ready by the mesh: it must not wait for that.
		{"london-weave-net", "london-1-peer", false},
		{"london-weave-net", "london-2-peer", false},
		{"america-weave-net", "america-2-peer", false},
		// It knows the others by addresses that are there before their machines.
		{"america-weave-net", "london-1-address", true},
		{"america-weave-net", "london-1", false},
		// Others are joined side by side.
		{"london-weave-net", "frankfurt-weave-net", false},
		{"london-weave-net", "frankfurt-mesh-admission", false},
		// The last look is at all peers of all clusters, with the ways open.
		{"london-mesh", "frankfurt-weave-net", true},
		{"london-mesh", "frankfurt-2-join", true},
		{"london-mesh", "frankfurt-2-peer", false},
		{"america-mesh", "london-weave-net", true},
		{"london-mesh", "london-peer-america", true},
		// A worker gives its addresses back before it is no member any more.
		{"london-2-peer", "london-2-member", true},
		{"london-2-peer", "london-weave-net", true},
	} {
		if got := r.Needs(c.name, c.other); got != c.want {
			t.Errorf("%s waits for %s: %v, want %v", c.name, c.other, got, c.want)
		}
	}
	for name, a := range r.OfType("kubernetes:apps/v1:DaemonSet") {
		cluster, _, _ := strings.Cut(name, "-")
		if got := a.RegisterRPC.GetProvider(); !strings.Contains(got, "::"+cluster+"-kubernetes::") {
			t.Errorf("%s is made by %s", name, got)
		}
	}
}

func TestDeletion(t *testing.T) {
	r := world{workers: three}.make(t)
	for name, with := range map[string]string{
		// With the host goes all that there was to give addresses to.
		"london-mesh-admission": "america-1-init",
		"london-mesh-peers":     "america-1-init",
		// A cluster that goes, or is dead, isn't asked to delete what is in it.
		"london-2-peer":                   "london-1-init",
		"london-weave-passwd":             "london-1-init",
		"london-weave-mesh":               "london-1-init",
		"london-weave-net ServiceAccount": "london-1-init",
		"london-weave-net DaemonSet":      "london-1-init",
		"america-weave-net DaemonSet":     "america-1-init",
	} {
		name, kind, _ := strings.Cut(name, " ")
		found := 0
		for _, a := range r.Made {
			if a.Name != name || !strings.HasSuffix(a.TypeToken, kind) {
				continue
			}
			found++
			if got := a.RegisterRPC.GetDeletedWith(); !strings.HasSuffix(got, "::"+with) {
				t.Errorf("%s: deleted with %q, want %s", name, got, with)
			}
			if a.RegisterRPC.GetCustomTimeouts().GetCreate() == "" {
				t.Errorf("%s: want a timeout", name)
			}
		}
		if found != 1 {
			t.Errorf("found %d of %s %s", found, name, kind)
		}
	}
	// Stacks that are there have these names in their commands.
	for name, step := range map[string]string{"london-mesh-admission": "mesh-admission", "london-mesh-peers": "mesh-peers", "london-2-peer": "mesh-peer"} {
		if got := text(r.Find(t, name).Inputs["delete"]); !strings.HasSuffix(got, " "+step+" delete") {
			t.Errorf("%s: delete %q, want that of %s", name, got, step)
		}
	}
}

func TestNoSecretInPlainText(t *testing.T) {
	for name, w := range map[string]world{
		"generated": {workers: three},
		"given": {workers: three, change: func(a *Args) {
			a.Password = pulumi.ToSecret(pulumi.String(mockcloud.Password)).(pulumi.StringOutput)
		}},
		"given in the clear": {workers: three, change: func(a *Args) { a.Password = pulumi.String(mockcloud.Password) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.make(t)
			for k, a := range r.Made {
				if strings.Contains(plain(a.Inputs), mockcloud.Password) {
					t.Errorf("%s shows the password", k)
				}
			}
			secret := r.Find(t, "london-weave-passwd").Inputs["stringData"]
			if got := fmt.Sprint(open(secret)); !strings.Contains(got, mockcloud.Password) {
				t.Errorf("the Secret has %s", got)
			}
			_, generated := r.Made["mesh-password random:index/randomPassword:RandomPassword"]
			if generated != (name == "generated") {
				t.Errorf("a password has been generated: %v", generated)
			}
		})
	}
}

// The deletion must come before the new machine, or it would make the new peer give
// its addresses back: so the membership is what triggers it.
func TestNewMachineKeepsItsAddresses(t *testing.T) {
	r := world{workers: three}.make(t)
	for name, want := range map[string]string{"london-2-peer": "london-2-member-id", "london-1-peer": "london-1-member-id"} {
		triggers := r.Find(t, name).Inputs["triggers"].ArrayValue()
		if len(triggers) != 1 || triggers[0].StringValue() != want {
			t.Errorf("%s: triggers %v, want %s", name, triggers, want)
		}
	}
	if got := text(r.Find(t, "london-1-peer").Inputs["delete"]); got != "" {
		t.Errorf("london-1-peer: delete %q, but a control plane never leaves its cluster", got)
	}
}

// Adding nodes and clusters must restart no peer: what depends on their number is
// not in the DaemonSets.
func TestGrowth(t *testing.T) {
	before := world{workers: three}.make(t)
	for name, workers := range map[string]map[string]int{
		"a node of the host":     {"london": 1, "frankfurt": 1, "america": 2},
		"a node of another":      {"london": 2, "frankfurt": 1, "america": 1},
		"a node of each":         {"london": 2, "frankfurt": 2, "america": 2},
		"a cluster, last in row": {"london": 1, "frankfurt": 1, "america": 1, "paris": 1},
	} {
		t.Run(name, func(t *testing.T) {
			after := world{workers: workers}.make(t)
			for k, a := range before.OfType("kubernetes:apps/v1:DaemonSet") {
				if !reflect.DeepEqual(a.Inputs, after.Made[k+" "+a.TypeToken].Inputs) {
					t.Errorf("%s has changed: all of its peers restart", k)
				}
			}
			for k, a := range before.Made {
				if a.TypeToken == "command:remote:Command" && !reflect.DeepEqual(a.Inputs["triggers"], after.Made[k].Inputs["triggers"]) {
					t.Errorf("%s is replaced", k)
				}
			}
		})
	}
}

// For looking into what was made.
var (
	text  = mockcloud.Text
	open  = mockcloud.Open
	plain = mockcloud.Plain
)
