package workloads

import (
	"strings"
	"testing"

	"hybrid/workloads/topology"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"go.yaml.in/yaml/v3"
)

func TestEtcd(t *testing.T) {
	r := world(t, false, func(a *PostgresArgs) { a.Etcd = map[string]any{"unsafe-no-fsync": true} })
	settings := show(at(inputs(t, r, "psql-psql-config"), "data", "etcd.json"))
	for _, want := range []string{
		`"initial-cluster": "psql-etcd-america=https://psql-etcd-america:2380,psql-etcd-frankfurt=https://psql-etcd-frankfurt:2380,psql-etcd-london=https://psql-etcd-london:2380"`,
		`"client-cert-auth": true`, `"advertise-client-urls": "https://NAME:2379"`, `"unsafe-no-fsync": true`,
	} {
		if !strings.Contains(settings, want) {
			t.Errorf("etcd's settings lack %s: %s", want, settings)
		}
	}
}

// What Patroni is told, as it arrives: the durability, the settings' parameters, and
// that only psql-master may begin with an empty database.
func TestDynamicConfiguration(t *testing.T) {
	for _, c := range []struct {
		durability topology.Durability
		mode       string
	}{{topology.Cloud, `"synchronous_mode":"quorum","synchronous_node_count":4`}, {topology.None, `"synchronous_mode":false`}} {
		r := world(t, false, func(a *PostgresArgs) { a.Durability = c.durability })
		script := show(at(inputs(t, r, "psql-streaming"), "stdin"))
		for _, want := range []string{c.mode, `"work_mem":"4MB"`, `"failsafe_mode":true`, `"check_timeline":true`, `"ttl":20`, "work_mem = '\\''4MB'\\''"} {
			if !strings.Contains(script, want) {
				t.Errorf("%q: the script lacks %s: %s", c.durability, want, script)
			}
		}
		data := at(inputs(t, r, "psql-psql-config"), "data")
		if got := show(at(data, "bootstrap.yml")); !strings.Contains(strings.Join(strings.Fields(got), ""), strings.ReplaceAll(c.mode, " ", "")) {
			t.Errorf("a new database would begin with %s", got)
		}
		if got := show(at(data, "stack.yml")); !strings.Contains(got, `"psql-etcd-america:2379"`) || !strings.Contains(got, "hostssl all all 10.32.0.0/12 scram-sha-256") {
			t.Errorf("stack.yml: %s", got)
		}
	}
	// A copy is as safe on its disk as what it is made of.
	for fsync, unsafe := range map[string]bool{"on": false, "off": true} {
		r := world(t, false, func(a *PostgresArgs) { a.Parameters["fsync"] = fsync })
		got := show(at(inputs(t, r, "psql-psql-config"), "data", "stack.yml"))
		if strings.Contains(got, "no-sync") != unsafe || !strings.Contains(got, `"command": "/bin/sh /etc/psql/scripts/copy.sh`) {
			t.Errorf("fsync %s: stack.yml: %s", fsync, got)
		}
	}
	r := world(t, false, nil)
	if got := show(at(inputs(t, r, "psql-psql-config"), "data", topology.Key)); strings.Join(strings.Fields(got), "") != `{"master":"london","placement":{"frankfurt":4,"london":2},"durability":"cloud","etcd":["america","frankfurt","london"]}` {
		t.Errorf("the topology is %s", got)
	}
	for name, may := range map[string]bool{"psql-master kubernetes:apps/v1:StatefulSet": true, "psql-replica kubernetes:apps/v1:ReplicaSet": false} {
		if env := show(at(resource.NewProperty(r.Made["psql-"+name].Inputs), "spec", "template", "spec", "containers", 0, "env")); strings.Contains(env, "name:BOOTSTRAP") != may {
			t.Errorf("%s: may make a database is %v, want %v", name, !may, may)
		}
	}
}

// The settings of Patroni are YAML, and those that are the program's can't be set.
func TestConfiguration(t *testing.T) {
	var c struct {
		Postgresql struct{ Authentication map[string]map[string]string }
	}
	if err := yaml.Unmarshal([]byte(common), &c); err != nil {
		t.Fatal(err)
	}
	if a := c.Postgresql.Authentication; a["rewind"]["username"] != "rewinder" || a["rewind"]["sslcert"] == "" || len(a["superuser"]) != 1 {
		t.Errorf("members would enter each other as %v", a)
	}
	for name, want := range map[string]bool{"ssl": true, "synchronous_standby_names": true, "wal_level": true, "work_mem": false, "TimeZone": false, "SSL": true} {
		if own(name) != want {
			t.Errorf("%s is the program's: %v, want %v", name, !want, want)
		}
	}
}
