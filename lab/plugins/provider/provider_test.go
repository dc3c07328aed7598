package provider

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

// thingArgs and thing are a vendor's SDK in small.
type thingArgs struct {
	Name  *string           `pulumi:"name"`
	Size  int               `pulumi:"size"`
	Zone  *string           `pulumi:"zone"`
	Rules []thingRule       `pulumi:"rules"`
	Tags  map[string]string `pulumi:"tags"`
	Extra *string           `pulumi:"extra"`
	Nic   *thingNic         `pulumi:"nic"`
	Spec  []string          `pulumi:"spec"`
}

type thingRule struct {
	Port int     `pulumi:"port"`
	Note *string `pulumi:"note"`
}

type thingNic struct {
	Net *string `pulumi:"net"`
	IP  *string `pulumi:"ip"`
}

type thing struct {
	Name   string `pulumi:"name"`
	Size   int    `pulumi:"size"`
	Zone   string `pulumi:"zone"`
	Color  string `pulumi:"color"`
	Secret string `pulumi:"secret"`
	Echo   string `pulumi:"echo"`
}

const thingType = "test:index/thing:Thing"

// cloudOfOne is a vendor that has at most one thing.
type cloudOfOne struct {
	now      Props
	recorded []string
	hang     chan struct{}
}

func (c *cloudOfOne) pkg() *Package {
	return &Package{
		Name: "test", Module: "github.com/pulumi/pulumi/sdk/v3", Config: struct {
			Region *string `pulumi:"region"`
		}{}, ConfigForceNew: []string{"region"},
		Resources: map[string]*Resource{thingType: {
			Schema: Schema{
				Args: thingArgs{}, Outputs: thing{}, Name: "name",
				Supported: []string{"name", "zone", "rules", "tags", "nic", "spec"}, Required: []string{"rules"},
				Unsupported: []string{"rules.note"}, ForceNew: []string{"zone", "rules.port", "nic.net", "name"}, Computed: []string{"zone", "nic"},
				Defaults: map[string]any{"size": 1}, Sets: []string{"spec"}, Secret: []string{"secret"}, Wires: map[string][]string{"echo": {"tags"}},
				Equal: func(path, a, b string) bool { return path == "nic.net" && strings.EqualFold(a, b) },
			},
			Check: func(_ *Call, in Props) Failures {
				if Int(in, "size", 0) > 9 {
					return Failures{Failure("size", "too large")}
				}
				return nil
			},
			Create: func(call *Call, in Props) (string, Props, error) {
				if c.hang != nil {
					close(c.hang)
					<-call.Done()
					return "", nil, call.Err()
				}
				c.now = Merge(From(map[string]any{"zone": "a", "color": "red", "secret": "s", "echo": "e", "nic": map[string]any{"net": "N", "ip": "1"}}), in)
				return "id", c.now, nil
			},
			Read:     func(*Call, string) (Props, error) { return c.now, nil },
			Update:   func(_ *Call, _ string, old, in Props) (Props, error) { c.now = Merge(old, in); return c.now, nil },
			Delete:   func(*Call, string, Props) error { return errors.New("DependencyViolation") },
			Recorded: func(id string) error { c.recorded = append(c.recorded, id); return nil },
		}},
	}
}

func start(t *testing.T) (*Provider, *cloudOfOne) {
	t.Helper()
	t.Setenv(StackVariable, "dev")
	c := &cloudOfOne{}
	return New(c.pkg(), Logger{}), c
}

func urn(stack string) resource.URN {
	return resource.NewURN(tokens.QName(stack), "hybrid", "", thingType, "x")
}

func check(t *testing.T, p *Provider, in Props) (Props, []string) {
	t.Helper()
	r, err := p.Check(t.Context(), plugin.CheckRequest{URN: urn("dev"), Name: "x", Type: thingType, News: in, RandomSeed: []byte(strings.Repeat("s", 32))})
	if err != nil {
		t.Fatal(err)
	}
	var failures []string
	for _, f := range r.Failures {
		failures = append(failures, string(f.Property)+": "+f.Reason)
	}
	return r.Properties, failures
}

type m = map[string]any

