package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"hybrid/federation"
	"hybrid/internal/mockcloud"
	"hybrid/mesh"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// What a stack's hybrid:postgres leaves out is as Pulumi.yaml says.
func TestPostgresDefaults(t *testing.T) {
	withoutProject(t)
	project, err := workspace.LoadProject("Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var p problems
	whole, empty := decodePostgres(encode(t, project.Config["postgres"].Default), &p), decodePostgres("{}", &p)
	whole.Placement = nil
	if fmt.Sprintf("%+v", whole) != fmt.Sprintf("%+v", empty) || p.err() != nil {
		t.Errorf("Pulumi.yaml %+v, empty %+v, %v", whole, empty, p.err())
	}
	for clusters, want := range map[string]string{
		"london frankfurt america": "london map[frankfurt:4 london:2] america",
		"london america":           "london map[london:2] america",
		"frankfurt america":        "frankfurt map[frankfurt:4] america",
		"paris america":            "paris map[paris:2] america",
	} {
		var all []ClusterSettings
		for _, name := range strings.Fields(clusters) {
			all = append(all, ClusterSettings{Name: name})
		}
		s := decodePostgres("", &p)
		s.fill(all, "america")
		if got := fmt.Sprint(s.Master, " ", s.Placement, " ", s.Witness); got != want {
			t.Errorf("%s: %s, want %s", clusters, got, want)
		}
	}
}

// A stack's parameters come on top of the program's, whatever YAML made of them.
func TestPostgresParameters(t *testing.T) {
	var p problems
	s := decodePostgres(`{"parameters": {"max_connections": 200, "jit": false, "shared_buffers": "1GB", "wal_keep_size": "2GB"}}`, &p)
	want := map[string]string{
		"max_connections": "200", "jit": "false", "shared_buffers": "1GB",
		"wal_keep_size": "2GB", "max_wal_senders": "40",
	}
	if !maps.Equal(s.Parameters, want) || p.err() != nil {
		t.Errorf("found %v, %v, want %v", s.Parameters, p.err(), want)
	}
	for _, wrong := range []string{"null", "[]", "{}"} {
		var p problems
		decodePostgres(`{"parameters": {"jit": `+wrong+`}}`, &p)
		if p.err() == nil {
			t.Errorf("a parameter took %s", wrong)
		}
	}
}

// Passwords are never quoted, and never taken in the clear.
func TestPostgresPasswords(t *testing.T) {
	withoutProject(t)
	for _, key := range []string{postgresPasswordKey, replicationPasswordKey} {
		for password, want := range map[string]string{
			"":                       "",
			"secret-long-enough":     "",
			"secret":                 "found 6 characters: expected at least 12",
			"secret with spaces":     "printable ASCII without spaces",
			"in-the-clear-for-every": "pulumi config set --secret " + strings.TrimPrefix(key, "hybrid:"),
		} {
			config := stackConfig(t, "Pulumi.dev.yaml")
			config[key] = password
			var p problems
			get := func(key string) string { return config[key] }
			decodeSettings(get, &p).validate(&p)
			checkSecrets(func(k string) bool { return strings.HasPrefix(config[k], "secret") }, get, &p)
			if text := fmt.Sprint(p.err()); (p.err() != nil) != (want != "") || !strings.Contains(text, want) || password != "" && strings.Contains(text, password) {
				t.Errorf("%s %q: found %v, want %q", key, password, p.err(), want)
			}
		}
	}
}

// database makes what the program makes of PostgreSQL, in a federation that isn't
// there.
func database(t *testing.T, config map[string]string) *mockcloud.Record {
	t.Helper()
	r, err := mockcloud.Run(false, config, func(ctx *pulumi.Context) error {
		s, err := loadSettings(ctx)
		if err != nil {
			return err
		}
		clusters, err := makeClusters(ctx, s)
		if err != nil {
			return err
		}
		provider, err := kubernetes.NewProvider(ctx, "federation", &kubernetes.ProviderArgs{})
		if err != nil {
			return err
		}
		db, err := makePostgres(ctx, s, clusters, &network{&mesh.Mesh{}, nil}, &federation.Federation{Provider: provider, Identity: clusters[0].Identity})
		if err != nil || db == nil {
			return err
		}
		out := postgresOutputs(s, db)
		if got := slices.Sorted(maps.Keys(out)); !slices.Equal(got, []string{"ca", "commands", "password", "read", "witness", "write"}) {
			t.Errorf("outputs %v", got)
		}
		if !pulumi.IsSecret(out["password"].(pulumi.Output)) {
			t.Error("the password is not secret")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPostgres(t *testing.T) {
	withoutProject(t)
	made := database(t, stackConfig(t, "Pulumi.dev.yaml")).Made
	for _, want := range []string{
		"psql hybrid:workloads:Postgres", "psql-psql-master kubernetes:apps/v1:StatefulSet", "psql-psql-replica kubernetes:apps/v1:ReplicaSet",
		"psql-streaming command:remote:Command", "psql-password random:index/randomPassword:RandomPassword",
	} {
		if _, ok := made[want]; !ok {
			t.Errorf("found no %s in:\n%s", want, strings.Join(slices.Sorted(maps.Keys(made)), "\n"))
		}
	}
	config := stackConfig(t, "Pulumi.dev.yaml")
	config["hybrid:postgres"] = `{"enabled": false}`
	for name := range database(t, config).Made {
		if strings.HasPrefix(name, "psql") {
			t.Errorf("%s although it is not enabled", name)
		}
	}
}
