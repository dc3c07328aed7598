package observe

import (
	"encoding/json"
	"testing"
)

// What is placed has its replicas counted by what its kind says of itself.
func TestCounts(t *testing.T) {
	for _, c := range []struct {
		name, kind, status string
		wanted             int
		placed, ready      int
	}{
		{"a set", "ReplicaSet", `{"replicas": 4, "readyReplicas": 3}`, 4, 4, 3},
		{"a set of nothing", "Deployment", `{}`, 2, 0, 0},
		{"no replicas", "ConfigMap", `{"phase": "Running"}`, 0, 0, 0},
		{"a pod", "Pod", `{"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}`, 1, 1, 1},
		{"a pod that starts", "Pod", `{"phase": "Running", "conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "False"}]}`, 1, 1, 0},
		{"a pod that has ended", "Pod", `{"phase": "Succeeded", "conditions": [{"type": "Ready", "status": "False"}]}`, 1, 1, 1},
		{"a pod that has failed", "Pod", `{"phase": "Failed"}`, 1, 1, 0},
		{"a pod that no node has", "Pod", `{}`, 1, 0, 0},
		{"a job", "Job", `{"active": 2, "ready": 1, "succeeded": 1}`, 3, 3, 2},
		{"a job that is done", "Job", `{"succeeded": 2, "conditions": [{"type": "Complete", "status": "True"}]}`, 3, 3, 3},
		{"a job that has failed", "Job", `{"failed": 2, "conditions": [{"type": "Failed", "status": "True"}]}`, 2, 0, 0},
		{"no status", "Pod", `"?"`, 1, 0, 0},
	} {
		placed, ready := counts(c.kind, c.wanted, json.RawMessage(c.status))
		if placed != c.placed || ready != c.ready {
			t.Errorf("%s: found %d placed and %d ready, want %d and %d", c.name, placed, ready, c.placed, c.ready)
		}
	}
}
