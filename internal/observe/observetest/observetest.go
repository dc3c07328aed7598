// Package observetest looks at made-up clouds, for tests.
package observetest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"hybrid/internal/fakecloud"
	"hybrid/internal/observe"
)

// New looks at a cloud, of which it knows what a stack's outputs tell.
func New(t testing.TB, c *fakecloud.Cloud) *observe.Observer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "outputs.json")
	if err := os.WriteFile(path, []byte(c.Outputs()), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := observe.FromOutputs(path)
	if err != nil {
		t.Fatal(err)
	}
	o, err := observe.New(s)
	if err != nil {
		t.Fatal(err)
	}
	o.Timeout = 3 * time.Second // a busy machine answers in one or two
	if len(c.Clusters) > 3 {
		o.Timeout = 30 * time.Second // this one has to answer all the questions itself
	}
	return o
}

// Look looks once at a new cloud, after a change; nil changes nothing.
func Look(t testing.TB, clusters, nodes int, change func(*fakecloud.Cloud)) *observe.Snapshot {
	t.Helper()
	c := fakecloud.New(t, clusters, nodes)
	if change != nil {
		change(c)
	}
	return New(t, c).Look(t.Context())
}
