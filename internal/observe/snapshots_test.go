package observe

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hybrid/internal/fakecloud"
)

// sentAgo is what a control plane writes down, with its last snapshot so long ago; none if 0.
func sentAgo(age time.Duration, more map[string]string) map[string]string {
	all := map[string]string{"last": "0", "error": "", "minutes": "15", "hours": "24", "rehearsed": "0", "unfit": "", "answers": "", "list": "[]"}
	if age > 0 {
		at := time.Now().Add(-age)
		all["last"] = fmt.Sprint(at.Unix())
		all["list"] = fmt.Sprintf(`[{"time":%q,"tags":["life=i-1","why=upgrade"],"short_id":"3d4bbc77"}]`, at.Format(time.RFC3339Nano))
	}
	for k, v := range more {
		all[k] = v
	}
	return all
}

func TestSnapshotsAreJudged(t *testing.T) {
	for name, x := range map[string]struct {
		data map[string]string
		want string // empty: all is well
	}{
		"without backups":        {nil, ""},
		"well":                   {sentAgo(20*time.Minute, nil), ""},
		"an attempt has failed":  {sentAgo(20*time.Minute, map[string]string{"error": "no route"}), ""},
		"a first one is to come": {sentAgo(0, nil), ""},
		"never one":              {sentAgo(0, map[string]string{"error": "no route"}), "cluster america: there is no snapshot of etcd in the bucket: no route"},
		"rehearsed":              {sentAgo(time.Minute, map[string]string{"rehearsed": fmt.Sprint(time.Now().Add(-40 * time.Hour).Unix())}), ""},
		"rehearsed long ago":     {sentAgo(time.Minute, map[string]string{"rehearsed": fmt.Sprint(time.Now().Add(-50 * time.Hour).Unix())}), "cluster america: the last rehearsal of a restore of etcd was 50 h ago, and may be 48"},
		"unfit":                  {sentAgo(time.Minute, map[string]string{"unfit": "ciphertext verification failed"}), "cluster america: the rehearsal of a restore of etcd has failed: ciphertext verification failed"},
		"old":                    {sentAgo(50*time.Minute, map[string]string{"error": "no route"}), "cluster america: the last snapshot of etcd is 50 min old, and may be 45: no route"},
	} {
		c := fakecloud.New(t, 3, 2)
		c.Snapshots = x.data
		s := observer(t, c).Look(t.Context())
		if (s.Clusters[0].Snapshots == nil) != (x.data == nil) {
			t.Errorf("%s: shown is %+v", name, s.Clusters[0].Snapshots)
		}
		if x.want == "" && len(s.Problems) > 0 || x.want != "" && (len(s.Problems) != 3 || s.Problems[0].Text != x.want) {
			t.Errorf("%s: found %+v, want %q", name, s.Problems, x.want)
		}
	}
}

// One that is asked for is waited for, and its error is told.
func TestSnapshotIsTaken(t *testing.T) {
	c := fakecloud.New(t, 3, 2)
	o := observer(t, c)
	if _, err := o.TakeSnapshot(t.Context(), "london"); err == nil || !strings.Contains(err.Error(), "makes no snapshots") {
		t.Errorf("without backups: %v", err)
	}
	c.Snapshots = sentAgo(time.Minute, nil)
	if s, err := o.TakeSnapshot(t.Context(), "london"); err != nil || s.Number != 1 || s.List[0].Why != "upgrade" || s.List[0].ID != "3d4bbc77" {
		t.Errorf("found %+v, %v", s, err)
	}
	c.Snapshots = sentAgo(time.Minute, map[string]string{"error": "no route"})
	if _, err := o.TakeSnapshot(t.Context(), "london"); err == nil || err.Error() != "cluster london: no route" {
		t.Errorf("found %v", err)
	}
	c.Snapshots = sentAgo(time.Minute, map[string]string{"unfit": "no key"})
	if _, err := o.TakeSnapshot(t.Context(), "london"); err == nil || err.Error() != "cluster london: the snapshot can't be restored: no key" {
		t.Errorf("found %v", err)
	}
	c.Snapshots = map[string]string{"minutes": "often"}
	if _, err := o.Snapshots(t.Context(), "london"); err == nil || !strings.Contains(err.Error(), `found "often"`) {
		t.Errorf("found %v", err)
	}
}
