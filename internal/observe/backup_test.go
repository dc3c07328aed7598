package observe

import (
	"strings"
	"testing"

	"hybrid/internal/fakecloud"
)

func TestBackups(t *testing.T) {
	const day = 24 * 3600
	now := float64(1_795_703_232)
	backup := func(age float64) []any { return []any{map[string]any{"stop": now - age}} }
	for name, x := range map[string]struct {
		facts map[string]any
		want  string // empty: all is well
		none  bool   // nothing is shown
	}{
		"none":         {nil, "", true},
		"switched off": {map[string]any{"off": true}, "", true},
		"well":         {map[string]any{"backups": backup(day)}, "", false},
		"a first one":  {map[string]any{"since": now - 60}, "", false},
		"never one":    {map[string]any{"since": now - day, "error": "no route"}, "postgresql: there is no backup: no route", false},
		"old":          {map[string]any{"backups": backup(27 * 3600)}, "postgresql: the last backup is 27 h old, and may be 26", false},
		"lag":          {map[string]any{"backups": backup(day), "lag": 600, "error": "no route"}, "postgresql: what was committed 10 min ago isn't in the bucket yet: no route", false},
		"rehearsed":    {map[string]any{"backups": backup(day), "since": now - 3*day, "rehearsed": now - day}, "", false},
		"unfit":        {map[string]any{"backups": backup(day), "unfit": "damaged"}, "postgresql: the rehearsal of a restore has failed: damaged", false},
		"long ago":     {map[string]any{"backups": backup(day), "rehearsed": now - 3*day}, "postgresql: no restore has been rehearsed for 72 h", false},
		"never":        {map[string]any{"backups": backup(day), "since": now - day}, "postgresql: no restore has been rehearsed for 24 h", false},
		"gap":          {map[string]any{"backups": backup(day), "dropped": true}, "postgresql: the log in the bucket has a gap", false},
	} {
		c := fakecloud.New(t, 3, 2)
		if x.facts != nil {
			if x.facts["off"] == nil {
				c.Schedule = map[string]any{"maxAgeHours": 26, "maxLagMinutes": 5, "rehearsalHours": 24}
			}
			c.Backup = map[string]any{"at": now, "since": now - 60}
			for k, v := range x.facts {
				c.Backup[k] = v
			}
		}
		s := observer(t, c).Look(t.Context())
		if (s.PostgreSQL.Backup == nil) != x.none {
			t.Errorf("%s: shown is %+v", name, s.PostgreSQL.Backup)
		}
		var found []string
		for _, p := range s.Problems {
			found = append(found, p.Text)
		}
		if got := strings.Join(found, "; "); x.want == "" && got != "" || !strings.HasPrefix(got, x.want) {
			t.Errorf("%s: found %q, want %q", name, got, x.want)
		}
	}
}
