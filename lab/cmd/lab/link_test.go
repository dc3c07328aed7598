package main

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hybrid/lab/vm"
)

// routers keep links as the lab's do.
type routers map[string]*vm.Links

func (r routers) Links(_ context.Context, id string) (*vm.Links, error) {
	return &vm.Links{Off: r[id].Off, From: maps.Clone(r[id].From)}, nil
}

func (r routers) ChangeLinks(_ context.Context, id string, change func(*vm.Links)) error {
	change(r[id])
	return nil
}

func (r routers) ChangeWay(_ context.Context, from, to string, change func(*vm.Link)) error {
	way := r[to].From[from]
	change(&way)
	r[to].From[from] = way
	return nil
}

func threeClouds() *links {
	k := &links{host: routers{}}
	for _, cluster := range []string{"america", "frankfurt", "london"} {
		k.host.(routers)["net-"+cluster] = &vm.Links{From: map[string]vm.Link{}}
		k.sites = append(k.sites, site{cluster, "net-" + cluster})
	}
	return k
}

func regions(context.Context) (map[string]string, error) {
	return map[string]string{"america": "us-central1", "frankfurt": "eu-central-1", "london": "lon1"}, nil
}

func TestLinks(t *testing.T) {
	ctx := t.Context()
	k := threeClouds()
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"from the start", func() error { return nil },
			"america frankfurt 0s open; america london 0s open; frankfurt london 0s open"},
		{"far", func() error { return k.far(ctx, regions) },
			"america frankfurt 140ms open; america london 140ms open; frankfurt london 12ms open"},
		{"set", func() error { return k.set(ctx, "london", "frankfurt", 20*time.Millisecond) },
			"america frankfurt 140ms open; america london 140ms open; frankfurt london 20ms open"},
		{"cut one way", func() error { return k.cut(ctx, "london", "frankfurt", true) },
			"america frankfurt 140ms open; america london 140ms open; frankfurt london 20ms cut from london to frankfurt"},
		{"cut", func() error { return k.cut(ctx, "frankfurt", "america", false) },
			"america frankfurt 140ms cut; america london 140ms open; frankfurt london 20ms cut from london to frankfurt"},
		{"off", func() error { return k.off(ctx, "london", true) },
			"america frankfurt 140ms cut; america london 140ms cut: london is cut off from everything; frankfurt london 20ms cut: london is cut off from everything"},
		{"mend one", func() error { return k.mend(ctx, []string{"london"}) },
			"america frankfurt 140ms cut; america london 140ms open; frankfurt london 20ms open"},
		{"mend two", func() error { return k.mend(ctx, []string{"america", "frankfurt"}) },
			"america frankfurt 140ms open; america london 140ms open; frankfurt london 20ms open"},
		{"mend all", func() error {
			if err := k.off(ctx, "america", true); err != nil {
				return err
			}
			return k.mend(ctx, nil)
		}, "america frankfurt 140ms open; america london 140ms open; frankfurt london 20ms open"},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		var out bytes.Buffer
		if err := k.show(ctx, &out); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			got = append(got, strings.Join(strings.Fields(line), " "))
		}
		if g := strings.Join(got[1:], "; "); g != step.want {
			t.Errorf("%s: got %s, want %s", step.name, g, step.want)
		}
	}
	for _, wrong := range []struct {
		err  error
		want string
	}{
		{k.cut(ctx, "london", "frankfrut", false), `found "frankfrut": there are america, frankfurt, london`},
		{k.set(ctx, "london", "london", time.Second), "found london twice"},
		{k.off(ctx, "berlin", true), `found "berlin"`},
		{k.mend(ctx, []string{"paris"}), `found "paris"`},
		{k.far(ctx, func(context.Context) (map[string]string, error) {
			return map[string]string{"america": "us-east-1", "frankfurt": "mars1", "london": "lon1"}, nil
		}), `where the region "mars1" is`},
	} {
		if wrong.err == nil || !strings.Contains(wrong.err.Error(), wrong.want) {
			t.Errorf("got %v, want %s", wrong.err, wrong.want)
		}
	}
}

func TestSites(t *testing.T) {
	var machines []vm.Status
	for _, m := range [][2]string{{"eu-1", "a"}, {"eu-1-1", "b"}, {"eu-2", "a"}, {"odd", "c"}} {
		machines = append(machines, vm.Status{Machine: vm.Machine{Name: m[0], NetworkID: m[1]}})
	}
	if got := sites(machines); !slices.Equal(got, []site{{"eu", "a"}, {"eu-1", "b"}}) {
		t.Errorf("got %v", got)
	}
}
