package workloads

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
)

func TestPlace(t *testing.T) {
	for clusters, want := range map[string]string{
		"london frankfurt america": "london map[frankfurt:4 london:2]",
		"london america":           "london map[london:2]",
		"frankfurt america":        "frankfurt map[frankfurt:4]",
		"paris america":            "paris map[paris:2]",
	} {
		s := DefaultSettings()
		s.Place(strings.Fields(clusters))
		if got := fmt.Sprint(s.Master, " ", s.Placement); got != want {
			t.Errorf("%s: %s, want %s", clusters, got, want)
		}
	}
}

// A stack's parameters come on top of the program's, whatever YAML made of them.
func TestParameters(t *testing.T) {
	p := DefaultSettings().Parameters
	err := json.Unmarshal([]byte(`{"max_connections": 200, "jit": false, "shared_buffers": "1GB", "wal_keep_size": "2GB"}`), &p)
	want := Parameters{
		"max_connections": "200", "jit": "false", "shared_buffers": "1GB",
		"wal_keep_size": "2GB", "max_slot_wal_keep_size": "8GB", "max_wal_senders": "40", "wal_compression": "on",
	}
	if !maps.Equal(p, want) || err != nil {
		t.Errorf("found %v, %v, want %v", p, err, want)
	}
	for _, wrong := range []string{"null", "[]", "{}"} {
		if json.Unmarshal([]byte(`{"jit": `+wrong+`}`), &p) == nil {
			t.Errorf("a parameter took %s", wrong)
		}
	}
}

// What is kept of the log lasts for a rewind.
func TestKeptForRewind(t *testing.T) {
	for _, c := range []struct{ keep, between, want string }{
		{"1GB", "64MB", ""},
		{"1GB", "1024MB", ""},
		{"1GB", "", ""},
		{"1GB", "much", ""}, // PostgreSQL's own error is better
		{"1GB", "2GB", "parameters: wal_keep_size is 1GB, and max_wal_size 2GB: expected no less than that"},
		{"1000", "1GB", "parameters: wal_keep_size is 1000, and max_wal_size 1GB: expected"},
	} {
		p := Parameters{"wal_keep_size": c.keep}
		if c.between != "" {
			p["max_wal_size"] = c.between
		}
		if got := strings.Join(p.problems(), "; "); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s, %s: found %q, want %q", c.keep, c.between, got, c.want)
		}
	}
}

// Patroni silently passes on others in place of values that are too little for it.
func TestTooLittle(t *testing.T) {
	for value, want := range map[string]string{
		"wal_keep_size=0":              "parameters: wal_keep_size is 0: expected at least 16MB, for Patroni takes a default of its own in place of less",
		"wal_keep_size=15":             "expected at least 16MB",
		"WAL_keep_size=2MB":            "parameters: WAL_keep_size is 2MB: expected at least 16MB",
		"wal_keep_size=16383 kB":       "expected at least 16MB",
		"wal_keep_size=-1":             "expected at least 16MB",
		"wal_keep_size=16384kB":        "",
		"wal_keep_size=16":             "",
		"wal_keep_size=1GB":            "",
		"max_connections=24":           "parameters: max_connections is 24: expected at least 25, for",
		"max_connections=25":           "",
		"max_connections=many":         "", // PostgreSQL's own error is better
		"max_locks_per_transaction=10": "expected at least 32",
		"max_worker_processes=1":       "expected at least 2",
		"max_parallel_workers=0":       "",
		"max_prepared_transactions=0":  "",
		"autovacuum_max_workers=1":     "",
	} {
		name, text, _ := strings.Cut(value, "=")
		got := strings.Join(Parameters{name: text}.problems(), "; ")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: found %q, want %q", value, got, want)
		}
	}
}
