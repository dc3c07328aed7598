package provider

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

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
