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
		"wal_keep_size": "2GB", "max_slot_wal_keep_size": "8GB", "max_wal_senders": "40",
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
