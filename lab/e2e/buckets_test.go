package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hybrid/lab/buckets"
	"hybrid/lab/system/paths"
)

// TestLongBuckets has snapshots go to DigitalOcean's Spaces and to Google's Cloud Storage. AWS' are
// TestLongSnapshots' and TestLongBackup's. The clusters are as few as can be, so that it takes minutes.
func TestLongBuckets(t *testing.T) {
	l := open(t)
	in := func(cluster string) func(*lab) {
		return func(l *lab) { l.snapshotsIn(cluster) }
	}
	l.steps(t, []part{
		{name: "Spaces", run: in("london")},
		{name: "Cloud Storage", run: in("america")},
	})
}

// snapshotsIn makes a bucket in a cluster's cloud, where the stack may have had another one
// elsewhere, and waits for snapshots in it, which are tried.
func (l *lab) snapshotsIn(cluster string) {
	config := l.config(func(settings map[string]any) {
		settings["hybrid:clusters"] = []any{
			map[string]any{"name": "london", "cloud": "digitalocean", "region": "lon1", "networkCidr": "10.10.0.0/24", "serviceCidr": "10.96.0.0/16", "workers": 1, "federationHost": true},
			map[string]any{"name": "america", "cloud": "gce", "region": "us-west1", "networkCidr": "10.30.0.0/24", "serviceCidr": "10.98.0.0/16", "workers": 1},
		}
		settings["hybrid:postgres"] = map[string]any{"enabled": false}
		settings["hybrid:zone"] = map[string]any{"enabled": false}
		backup := settings["hybrid:backup"].(map[string]any)
		backup["enabled"], backup["cluster"] = true, cluster
	})
	l.up(config)
	l.must("preview", "--expect-no-changes", config)
	cloud := map[string]string{"london": "digitalocean", "america": "gcp"}[cluster]
	bucket := l.storeBucket()
	if has := l.cloudHas(cloud); has.Buckets[bucket] == nil || len(has.Keys) == 0 {
		l.Fatalf("%s has no bucket %s, or lets no one in: %+v", cloud, bucket, has)
	}
	l.eventually(snapshotLimit, func() error {
		out, err := l.ask("backup", "now", "--json")
		switch {
		case err != nil:
			return fmt.Errorf("%w: %s", err, out)
		case strings.Count(out, `"why":"asked"`) < 2:
			return fmt.Errorf("want one of each cluster, found %s", out)
		}
		return nil
	})
	for _, name := range []string{"london", "america"} {
		if _, err := os.Stat(filepath.Join(l.stack.State, paths.Clouds, buckets.Folder, buckets.Data, "objects", bucket, "etcd", name, "snapshots")); err != nil {
			l.Error(err)
		}
	}
	fmt.Printf("--- snapshots are in %s's bucket %s, and were tried\n", cloud, bucket)
}