func TestRefusesOtherStacks(t *testing.T) {
	p, _ := start(t)
	for _, lab := range []string{"dev", ""} {
		t.Setenv(StackVariable, lab)
		u := urn("production")
		_, check := p.CheckConfig(t.Context(), plugin.CheckConfigRequest{URN: u})
		_, configure := p.Configure(t.Context(), plugin.ConfigureRequest{URN: &u})
		_, create := p.Create(t.Context(), plugin.CreateRequest{URN: u, Type: thingType})
		_, del := p.Delete(t.Context(), plugin.DeleteRequest{URN: u, Type: thingType})
		for what, err := range map[string]error{"CheckConfig": check, "Configure": configure, "Create": create, "Delete": del} {
			if err == nil || !strings.Contains(err.Error(), "simulated test provider") {
				t.Errorf("$%s is %q: %s for the stack production: got %v; want a refusal", StackVariable, lab, what, err)
			}
		}
	}
	t.Setenv(StackVariable, "dev")
	if r, err := p.CheckConfig(t.Context(), plugin.CheckConfigRequest{URN: urn("dev"), News: From(m{"region": "r", "version": "1.0.0"})}); err != nil || len(r.Failures) > 0 {
		t.Errorf("the lab's own stack: %v, %v", r.Failures, err)
	}
	if r, _ := p.CheckConfig(t.Context(), plugin.CheckConfigRequest{URN: urn("dev"), News: From(m{"regoin": "r"})}); len(r.Failures) != 1 {
		t.Errorf("a misspelt setting: %v; want one failure", r.Failures)
	}
}

func TestCheckInputs(t *testing.T) {
	p, _ := start(t)
	unknown := resource.MakeComputed(resource.NewStringProperty(""))
	secret := resource.MakeSecret(resource.NewNumberProperty(3))
	rules := []any{m{"port": 1}}
	for name, test := range map[string]struct {
		in   m
		want []string
	}{
		"good":              {m{"size": 1, "rules": rules, "tags": m{"a": "b"}}, nil},
		"unknown":           {m{"size": unknown, "rules": unknown, "tags": m{"a": unknown}}, nil},
		"secret":            {m{"size": secret, "rules": rules}, nil},
		"several":           {m{"size": "1", "rules": []any{m{"port": 1.5}, m{}}, "nosuch": 1}, []string{"nosuch: no such property", "rules[0].port: expected a whole number", `rules[1].port: missing required property "port"`, "size: expected a number"}},
		"missing":           {m{}, []string{`rules: missing required property "rules"`, `size: missing required property "size"`}},
		"wrong map":         {m{"size": 1, "rules": rules, "tags": []any{}}, []string{"tags: expected a map"}},
		"unsupported":       {m{"size": 1, "rules": rules, "extra": "x"}, []string{"extra: the lab doesn't simulate"}},
		"unsupported below": {m{"size": 1, "rules": []any{m{"port": 1, "note": "x"}}}, []string{"rules[0].note: the lab doesn't simulate"}},
		"the type's own":    {m{"size": 10, "rules": rules}, []string{"size: too large"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, got := check(t, p, From(test.in))
			ok := len(got) == len(test.want)
			for i := range got {
				ok = ok && strings.HasPrefix(got[i], test.want[i])
			}
			if !ok {
				t.Errorf("got %q; want %q", got, test.want)
			}
		})
	}
}

func TestAutomaticName(t *testing.T) {
	p, _ := start(t)
	in, _ := check(t, p, From(m{"size": 1, "rules": []any{}}))
	if name := Str(in, "name"); !strings.HasPrefix(name, "x-") || len(name) != len("x-")+7 {
		t.Errorf("name %q; want x- and 7 characters", name)
	}
	again, err := p.Check(t.Context(), plugin.CheckRequest{URN: urn("dev"), Name: "x", Type: thingType, News: From(m{"size": 1, "rules": []any{}}), Olds: in, RandomSeed: []byte(strings.Repeat("t", 32))})
	if err != nil || Str(again.Properties, "name") != Str(in, "name") {
		t.Errorf("name %q becomes %q, %v; want the same", Str(in, "name"), Str(again.Properties, "name"), err)
	}
	s := p.pkg.Resources[thingType].Schema
	changed := Merge(in, From(m{"zone": "b"}))
	if d := s.Diff(Merge(in, From(m{"zone": "a"})), nil, changed); d.DeleteBeforeReplace {
		t.Error("a thing whose name was made up is deleted before its successor is there")
	}
	if d := s.Diff(From(m{"name": "n", "zone": "a"}), nil, From(m{"name": "n", "zone": "b"})); !d.DeleteBeforeReplace {
		t.Error("a thing keeps its name until its successor is created, which needs it")
	}
}

