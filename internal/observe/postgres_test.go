package observe

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hybrid/internal/fakecloud"
)

// drop takes pods away.
func drop(x *fakecloud.Cluster, which func(*corev1.Pod) bool) {
	x.Pods = slices.DeleteFunc(x.Pods, which)
}

func named(name string) func(*corev1.Pod) bool {
	return func(p *corev1.Pod) bool { return p.Name == name }
}

func inDefault(m *metav1.ObjectMeta) bool { return m.Namespace == "default" }

// What there is to say of the database, and what of it is a problem.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*fakecloud.Cloud)
		want   []string // of all problems of PostgreSQL, how they begin
		check  func(t *testing.T, p *PostgreSQL)
	}{
		{"a replica leads", func(c *fakecloud.Cloud) { c.Leader = "psql-replica-bkx0" }, nil, func(t *testing.T, p *PostgreSQL) {
			if p.Leader.Cluster != "frankfurt" || p.Leader.Pod != "psql-replica-bkx0" || len(p.Replicas) != 6 {
				t.Errorf("%+v", p)
			}
		}},
		{"no leader", func(c *fakecloud.Cloud) { c.Leader = "" }, []string{
			"postgresql: there is no leader",
		}, nil},
		{"no member may be asked", func(c *fakecloud.Cloud) {
			for _, x := range c.Clusters {
				x.Refuse = []string{"exec"}
			}
		}, []string{
			"postgresql: who leads is not known: no member's Patroni answers",
			"postgresql: Patroni of psql-replica-bkx0 of frankfurt does not answer: pod default/psql-replica-bkx0: refused",
			"postgresql: Patroni of psql-master-0 of london does not answer: pod default/psql-master-0: refused",
		}, nil},
		{"two leaders", func(c *fakecloud.Cloud) { c.Elsewhere = []string{"psql-replica-bkx0"} }, []string{
			"postgresql: psql-master-0 of london and psql-replica-bkx0 of frankfurt take writes at the same time",
		}, nil},
		{"the leader's cluster is dead, and no member leads yet", func(c *fakecloud.Cloud) { c.Cluster("london").Silent = true }, []string{
			"postgresql: the leader's cluster london does not answer",
			"postgresql: 2 replicas of london may lag: their cluster does not answer",
		}, nil},
		{"the leader's cluster is dead, and another one's leads", func(c *fakecloud.Cloud) {
			c.Cluster("london").Silent, c.Leader = true, "psql-replica-bkx0"
		}, []string{
			"postgresql: 3 replicas of london may lag: their cluster does not answer",
			"postgresql: not protected against the loss of america or frankfurt: only 1 of 3 members of etcd",
		}, nil},
		{"a certificate that is refused", func(c *fakecloud.Cloud) {
			c.Refused["psql-master-0"] = "CERTIFICATE_VERIFY_FAILED: Missing Authority Key Identifier"
		}, []string{
			"postgresql: psql-replica-bkx0 of frankfurt can't ask Patroni of psql-master-0: CERTIFICATE_VERIFY_FAILED: Missing Authority Key Identifier: a failover needs that",
		}, nil},
		{"commits that wait", func(c *fakecloud.Cloud) { c.Waiting = 42 }, []string{
			"postgresql: commits have waited for replicas for 42 s",
		}, nil},
		{"paused", func(c *fakecloud.Cloud) { c.Paused = true }, []string{"postgresql: Patroni is paused"}, nil},
		{"no synchronous replica elsewhere", func(c *fakecloud.Cloud) {
			for _, p := range c.Cluster("frankfurt").Pods {
				if inDefault(&p.ObjectMeta) && p.Labels["app"] == "psql-replica" {
					c.Behind[p.Name] = 3 << 30
				}
			}
		}, []string{
			"postgresql: replica psql-replica-bkx0 of frankfurt: no stream",
			"postgresql: replica psql-replica-clx1 of frankfurt: no stream",
			"postgresql: replica psql-replica-dmx2 of frankfurt: no stream",
			"postgresql: replica psql-replica-enx3 of frankfurt: no stream",
			"postgresql: not protected against the loss of london: no replica elsewhere may lead without force",
		}, func(t *testing.T, p *PostgreSQL) {
			// What a replica says itself: bytes and seconds agree.
			for _, r := range p.Replicas {
				if r.Cluster == "frankfurt" && (r.LagBytes == nil || *r.LagBytes != 3<<30 || r.LagSeconds == nil || *r.LagSeconds != 4.5) {
					t.Errorf("%+v", r)
				}
			}
		}},
		{"too few elsewhere to know the last commit", func(c *fakecloud.Cloud) {
			c.Behind["psql-replica-bkx0"], c.Behind["psql-replica-clx1"], c.Behind["psql-replica-dmx2"] = 0, 0, 0
			// Of 3 that commits wait for, 1 is elsewhere.
		}, []string{
			"postgresql: replica psql-replica-bkx0 of frankfurt: no stream",
			"postgresql: replica psql-replica-clx1 of frankfurt: no stream",
			"postgresql: replica psql-replica-dmx2 of frankfurt: no stream",
		}, func(t *testing.T, p *PostgreSQL) {
			// Commits wait for all of the 3: that one has the last.
			if len(p.Risks) > 0 {
				t.Errorf("%+v", p.Risks)
			}
		}},
		{"a replica that lacks much at once", func(c *fakecloud.Cloud) {
			c.Unmeasured = map[string]int64{"psql-replica-bkx0": 3 << 20}
		}, nil, func(t *testing.T, p *PostgreSQL) {
			for _, r := range p.Replicas {
				if r.Pod == "psql-replica-bkx0" && (r.LagBytes == nil || *r.LagBytes != 3<<20 || r.LagSeconds == nil || *r.LagSeconds != 4.5) {
					t.Errorf("%+v", r)
				}
			}
		}},
		{"durability none", func(c *fakecloud.Cloud) { c.Durability = "none" }, nil, func(t *testing.T, p *PostgreSQL) {
			want := []Risk{{"london", "what is confirmed may be lost with it (durability none)", true}}
			if p.Durability != DurabilityNone || !slices.Equal(p.Risks, want) {
				t.Errorf("%+v", p)
			}
		}},
		{"durability none, after a failover", func(c *fakecloud.Cloud) {
			c.Durability, c.Leader = "none", "psql-replica-bkx0"
			loss := func(commits, last string) any {
				return json.RawMessage(`{"commits": ` + commits + `, "first": "2026-11-27 20:17:01 UTC", "last": "2026-11-27 20:17:0` + last + ` UTC"}`)
			}
			c.Losses = map[string]any{"psql-master-0": loss("27", "4"), "psql-replica-fox4": loss("25", "3"), "psql-replica-gpx5": loss("27", "4")}
		}, nil, func(t *testing.T, p *PostgreSQL) {
			want := []Loss{{"london", "psql-master-0", 27, "2026-11-27 20:17:01 UTC", "2026-11-27 20:17:04 UTC"}}
			if !slices.Equal(p.Losses, want) {
				t.Errorf("%+v, want %+v", p.Losses, want)
			}
		}},
		{"a member of etcd is gone", func(c *fakecloud.Cloud) { drop(c.Cluster("america"), named("psql-etcd-america-0")) }, []string{
			"postgresql: not protected against the loss of frankfurt or london: only 1 of 3 members of etcd",
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cloud := fakecloud.New(t, 3, 2)
			o := observer(t, cloud)
			c.change(cloud)
			s := o.Look(t.Context())
			var found []string
			for _, p := range s.Problems {
				if p.Part == "postgresql" {
					found = append(found, p.Text)
					if !strings.HasPrefix(p.Command, "kubectl --context ") {
						t.Errorf("%q: the command is %q", p.Text, p.Command)
					}
				}
			}
			if !slices.EqualFunc(found, c.want, strings.HasPrefix) {
				t.Errorf("problems:\n%s\nwant:\n%s", strings.Join(found, "\n"), strings.Join(c.want, "\n"))
			}
			if c.check != nil {
				c.check(t, &s.PostgreSQL)
			}
		})
	}
}

// With fewer than three clusters there is no automatic failover, which the settings
// have chosen.
func TestTwoClusters(t *testing.T) {
	s := observer(t, fakecloud.New(t, 2, 2)).Look(t.Context())
	want := []Risk{{"london", "etcd is in no other cluster, so there is no automatic failover", true}}
	if !s.Healthy || !slices.Equal(s.PostgreSQL.Risks, want) {
		t.Errorf("%q, %+v", texts(s), s.PostgreSQL.Risks)
	}
}
