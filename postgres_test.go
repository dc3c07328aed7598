package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestPostgres(t *testing.T) {
	withoutProject(t)
	made, err := up(stackConfig(t, "Pulumi.dev.yaml"))
	if err != nil {
		t.Fatal(err)
	}
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
	made, err = run(false, config, func(s *system) {
		if s.database != nil || s.outputs()["postgres"] != nil || strings.Contains(next(s.settings), "psql") {
			t.Error("there is a database, or an output or a command about it")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range made {
		if strings.HasPrefix(name, "psql") {
			t.Errorf("%s although it is not enabled", name)
		}
	}
}