func TestDiff(t *testing.T) {
	p, _ := start(t)
	s := p.pkg.Resources[thingType].Schema
	out := From(m{"zone": "a", "nic": m{"net": "N", "ip": "1"}})
	for name, test := range map[string]struct {
		old, now m
		want     []string // paths, with ! for those that replace
	}{
		"nothing":             {m{"size": 2}, m{"size": 2}, nil},
		"in place":            {m{"size": 2}, m{"size": 3}, []string{"size"}},
		"replaces":            {m{"zone": "a"}, m{"zone": "b"}, []string{"zone!"}},
		"nested":              {m{"rules": []any{m{"port": 1}}}, m{"rules": []any{m{"port": 2}}}, []string{"rules[0].port!"}},
		"a map's key":         {m{"tags": m{"a.b": "c"}}, m{"tags": m{"a.b": "d"}}, []string{`tags["a.b"]`}},
		"a default":           {m{}, m{"size": 1}, nil},
		"back to the default": {m{"size": 1}, m{}, nil},
		"from a default":      {m{}, m{"size": 2}, []string{"size"}},
		"left to the vendor":  {m{"zone": "a"}, m{}, nil},
		"as the vendor chose": {m{}, m{"zone": "a"}, nil},
		"not as it chose":     {m{}, m{"zone": "b"}, []string{"zone!"}},
		"another order":       {m{"spec": []any{"a", "b"}}, m{"spec": []any{"b", "a"}}, nil},
		"another element":     {m{"spec": []any{"a", "b"}}, m{"spec": []any{"a", "c"}}, []string{"spec[1]"}},
		"the same, spelt so":  {m{"nic": m{"net": "n"}}, m{"nic": m{"net": "N"}}, nil},
		"other network":       {m{"nic": m{"net": "n"}}, m{"nic": m{"net": "x"}}, []string{"nic.net!"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := s.Diff(From(test.old), out, From(test.now))
			var got []string
			for path, change := range d.DetailedDiff {
				if change.Kind.IsReplace() {
					path += "!"
				}
				got = append(got, path)
			}
			slices.Sort(got)
			if !slices.Equal(got, test.want) || (d.Changes == plugin.DiffNone) != (test.want == nil) {
				t.Errorf("got %v, %q; want %q", d.Changes, got, test.want)
			}
		})
	}
}

