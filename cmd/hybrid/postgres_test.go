package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"hybrid/internal/fakecloud"
	"hybrid/internal/observe"
)

func TestPostgresStatus(t *testing.T) {
	c := fakecloud.New(t, 3, 2)
	c.Pulumi(t)
	code, out, errs := run(t, "postgres", "status")
	if code != 0 || !strings.HasPrefix(out, "POSTGRESQL  leader psql-master-0 on london-2 in london, 17.7, at 0/5000148 of timeline 1, durability cloud\n") || strings.Contains(out, "MESH") {
		t.Errorf("status %d:\n%s%s", code, out, errs)
	}
	// The same truth as hybrid status has.
	var whole observe.Snapshot
	var part struct {
		Healthy bool
		observe.PostgreSQL
	}
	_, out, _ = run(t, "status", "-o", "json")
	if err := json.Unmarshal([]byte(out), &whole); err != nil {
		t.Fatal(err)
	}
	_, out, _ = run(t, "postgres", "status", "--json")
	if err := json.Unmarshal([]byte(out), &part); err != nil || !part.Healthy || len(part.Replicas) != 6 || *part.Leader != *whole.PostgreSQL.Leader {
		t.Errorf("%v:\n%s", err, out)
	}
	c.Lock()
	c.Paused = true
	c.Unlock()
	if code, out, _ = run(t, "postgres", "status"); code != 1 || !strings.HasPrefix(out, "✗ postgresql: Patroni is paused") {
		t.Errorf("status %d:\n%s", code, out)
	}
}

// What changes the database looks first, and says why it doesn't.
func TestPostgresChanges(t *testing.T) {
	lost := func(c *fakecloud.Cloud) {
		x := c.Cluster("london")
		x.Pods = slices.DeleteFunc(x.Pods, func(p *corev1.Pod) bool { return p.Namespace == "default" })
		c.Leader = ""
	}
	behind := func(which ...string) func(*fakecloud.Cloud) {
		return func(c *fakecloud.Cloud) {
			for _, w := range which {
				c.Behind[w] = 4096
			}
		}
	}
	for _, x := range []struct {
		name   string
		change func(*fakecloud.Cloud)
		args   string
		ran    string // by patronictl; empty: nothing
		want   string // what is printed
	}{
		{"a misspelt cluster", nil, "switchover --to frankfrut", "", `found "frankfrut": there are america, frankfurt, london`},
		{"a cluster without members", nil, "switchover --to america", "", "america has no member of PostgreSQL: there are some in frankfurt, london"},
		{"it leads already", nil, "switchover --to london", "", "psql-master-0 of london leads already"},
		{"switchover", nil, "switchover --to frankfurt", "switchover psql --leader psql-master-0 --candidate psql-replica-bkx0 --force", "psql-replica-bkx0 of frankfurt leads, at 0/5000148 of timeline 1, after"},
		{"a candidate that takes its time", func(c *fakecloud.Cloud) { c.Promotes = 2 }, "switchover --to frankfurt",
			"switchover psql --leader psql-master-0 --candidate psql-replica-bkx0 --force", "psql-replica-bkx0 of frankfurt leads, at 0/5000148 of timeline 1, after 1."},
		{"switchover passes by a replica that is not well", behind("psql-replica-bkx0"), "switchover --to frankfurt",
			"switchover psql --leader psql-master-0 --candidate psql-replica-clx1 --force", "psql-replica-clx1 of frankfurt leads"},
		{"switchover prefers psql-master", func(c *fakecloud.Cloud) { c.Leader = "psql-replica-bkx0" }, "switchover --to london",
			"switchover psql --leader psql-replica-bkx0 --candidate psql-master-0 --force", "psql-master-0 of london leads"},
		{"none could lead", behind("psql-replica-bkx0", "psql-replica-clx1", "psql-replica-dmx2", "psql-replica-enx3"), "switchover --to frankfurt",
			"", "no replica of frankfurt could lead: psql-replica-bkx0: no stream"},
		{"switchover without a leader", lost, "switchover --to frankfurt", "", "there is no leader: without a leader that works there is nothing to hand over"},
		{"patronictl refuses", func(c *fakecloud.Cloud) { c.Refuses = "Switchover failed, details: 412, no good candidates" }, "switchover --to frankfurt",
			"switchover psql --leader psql-master-0 --candidate psql-replica-bkx0 --force", "patronictl switchover: Switchover failed, details: 412"},
		{"failover from a leader that works", nil, "failover --to frankfurt", "", "hybrid postgres switchover --to frankfurt loses nothing"},
		{"failover to a misspelt cluster", lost, "failover --to frankfrut", "", `found "frankfrut"`},
		{"failover that loses nothing", lost, "failover --to frankfurt", "failover psql --candidate psql-replica-bkx0 --force", "psql-replica-bkx0 of frankfurt leads"},
		{"failover that may lose", func(c *fakecloud.Cloud) { lost(c); c.Durability = "none" }, "failover --to frankfurt",
			"", "psql-replica-bkx0 may lack what the leader confirmed last: commits didn't wait for replicas: nothing has been changed"},
		{"failover that may lose, by force", func(c *fakecloud.Cloud) { lost(c); c.Durability = "none" }, "failover --to frankfurt --force",
			"failover psql --candidate psql-replica-bkx0 --force", "psql-replica-bkx0 of frankfurt leads"},
		{"reinit of no replica", nil, "reinit psql-replica-nosuch", "", `found "psql-replica-nosuch": there are psql-replica-bkx0,`},
		{"reinit of the leader", nil, "reinit psql-master-0", "", "psql-master-0 leads"},
		{"reinit", behind("psql-replica-clx1"), "reinit psql-replica-clx1", "reinit psql psql-replica-clx1 --force", "psql-replica-clx1 of frankfurt takes a new copy"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := fakecloud.New(t, 3, 2)
			if x.change != nil {
				x.change(c)
			}
			c.Pulumi(t)
			code, out, errs := run(t, append([]string{"postgres"}, strings.Fields(x.args)...)...)
			if ran := strings.Join(c.Ran, "; "); ran != x.ran {
				t.Errorf("patronictl was given %q, want %q", ran, x.ran)
			}
			if len(c.Disturbed) > 0 {
				t.Errorf("the candidate is awaited by asking %q, too", c.Disturbed)
			}
			good := x.ran != "" && c.Refuses == "" || strings.Contains(x.want, "already")
			if (code == 0) != good || !strings.Contains(out+errs, x.want) {
				t.Errorf("status %d: %s%s\nwant %s", code, out, errs, x.want)
			}
		})
	}
}
