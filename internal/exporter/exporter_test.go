package exporter

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"hybrid/internal/fakecloud"
	"hybrid/internal/golden"
	"hybrid/internal/observe"
	"hybrid/internal/observe/observetest"
)

// What is made of the judgements, or used with them.
const (
	ruleFile      = "../../docs/monitoring/alerts.yaml"
	dashboardFile = "../../docs/monitoring/dashboard.json"
)

// scrape does what Prometheus does.
func scrape(t *testing.T, h http.Handler) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	return w.Code, w.Body.String()
}

// serve has a handler for a snapshot.
func serve(s *observe.Snapshot) http.Handler {
	var e Exporter
	e.Show(s)
	return e.Handler()
}

func TestMetrics(t *testing.T) {
	_, text := scrape(t, serve(observetest.Look(t, 3, 2, nil)))
	for _, want := range []string{
		`hybrid_healthy 1`,
		`hybrid_cluster_up{cluster="london"} 1`,
		`hybrid_cluster_info{cloud="aws",cluster="frankfurt",federation_host="false",region="eu-central-1",version="v1.35.4"} 1`,
		`hybrid_node_ready{cluster="america",node="america-2"} 1`,
		`hybrid_node_pods{cluster="america",node="america-1"} 6`,
		`hybrid_mesh_links{cluster="frankfurt",other="london",state="up"} 4`,
		`hybrid_mesh_links{cluster="frankfurt",other="london",state="down"} 0`,
		`hybrid_mesh_peer_connections_established{cluster="london",node="london-1"} 5`,
		`hybrid_federation_member_ready{cluster="america"} 1`,
		`hybrid_federation_replicas_ready{cluster="frankfurt",kind="ReplicaSet",name="psql-replica",namespace="default"} 4`,
		`hybrid_postgresql_leader_info{cluster="london",namespace="default",node="london-2",pod="psql-master-0",version="17.7"} 1`,
		`hybrid_postgresql_timeline 1`,
		`hybrid_postgresql_replica_lag_bytes{address="",cluster="frankfurt",pod="psql-replica-bkx0"} 0`,
		`hybrid_postgresql_durability_info{durability="cloud"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("found no %s in\n%s", want, text)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("the metrics' names: %v, %v", problems, err)
	}
}

// What is seen of several things at once is no error.
func TestMetricsOfManyFaults(t *testing.T) {
	t.Parallel()
	for _, f := range faults {
		s := observetest.Look(t, 3, 2, f.change)
		if code, text := scrape(t, serve(s)); code != http.StatusOK || strings.Count(text, "\nhybrid_problem{") != len(s.Problems) {
			t.Errorf("%s: %d, want %d problems in\n%s", f.name, code, len(s.Problems), text)
		}
	}
}

// Before the first look there is nothing, which isn't the same as that all is gone.
func TestBeforeTheFirstLook(t *testing.T) {
	var e Exporter
	if code, text := scrape(t, e.Handler()); code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", code, text)
	}
}

// Metrics of 300 nodes are there in two seconds.
func TestManyNodes(t *testing.T) {
	t.Parallel()
	h := serve(observetest.Look(t, 30, 10, nil))
	start := time.Now()
	_, text := scrape(t, h)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	if n := strings.Count(text, "\nhybrid_node_ready{"); n != 300 {
		t.Errorf("%d nodes", n)
	}
}

// A change is to be seen within 15 seconds, while it looks all the time.
func TestAChangeIsSeen(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(t, 3, 2)
	var e Exporter
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	o := observetest.New(t, c)
	go func() { defer close(done); o.Watch(ctx, e.Show) }()
	defer func() { cancel(); <-done }()
	h := e.Handler()
	until := func(what string, well func(text string) bool) {
		t.Helper()
		for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
			_, text := scrape(t, h)
			if well(text) {
				return
			}
			if time.Since(start) > 15*time.Second {
				t.Fatalf("%s: not seen in 15 s:\n%s", what, text)
			}
		}
	}
	until("all well", func(text string) bool { return strings.Contains(text, "\nhybrid_healthy 1\n") })
	c.Lock()
	n := c.Cluster("london").Nodes[1]
	n.Status.Conditions[0].Status = corev1.ConditionFalse
	c.Touch(&n.ObjectMeta)
	c.Lost, c.Behind["psql-replica-bkx0"] = []string{"america"}, 100<<20
	backups(map[string]any{"backups": []any{map[string]any{"stop": lookedAt - 27*3600}}})(c)
	c.Unlock()
	c.Changed()
	shows := func(kind string) {
		t.Helper()
		until(kind, func(text string) bool { return strings.Contains(text, `kind="`+kind+`"`) })
	}
	for _, kind := range []string{"NodeNotReady", "MeshClusterAlone", "MemberNotReady", "PostgreSQLReplicaNotWell", "PostgreSQLBackupOld"} {
		shows(kind)
	}
	// A failover: no leader, and then another one.
	c.Lock()
	c.Leader = ""
	c.Unlock()
	shows("PostgreSQLLeaderMissing")
	c.Lock()
	c.Leader = "psql-replica-gpx5"
	c.Unlock()
	until("another leader", func(text string) bool {
		return strings.Contains(text, `hybrid_postgresql_leader_info{cluster="london",namespace="default",node=`) && strings.Contains(text, `pod="psql-replica-gpx5",version=`)
	})
}

// fault is what may happen, and the alerts that tell of it, among others.
type fault struct {
	name   string
	change func(*fakecloud.Cloud)
	alerts []string
}

// lookedAt is when the leader has last looked at its backups, in Unix time.
const lookedAt = 1_795_703_232

// backups makes a leader say this of its backups, of which one a day is wanted.
func backups(facts map[string]any) func(*fakecloud.Cloud) {
	return func(c *fakecloud.Cloud) {
		c.Schedule = map[string]any{"maxAgeHours": 26, "maxLagMinutes": 5, "rehearsalHours": 24}
		c.Backup = map[string]any{"at": lookedAt, "since": lookedAt - 60}
		maps.Copy(c.Backup, facts)
	}
}

var faults = []fault{
	{"nothing", func(*fakecloud.Cloud) {}, nil},
	{"a cluster is cut off", func(c *fakecloud.Cloud) {
		c.Lost = []string{"frankfurt"}
		c.Cluster("frankfurt").Silent = true
	}, []string{"ClusterUnreachable", "MeshClusterCutOff", "MemberNotReady", "PostgreSQLReplicasUnreachable", "PostgreSQLUnprotected"}},
	{"mesh links are lost, and a member", func(c *fakecloud.Cloud) { c.Lost = []string{"america"} }, []string{"MeshClusterAlone", "MemberNotReady"}},
	{"a replica lags", func(c *fakecloud.Cloud) { c.Behind["psql-replica-bkx0"] = 100 << 20 }, []string{"PostgreSQLReplicaNotWell"}},
	{"a node fails", func(c *fakecloud.Cloud) {
		n := c.Cluster("london").Nodes[1]
		n.Status.Conditions[0].Status, n.Status.Conditions[0].Message = corev1.ConditionUnknown, "Kubelet stopped posting node status."
	}, []string{"NodeNotReady"}},
	{"the leader is lost", func(c *fakecloud.Cloud) { c.Leader = "" }, []string{"PostgreSQLLeaderMissing"}},
	{"two servers take writes", func(c *fakecloud.Cloud) { c.Elsewhere = []string{"psql-replica-bkx0"} }, []string{"PostgreSQLTwoWriters"}},
	{"commits wait", func(c *fakecloud.Cloud) { c.Waiting = 60 }, []string{"PostgreSQLCommitsWait"}},
	{"Patroni is paused", func(c *fakecloud.Cloud) { c.Paused = true }, []string{"PatroniPaused"}},
	{"Patroni is refused", func(c *fakecloud.Cloud) { c.Refused["psql-master-0"] = "certificate verify failed" }, []string{"PatroniRefused"}},
	{"the last backup is too old", backups(map[string]any{"backups": []any{map[string]any{"stop": lookedAt - 27*3600}}}), []string{"PostgreSQLBackupOld"}},
	{"there is no backup", backups(map[string]any{"since": lookedAt - 3600}), []string{"PostgreSQLBackupOld"}},
	{"a restore of the database can't be rehearsed", backups(map[string]any{
		"backups": []any{map[string]any{"stop": lookedAt - 3600}}, "unfit": "a file is damaged",
	}), []string{"PostgreSQLBackupUnfit"}},
	{"the log doesn't get to the bucket", backups(map[string]any{
		"backups": []any{map[string]any{"stop": lookedAt - 3600}}, "lag": 600, "error": "no route to host",
	}), []string{"PostgreSQLArchiveLags"}},
	{"a pod isn't ready", func(c *fakecloud.Cloud) {
		c.Cluster("america").Pods[1].Status.Conditions[0].Status = corev1.ConditionFalse
	}, []string{"PodNotWell"}},
}

// series are the recorded ones that alerts are made of: well for two minutes, and then
// as they are now.
var series = regexp.MustCompile(`(?m)^(hybrid_problem\{.*\}) 1$`)

// Each fault has its alerts; and testdata/alerts_test.yaml, by which promtool holds the
// rules against what has been recorded, is that of these faults.
func TestFaults(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	var tests []object
	for _, f := range faults {
		s := observetest.Look(t, 3, 2, f.change)
		_, text := scrape(t, serve(s))
		var kinds []string
		for _, p := range s.Problems {
			kinds = append(kinds, p.Kind)
		}
		for _, kind := range f.alerts {
			if !slices.Contains(kinds, kind) {
				t.Errorf("%s: found %q, want %s among them", f.name, kinds, kind)
			}
		}
		if len(f.alerts) == 0 && len(kinds) > 0 {
			t.Errorf("%s: found %q, want none", f.name, kinds)
		}
		input := []object{{"series": "hybrid_snapshot_timestamp_seconds", "values": "0+15x40"}}
		for _, found := range series.FindAllStringSubmatch(text, -1) {
			input = append(input, object{"series": found[1], "values": "_x8 1x32"})
		}
		var before, after []object
		for _, rule := range Rules() {
			alerts := []object{}
			for _, p := range s.Problems {
				if Prefix+p.Kind == rule.Alert {
					alerts = append(alerts, alert(rule, p))
				}
			}
			before = append(before, object{"eval_time": "2m", "alertname": rule.Alert})
			after = append(after, object{"eval_time": "8m", "alertname": rule.Alert, "exp_alerts": alerts})
		}
		tests = append(tests, object{"name": f.name, "interval": "15s", "input_series": input, "alert_rule_test": slices.Concat(before, after)})
	}
	// The exporter's own, and a failover that has ended well.
	stale := func(name, metric, values, alert, labels string) {
		tests = append(tests, object{
			"name": name, "interval": "15s", "input_series": []object{{"series": metric, "values": values}},
			"alert_rule_test": []object{{"eval_time": "8m", "alertname": Prefix + alert, "exp_alerts": []object{{
				"exp_labels": object{"severity": labels}, "exp_annotations": annotations(alert),
			}}}},
		})
	}
	stale("the exporter is gone", "up", "0x40", "ExporterMissing", "critical")
	stale("the exporter has stopped looking", "hybrid_snapshot_timestamp_seconds", "60x40", "ExporterStale", "critical")
	stale("a failover", "hybrid_postgresql_timeline", "1x8 2x32", "PostgreSQLFailedOver", "info")
	golden.Compare(t, filepath.Join("testdata", "alerts_test.yaml"), marshal(t, object{"rule_files": []string{"../" + ruleFile}, "evaluation_interval": "15s", "tests": tests}))
}

// annotations are those of an alert that has no labels of a problem.
func annotations(alert string) map[string]string {
	for _, r := range Rules() {
		if r.Alert == Prefix+alert {
			return r.Annotations
		}
	}
	return nil
}

// alert is what a rule makes of a problem.
func alert(r Rule, p observe.Problem) map[string]any {
	fill := strings.NewReplacer("{{ $labels.cluster }}", p.Cluster, "{{ $labels.object }}", p.Object, "{{ $labels.command }}", p.Command)
	labels := map[string]string{"severity": r.Labels["severity"], "kind": p.Kind, "part": p.Part}
	if p.Cluster != "" {
		labels["cluster"] = p.Cluster
	}
	if p.Object != "" {
		labels["object"] = p.Object
	}
	return map[string]any{"exp_labels": labels, "exp_annotations": map[string]string{
		"summary": fill.Replace(r.Annotations["summary"]), "command": fill.Replace(r.Annotations["command"]),
	}}
}

// The rule file is that of the judgements as they are now.
func TestRuleFile(t *testing.T) {
	text, err := RuleFile()
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, ruleFile, text)
	for _, r := range Rules() {
		if r.Annotations["summary"] == "" || r.Annotations["command"] == "" || r.Labels["severity"] == "" {
			t.Errorf("%s: want summary, command and severity: %+v", r.Alert, r)
		}
	}
}

// The dashboard asks for metrics that there are.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(text) {
		t.Fatal("it is no JSON")
	}
	var names []string
	s := observetest.Look(t, 3, 2, func(c *fakecloud.Cloud) {
		c.Lost = []string{"america"}
		backups(map[string]any{"backups": []any{map[string]any{"stop": lookedAt - 3600}}})(c)
	})
	s.Zone.NameServers = []observe.NameServer{{Name: "ns1"}}
	s.Mesh.Lost = []observe.LostPeer{{}}
	gather(s, func(d *prometheus.Desc, _ float64, _ ...string) {
		names = append(names, regexp.MustCompile(`fqName: "([a-z_]+)"`).FindStringSubmatch(d.String())[1])
	})
	asked := regexp.MustCompile(`hybrid_[a-z_]+`).FindAllString(string(text), -1)
	for _, name := range asked {
		if !slices.Contains(names, name) {
			t.Errorf("there is no metric %s", name)
		}
	}
	if len(asked) < 15 {
		t.Errorf("it asks for %q, want more", asked)
	}
}

func marshal(t *testing.T, what any) []byte {
	t.Helper()
	text, err := yaml.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("# Made by `go test ./internal/exporter -run TestFaults -update`, for promtool.\n"), text...)
}

// It serves over the network, and ends.
func TestServe(t *testing.T) {
	var e Exporter
	e.Show(observetest.Look(t, 1, 1, nil))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Serve(ctx, l) }()
	answer, err := http.Get(fmt.Sprintf("http://%s/healthz", l.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || string(text) != "ok\n" {
		t.Errorf("%d %s", answer.StatusCode, text)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
