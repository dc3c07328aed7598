package main

import (
	"strings"
	"testing"

	"hybrid/internal/fakecloud"
)

func TestBackups(t *testing.T) {
	c := fakecloud.New(t, 3, 2)
	c.Backups = `{"backups":[{"label":"20261126-142708F","type":"full","stop":1795703232,"bytes":23479781,"stored":2818480}],"error":"","lag":3,"dropped":false}`
	c.Pulumi(t)
	code, out, errs := run(t, "postgres", "backups", "--now=full")
	if code != 0 || !strings.Contains(out, "20261126-142708F  full  2026-11-26T14:27:12Z  23 MB     2818 kB\nthe log has waited for the bucket for 3 s\n") {
		t.Errorf("status %d:\n%s%s", code, out, errs)
	}
	if ran := strings.Join(c.Ran, "; "); ran != "psql-master-0: backup.py now full; psql-master-0: backup.py list" {
		t.Errorf("ran %s", ran)
	}
	c.Lock()
	c.Backups = `{"backups":[],"error":"no route","lag":300,"dropped":true}`
	c.Unlock()
	if code, out, _ = run(t, "postgres", "backups"); code != 1 || !strings.Contains(out, "✗ no route") || !strings.Contains(out, "has a gap") {
		t.Errorf("status %d:\n%s", code, out)
	}
}

// A restore tries the backup first, and then does everything in its order.
func TestRestore(t *testing.T) {
	others := []string{"psql-replica-bkx0", "psql-replica-clx1", "psql-replica-dmx2", "psql-replica-enx3"}
	for _, x := range []struct {
		name, args string
		change     func(*fakecloud.Cloud)
		ran        []string
		want       string
	}{
		{"restore", "--to latest --yes", nil, []string{
			"psql-master-0: restore.py mark latest", "psql-master-0: restore.py prepare 2026-11-26T14:05:00+00:00",
			"pause psql --wait", "psql-master-0: restore.py stop", "psql-master-0: restore.py take", "restart psql psql-master-0 --force",
			"STOPS", "resume psql --wait",
		}, "hybrid postgres restore --undo"},
		{"another leads", "--undo --yes", func(c *fakecloud.Cloud) { c.Leader = others[0] }, []string{
			"pause psql --wait", others[0] + ": restore.py stop", "psql-master-0: restore.py stop", "psql-master-0: restore.py undo",
			"restart psql psql-master-0 --force", "STOPS", "resume psql --wait",
		}, "all members follow"},
		{"a member has much to copy", "--undo --yes --wait 1s", func(c *fakecloud.Cloud) { c.Lacking = map[string]int64{others[1]: 1 << 30} }, []string{
			"pause psql --wait", "psql-master-0: restore.py stop", "psql-master-0: restore.py undo",
			"restart psql psql-master-0 --force", "STOPS", "resume psql --wait",
		}, "5 of 6 members follow"},
		{"asked, and not sure", "--to latest", nil, []string{
			"psql-master-0: restore.py mark latest", "psql-master-0: restore.py prepare 2026-11-26T14:05:00+00:00",
		}, "nothing has been changed"},
		{"a member is away", "--to latest --yes", func(c *fakecloud.Cloud) { c.Behind[others[1]] = 4096 }, nil, "not all members are well"},
		{"what was before", "--confirm", nil, []string{"psql-master-0: restore.py confirm"}, "has been removed"},
		{"neither", "", nil, nil, "at least one of the flags"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := fakecloud.New(t, 3, 2)
			if x.change != nil {
				x.change(c)
			}
			c.Pulumi(t)
			code, out, errs := run(t, append([]string{"postgres", "restore"}, strings.Fields(x.args)...)...)
			if !strings.Contains(out+errs, x.want) {
				t.Errorf("%s%s\nwant %s", out, errs, x.want)
			}
			if late := strings.Contains(out, "These still take from psql-master-0 what they lack"); late != (len(c.Lacking) > 0) || late && code != 0 {
				t.Errorf("status %d: %s", code, out)
			}
			var ran []string
			stops := 0
			for _, r := range c.Ran {
				// The replicas' order is of no interest, and their number is.
				if strings.HasPrefix(r, "psql-replica-") && len(ran) > 0 && (ran[len(ran)-1] == "STOPS" || strings.HasPrefix(ran[len(ran)-1], "restart")) {
					if stops++; stops > 1 {
						continue
					}
					r = "STOPS"
				}
				ran = append(ran, r)
			}
			if strings.Join(ran, "; ") != strings.Join(x.ran, "; ") {
				t.Errorf("ran %q\nwant %q", ran, x.ran)
			}
			if len(x.ran) > 2 && stops != 6 {
				t.Errorf("%d replicas were stopped, want 6", stops)
			}
		})
	}
}
