package workloads

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"
	"hybrid/internal/mockclusters"
	"hybrid/workloads/topology"

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