// The CLI shows changes below the top level only if the server says that the
// diff is detailed.
func TestDiffIsDetailed(t *testing.T) {
	p, c := start(t)
	encode := func(in m) *structpb.Struct {
		s, err := structpb.NewStruct(in)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	r, err := NewServer(p).Diff(t.Context(), &rpc.DiffRequest{
		Id: "id", Urn: string(urn("dev")), OldInputs: encode(m{"tags": m{"a": "b"}}), Olds: encode(m{}), News: encode(m{"tags": m{"a": "c"}}),
	})
	if err != nil || !r.GetHasDetailedDiff() || r.GetDetailedDiff()["tags.a"].GetKind() != rpc.PropertyDiff_UPDATE {
		t.Errorf("got %v, %v; want a detailed change of tags.a", r, err)
	}
	if !slices.Contains(c.recorded, "id") {
		t.Error("the resource isn't told that the engine knows its ID")
	}
}

func TestPreview(t *testing.T) {
	p, _ := start(t)
	in := From(m{"size": resource.MakeSecret(resource.NewNumberProperty(2)), "name": "n", "rules": []any{}, "nic": m{"net": "N"}})
	r, err := p.Create(t.Context(), plugin.CreateRequest{URN: urn("dev"), Type: thingType, Properties: in, Preview: true})
	if err != nil {
		t.Fatal(err)
	}
	if out := r.Properties; !out["zone"].IsComputed() || !out["color"].IsComputed() || !out["secret"].IsSecret() || !out["size"].IsSecret() || Str(out, "name") != "n" {
		t.Errorf("a create's preview knows %v", out)
	}
	old := From(m{"zone": "a", "color": "red", "secret": "s", "echo": "e", "size": 2})
	u, err := p.Update(t.Context(), plugin.UpdateRequest{
		URN: urn("dev"), ID: "id", Type: thingType, OldInputs: in, OldOutputs: old, NewInputs: Merge(in, From(m{"tags": m{"a": "b"}})), Preview: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if out := u.Properties; Str(out, "color") != "red" || Str(out, "zone") != "a" || !out["echo"].IsComputed() {
		t.Errorf("an update's preview knows %v; want color and zone, but not echo", out)
	}
}

func TestSecretsStaySecret(t *testing.T) {
	p, _ := start(t)
	in := From(m{"size": 2, "name": "n", "rules": []any{}, "tags": m{"a": resource.MakeSecret(resource.NewStringProperty("hidden"))}})
	c, err := p.Create(t.Context(), plugin.CreateRequest{URN: urn("dev"), Type: thingType, Properties: in})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []resource.PropertyKey{"tags", "secret", "echo"} {
		if !c.Properties[k].ContainsSecrets() {
			t.Errorf("%s is plain: %v", k, c.Properties[k])
		}
	}
	r, err := p.Read(t.Context(), plugin.ReadRequest{URN: urn("dev"), ID: "id", Type: thingType, Inputs: in, State: c.Properties})
	if err != nil || !r.Inputs["tags"].ContainsSecrets() || !r.Outputs["secret"].IsSecret() || !r.Outputs["echo"].IsSecret() {
		t.Errorf("a refresh shows %v, %v, %v", r.Inputs, r.Outputs, err)
	}
}

func TestRead(t *testing.T) {
	p, c := start(t)
	in := From(m{"size": 2, "name": "n", "rules": []any{m{"port": 1}}, "nic": m{"net": "n"}})
	made, err := p.Create(t.Context(), plugin.CreateRequest{URN: urn("dev"), Type: thingType, Properties: in})
	if err != nil {
		t.Fatal(err)
	}
	read := func() plugin.ReadResponse {
		t.Helper()
		r, err := p.Read(t.Context(), plugin.ReadRequest{URN: urn("dev"), ID: "id", Type: thingType, Inputs: in, State: made.Properties})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	c.now = Merge(c.now, From(m{"nic": m{"net": "N", "ip": "1"}}))
	if r := read(); !r.Inputs.DeepEquals(in) {
		t.Errorf("inputs %v; want the old ones, %v", r.Inputs, in)
	}
	c.now = Merge(c.now, From(m{"size": 3, "tags": m{"new": "tag"}, "rules": []any{}}))
	if r := read(); Int(r.Inputs, "size", 0) != 3 || StrMap(r.Inputs, "tags")["new"] != "tag" || len(Objs(r.Inputs, "rules")) != 0 {
		t.Errorf("inputs %v; want what is there now", r.Inputs)
	}
	c.now = nil
	if r := read(); r.ID != "" {
		t.Errorf("a thing that is gone is read as %v", r)
	}
}

func TestCancellation(t *testing.T) {
	for name, cancel := range map[string]func(*Provider) error{
		"SignalCancellation": func(p *Provider) error { return p.SignalCancellation(context.Background()) },
		"Close":              (*Provider).Close,
	} {
		t.Run(name, func(t *testing.T) {
			p, c := start(t)
			c.hang = make(chan struct{})
			ended := make(chan error, 1)
			go func() {
				_, err := p.Create(context.Background(), plugin.CreateRequest{URN: urn("dev"), Type: thingType, Properties: Props{}})
				ended <- err
			}()
			<-c.hang
			if err := cancel(p); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v; want a cancellation", err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("a create goes on")
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	p, c := start(t)
	c.hang = make(chan struct{})
	_, err := p.Create(t.Context(), plugin.CreateRequest{URN: urn("dev"), Type: thingType, Properties: Props{}, Timeout: 0.01})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v; want that time is up", err)
	}
}

func TestErrorsNameTheirSubject(t *testing.T) {
	p, _ := start(t)
	if _, err := p.Delete(t.Context(), plugin.DeleteRequest{URN: urn("dev"), Name: "x", Type: thingType}); err == nil || err.Error() != "deleting x: DependencyViolation" {
		t.Errorf("got %v", err)
	}
	if _, err := p.Create(t.Context(), plugin.CreateRequest{URN: urn("dev"), Type: "test:index/other:Other"}); err == nil || !strings.Contains(err.Error(), thingType) {
		t.Errorf("got %v; want what types there are", err)
	}
}

func TestVersionIsTheModules(t *testing.T) {
	info := &debug.BuildInfo{Deps: []*debug.Module{{Path: "example.com/other", Version: "v1.0.0"}, {Path: "example.com/sdk", Version: "v6.83.0"}}}
	if v := versionIn(info, "example.com/sdk"); v != "6.83.0" {
		t.Errorf("version %q; want 6.83.0", v)
	}
}
