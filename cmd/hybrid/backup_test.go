package main

import (
	"strings"
	"testing"

	"hybrid/internal/fakecloud"
)

func TestSnapshots(t *testing.T) {
	c := fakecloud.New(t, 3, 2)
	c.Pulumi(t)
	if code, out, errs := run(t, "backup", "list"); code != 2 || !strings.Contains(errs, "hybrid:backup is not enabled") {
		t.Errorf("without backups: status %d:\n%s%s", code, out, errs)
	}
	c.Lock()
	c.Snapshots = map[string]string{
		"last": "1795714738", "error": "", "minutes": "15", "answers": "", "hours": "24", "rehearsed": "0", "unfit": "",
		"list": `[{"time":"2026-11-26T17:38:55Z","tags":["life=i-1","why=asked"],"short_id":"3d4bbc77"}]`,
	}
	c.Unlock()
	for _, verb := range []string{"list", "now"} {
		code, out, errs := run(t, "backup", verb)
		if code != 0 || !strings.Contains(out, "frankfurt  3d4bbc77  2026-11-26T17:38:55Z  asked\n") {
			t.Errorf("%s: status %d:\n%s%s", verb, code, out, errs)
		}
	}
	c.Lock()
	c.Snapshots["error"] = "no route"
	c.Unlock()
	if code, out, _ := run(t, "backup", "now"); code != 1 || !strings.Contains(out, "✗ london: cluster london: no route") {
		t.Errorf("status %d:\n%s", code, out)
	}
}
