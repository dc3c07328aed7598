package terminal

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"hybrid/internal/fakecloud"
	"hybrid/internal/golden"
	"hybrid/internal/observe"
	"hybrid/internal/observe/observetest"
)

// look makes a snapshot of a made-up cloud after a change.
func look(t *testing.T, clusters, nodes int, change func(*fakecloud.Cloud)) *observe.Snapshot {
	t.Helper()
	s := observetest.Look(t, clusters, nodes, change)
	s.Stack = "dev"
	s.Time = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	return s
}

// port is another one in each run.
var port = regexp.MustCompile(`127\.0\.0\.1:\d{5}/`)

// silence is measured.
var silence = regexp.MustCompile(`heard of \d+ s ago`)

func TestWrite(t *testing.T) {
	silent := func(c *fakecloud.Cloud) { c.Cluster("frankfurt").Silent = true }
	for _, c := range []struct {
		file            string
		clusters, nodes int
		change          func(*fakecloud.Cloud)
		options         Options
	}{
		{"healthy", 3, 2, nil, Options{}},
		{"dead-cluster", 3, 2, silent, Options{}},
		{"dead-cluster-color", 3, 2, silent, Options{Color: true}},
		{"mesh", 3, 2, nil, Options{Mesh: true}},
		{"mesh-dead-cluster", 3, 2, silent, Options{Mesh: true}},
		{"lost-commits", 3, 2, func(c *fakecloud.Cloud) {
			c.Durability, c.Leader = "none", "psql-replica-bkx0"
			c.Losses = map[string]any{"psql-master-0": map[string]any{"commits": 27, "first": "2026-11-27 20:17:01 UTC", "last": "2026-11-27 20:17:04 UTC"}}
		}, Options{PostgreSQL: true}},
		{"many", 30, 10, nil, Options{}},
		{"many-broken", 30, 10, func(c *fakecloud.Cloud) {
			for _, x := range c.Clusters[:12] {
				n := x.Nodes[3]
				n.Status.Conditions[0].Status, n.Status.Conditions[0].Message = corev1.ConditionFalse, "it is out of disk"
			}
		}, Options{}},
	} {
		t.Run(c.file, func(t *testing.T) {
			var b bytes.Buffer
			if err := Write(&b, look(t, c.clusters, c.nodes, c.change), c.options); err != nil {
				t.Fatal(err)
			}
			found := port.ReplaceAllString(b.String(), "127.0.0.1:6443/")
			found = silence.ReplaceAllString(found, "heard of 8 s ago")
			golden.Compare(t, filepath.Join("testdata", c.file+".txt"), []byte(found))
			lines := strings.Split(found, "\n")
			// A command to copy is as long as it is.
			for _, l := range lines {
				if n := utf8.RuneCountInString(l); n > 140 && !c.options.Color && !strings.HasPrefix(l, "    kubectl") && !strings.HasPrefix(l, "✗") {
					t.Errorf("a line of %d letters: %s", n, l)
				}
			}
			if len(lines) > 60 {
				t.Errorf("%d lines are no screen", len(lines))
			}
		})
	}
}

func TestUnits(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 9999: "9999 B", 10_000: "10 kB", 50_331_648: "50 MB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
	for s, want := range map[float64]string{0: "0 ms", 0.0042: "4 ms", 1: "1.0 s", 61.25: "61.2 s"} {
		if got := Seconds(s); got != want {
			t.Errorf("%g is %s, want %s", s, got, want)
		}
	}
}

func TestChanges(t *testing.T) {
	at := time.Date(2026, 11, 22, 11, 30, 0, 0, time.UTC)
	until := at.Add(95 * time.Second)
	s := &observe.Snapshot{Time: at, Changes: []observe.Change{
		{Time: at, Text: "postgresql: psql-replica-x of frankfurt leads; before it was psql-master-0 of london"},
		{Time: at, Until: &until, Text: "node london-2 of london is not ready: it is out of disk"},
	}}
	for range 20 {
		s.Changes = append(s.Changes, observe.Change{Time: at.Add(-time.Minute), Text: "older"})
	}
	var b bytes.Buffer
	if err := Write(&b, s, Options{Changes: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"LAST HOUR  22 changes\n", "  11:30:00  postgresql: psql-replica-x of frankfurt leads; before", "is out of disk (over at 11:31:35)\n",
		"  11:29:00  older\n  … and 12 older ones: hybrid status --watch --all\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("found no %q in\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := Write(&b, s, Options{}); err != nil || strings.Contains(b.String(), "LAST HOUR") {
		t.Errorf("%v, want no changes in\n%s", err, b.String())
	}
}
