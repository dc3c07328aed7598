package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"hybrid/lab/build"
	"hybrid/lab/progress"
	"hybrid/lab/system/paths"
)

// Prometheus' own tool takes the rules, and finds that each recorded fault raises its
// alerts and no others. It needs no lab.
func TestLongAlerts(t *testing.T) {
	project, err := paths.Project()
	if err != nil {
		t.Fatal(err)
	}
	cache, err := paths.Cache()
	if err != nil {
		t.Fatal(err)
	}
	promtool, err := (&build.Builder{Project: project, Cache: cache, Log: progress.New(os.Stderr)}).Promtool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, argv := range [][]string{
		{"check", "rules", "--lint=all", "--lint-fatal", filepath.Join(project, "docs", "monitoring", "alerts.yaml")},
		{"test", "rules", filepath.Join(project, "internal", "exporter", "testdata", "alerts_test.yaml")},
	} {
		if out, err := exec.CommandContext(t.Context(), promtool, argv...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", argv, err, out)
		}
	}
}
