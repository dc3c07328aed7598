package gcp

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hybrid/lab/clouds/cloud/cloudtest"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/zones"
)

func recordArgs(zone, name, kind string, values ...any) m {
	return m{"managedZone": zone, "name": name, "type": kind, "ttl": 60, "rrdatas": values}
}

// served are the records that the name server gets of a zone, without those that
// every zone has. It fails the test if the zone isn't served.
func served(e *cloudtest.Engine, domain string) []string {
	e.Helper()
	text, err := os.ReadFile(filepath.Join(e.Dir, zones.Folder, "db-"+domain))
	if err != nil {
		e.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, " SOA ") && !strings.Contains(line, " NS ") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

func unserved(e *cloudtest.Engine, domain string) {
	e.Helper()
	if _, err := os.Stat(filepath.Join(e.Dir, zones.Folder, "db-"+domain)); err == nil {
		e.Errorf("the zone %s is served", domain)
	}
}

func TestZone(t *testing.T) {
	e := engine(t)
	_, zone := e.Make(typeManagedZone, "zone", m{"dnsName": "cluster.world."})
	name := provider.Str(zone, "name")
	if !strings.HasPrefix(name, "zone-") || e.ID(typeManagedZone, "zone") != "projects/lab/managedZones/"+name {
		t.Errorf("zone %q is %s", name, e.ID(typeManagedZone, "zone"))
	}
	servers := provider.Strs(zone, "nameServers")
	if len(servers) != 4 || !strings.HasPrefix(servers[0], "ns-cloud-") || !strings.HasSuffix(servers[0], "1.googledomains.com.") {
		t.Errorf("name servers %q", servers)
	}
	if got := served(e, "cluster.world."); len(got) != 0 {
		t.Errorf("an empty zone serves %q", got)
	}
	_, record := e.Make(typeRecordSet, "london", recordArgs(name, "london.cluster.world.", "A", "198.18.48.1"))
	if got := provider.Str(record, "project"); got != "lab" || !strings.HasSuffix(e.ID(typeRecordSet, "london"), "/rrsets/london.cluster.world./A") {
		t.Errorf("record %s of project %q", e.ID(typeRecordSet, "london"), got)
	}
	e.Make(typeRecordSet, "federation", recordArgs(name, "federation.cluster.world.", "A", "198.18.96.1", "198.18.96.2"))
	want := []string{"federation.cluster.world. 60 IN A 198.18.96.1", "federation.cluster.world. 60 IN A 198.18.96.2", "london.cluster.world. 60 IN A 198.18.48.1"}
	if got := served(e, "cluster.world."); !slices.Equal(got, want) {
		t.Errorf("served %q; want %q", got, want)
	}
	for _, r := range [][2]string{{typeManagedZone, "zone"}, {typeRecordSet, "london"}, {typeRecordSet, "federation"}} {
		if drift, _, gone := e.Refresh(r[0], r[1]); gone || drift.Changes != plugin.DiffNone {
			t.Errorf("%s: a refresh finds drift where there is none: gone %v, %v", r[1], gone, drift.DetailedDiff)
		}
	}
	// Changed, by the program and by others.
	if _, err := e.Update(typeRecordSet, "london", recordArgs(name, "london.cluster.world.", "A", "198.18.48.2")); err != nil {
		t.Fatal(err)
	}
	if got := served(e, "cluster.world."); !slices.Contains(got, "london.cluster.world. 60 IN A 198.18.48.2") {
		t.Errorf("served %q", got)
	}
	err := e.Cloud.Edit(t.Context(), e.ID(typeRecordSet, "london"), resource.PropertyPath{"rrdatas", 0}, resource.NewProperty("198.18.48.3"))
	if err != nil {
		t.Fatal(err)
	}
	if drift, _, _ := e.Refresh(typeRecordSet, "london"); drift.Changes != plugin.DiffSome || len(drift.ReplaceKeys) > 0 {
		t.Errorf("drift %+v; want a change in place", drift)
	}
	cloudtest.WantError(t, e.Cloud.Edit(t.Context(), e.ID(typeRecordSet, "london"), resource.PropertyPath{"rrdatas", 0}, resource.NewProperty("here")), "is no value of A")
	if err := e.Cloud.Remove(t.Context(), e.ID(typeRecordSet, "federation")); err != nil {
		t.Fatal(err)
	}
	if _, _, gone := e.Refresh(typeRecordSet, "federation"); !gone {
		t.Error("a refresh doesn't see that a record is gone")
	}
	if got := served(e, "cluster.world."); !slices.Equal(got, []string{"london.cluster.world. 60 IN A 198.18.48.3"}) {
		t.Errorf("served %q", got)
	}
	// A zone that isn't empty stays.
	cloudtest.WantError(t, e.Delete(typeManagedZone, "zone"), "containerNotEmpty")
	if err := e.Delete(typeRecordSet, "london"); err != nil {
		t.Fatal(err)
	}
	if err := e.Delete(typeManagedZone, "zone"); err != nil {
		t.Fatal(err)
	}
	unserved(e, "cluster.world.")
}

func TestForceDestroy(t *testing.T) {
	e := engine(t)
	e.Make(typeManagedZone, "zone", m{"name": "zone", "dnsName": "cluster.world.", "forceDestroy": true})
	e.Make(typeRecordSet, "london", recordArgs("zone", "london.cluster.world.", "A", "198.18.48.1"))
	if err := e.Delete(typeManagedZone, "zone"); err != nil {
		t.Fatal(err)
	}
	if _, _, gone := e.Refresh(typeRecordSet, "london"); !gone || e.Objects(typeRecordSet) != 0 {
		t.Error("a record has outlived its zone")
	}
	unserved(e, "cluster.world.")
}

// While one zone takes another's place there are two of the same domain, as with
// Google.
func TestTwoZonesOfOneDomain(t *testing.T) {
	e := engine(t)
	e.Make(typeManagedZone, "old", m{"name": "old", "dnsName": "cluster.world."})
	e.Make(typeRecordSet, "old", recordArgs("old", "london.cluster.world.", "A", "198.18.48.1"))
	e.Make(typeManagedZone, "new", m{"name": "new", "dnsName": "cluster.world."})
	e.Make(typeRecordSet, "new", recordArgs("new", "london.cluster.world.", "A", "198.18.48.2"))
	if got := served(e, "cluster.world."); !slices.Equal(got, []string{"london.cluster.world. 60 IN A 198.18.48.1"}) {
		t.Errorf("served %q; want the older zone", got)
	}
	for _, token := range []string{typeRecordSet, typeManagedZone} {
		if err := e.Delete(token, "old"); err != nil {
			t.Fatal(err)
		}
	}
	if got := served(e, "cluster.world."); !slices.Equal(got, []string{"london.cluster.world. 60 IN A 198.18.48.2"}) {
		t.Errorf("served %q; want the other zone", got)
	}
}

func TestZoneLookup(t *testing.T) {
	e := engine(t)
	_, zone := e.Make(typeManagedZone, "zone", m{"name": "ours", "dnsName": "cluster.world."})
	got := e.Invoke(getManagedZone, m{"name": "ours"})
	if provider.Str(got, "dnsName") != "cluster.world." || provider.Str(got, "visibility") != "public" || !slices.Equal(provider.Strs(got, "nameServers"), provider.Strs(zone, "nameServers")) {
		t.Errorf("found %v", got)
	}
	_, err := e.Provider.Invoke(t.Context(), plugin.InvokeRequest{Tok: getManagedZone, Args: provider.From(m{"name": "theirs"})})
	cloudtest.WantError(t, err, "projects/lab/managedZones/theirs' was not found")
}

func TestZoneChecks(t *testing.T) {
	e := engine(t)
	record := func(extra m) m {
		in := recordArgs("zone", "london.cluster.world.", "A", "198.18.48.1")
		for k, v := range extra {
			in[k] = v
		}
		return in
	}
	for name, test := range map[string]struct {
		token string
		in    m
		want  string // empty: accepted
	}{
		"zone":                       {typeManagedZone, m{"dnsName": "cluster.world."}, ""},
		"zone without a dot":         {typeManagedZone, m{"dnsName": "cluster.world"}, "must be a domain that ends in a dot"},
		"zone with an empty label":   {typeManagedZone, m{"dnsName": "cluster..world."}, "must be a domain"},
		"zone with a long label":     {typeManagedZone, m{"dnsName": strings.Repeat("a", 64) + ".world."}, "must be a domain"},
		"zone of too many labels":    {typeManagedZone, m{"dnsName": strings.Repeat("a.", 128)}, "must be a domain"},
		"zone without a domain":      {typeManagedZone, m{}, `missing required property "dnsName"`},
		"zone's name":                {typeManagedZone, m{"dnsName": "cluster.world.", "name": "Cluster.World"}, "doesn't match regexp"},
		"private zone":               {typeManagedZone, m{"dnsName": "cluster.world.", "visibility": "private"}, "expected visibility to be one of"},
		"signed zone":                {typeManagedZone, m{"dnsName": "cluster.world.", "dnssecConfig": m{"state": "on"}}, "dnssecConfig"},
		"record":                     {typeRecordSet, record(nil), ""},
		"record without a dot":       {typeRecordSet, record(m{"name": "london.cluster.world"}), "name field must end with trailing dot"},
		"record's name":              {typeRecordSet, record(m{"name": "lon don.cluster.world."}), "invalid value for 'entity.change.additions[0].name'"},
		"record's ttl":               {typeRecordSet, record(m{"ttl": -1}), "additions[0].ttl"},
		"record without values":      {typeRecordSet, record(m{"rrdatas": []any{}}), "must be specified"},
		"record's type":              {typeRecordSet, record(m{"type": "SRV"}), "serves A, AAAA, CNAME and TXT"},
		"name for an address":        {typeRecordSet, record(m{"rrdatas": []any{"london"}}), "is no value of A"},
		"address of the wrong kind":  {typeRecordSet, record(m{"rrdatas": []any{"fd00::1"}}), "is no value of A"},
		"address twice":              {typeRecordSet, record(m{"rrdatas": []any{"198.18.48.1", "198.18.48.1"}}), "is there twice"},
		"AAAA":                       {typeRecordSet, record(m{"type": "AAAA", "rrdatas": []any{"fd00::1"}}), ""},
		"CNAME":                      {typeRecordSet, record(m{"type": "CNAME", "rrdatas": []any{"other.example.org."}}), ""},
		"two CNAMEs":                 {typeRecordSet, record(m{"type": "CNAME", "rrdatas": []any{"a.example.org.", "b.example.org."}}), "a CNAME has one value"},
		"CNAME that isn't in full":   {typeRecordSet, record(m{"type": "CNAME", "rrdatas": []any{"other"}}), "is no value of CNAME"},
		"TXT":                        {typeRecordSet, record(m{"type": "TXT", "rrdatas": []any{`"v=spf1 -all"`, "word"}}), ""},
		"TXT with another record":    {typeRecordSet, record(m{"type": "TXT", "rrdatas": []any{"\"x\"\nevil. 1 IN A 198.18.0.1"}}), "is no value of TXT"},
		"answers by where one comes": {typeRecordSet, record(m{"routingPolicy": m{"wrrs": []any{}}}), "routingPolicy"},
	} {
		t.Run(name, func(t *testing.T) {
			_, failures := e.Check(test.token, "x", test.in)
			got := strings.Join(failures, "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q; want %q", got, test.want)
			}
		})
	}
}

func TestRecordErrors(t *testing.T) {
	e := engine(t)
	e.Make(typeManagedZone, "zone", m{"name": "zone", "dnsName": "cluster.world."})
	e.Make(typeRecordSet, "a", recordArgs("zone", "a.cluster.world.", "A", "198.18.48.1"))
	e.Make(typeRecordSet, "c", recordArgs("zone", "c.cluster.world.", "CNAME", "a.cluster.world."))
	for name, test := range map[string]struct {
		in   m
		want string
	}{
		"no such zone":    {recordArgs("other", "b.cluster.world.", "A", "198.18.48.1"), "managedZones/other' was not found"},
		"another domain":  {recordArgs("zone", "b.notcluster.world.", "A", "198.18.48.1"), "it is not in the zone's domain cluster.world."},
		"twice":           {recordArgs("zone", "a.cluster.world.", "A", "198.18.48.2"), "alreadyExists"},
		"CNAME beside A":  {recordArgs("zone", "a.cluster.world.", "CNAME", "c.cluster.world."), "cnameResourceRecordSetConflict"},
		"A beside CNAME":  {recordArgs("zone", "c.cluster.world.", "A", "198.18.48.1"), "cnameResourceRecordSetConflict"},
		"CNAME of a zone": {recordArgs("zone", "cluster.world.", "CNAME", "a.cluster.world."), "cnameNotAllowedAtApex"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := e.Try(typeRecordSet, "x", test.in)
			cloudtest.WantError(t, err, test.want)
		})
	}
	_, _, err := e.Try(typeManagedZone, "again", m{"name": "zone", "dnsName": "example.org."})
	cloudtest.WantError(t, err, "alreadyExists")
	if _, _, err := e.Try(typeRecordSet, "t", recordArgs("zone", "a.cluster.world.", "TXT", "word")); err != nil {
		t.Errorf("another type beside A: %v", err)
	}
}

func TestZoneDiffs(t *testing.T) {
	e := engine(t)
	e.Make(typeManagedZone, "zone", m{"name": "zone", "dnsName": "cluster.world."})
	args := func(extra m) m {
		in := recordArgs("zone", "a.cluster.world.", "A", "198.18.48.1", "198.18.48.2")
		for k, v := range extra {
			in[k] = v
		}
		return in
	}
	e.Make(typeRecordSet, "a", args(nil))
	for name, test := range map[string]struct {
		token, resource string
		in              m
		changes         plugin.DiffChanges
		replaces        bool
	}{
		"nothing":          {typeRecordSet, "a", args(nil), plugin.DiffNone, false},
		"order":            {typeRecordSet, "a", args(m{"rrdatas": []any{"198.18.48.2", "198.18.48.1"}}), plugin.DiffNone, false},
		"zone by its ID":   {typeRecordSet, "a", args(m{"managedZone": e.ID(typeManagedZone, "zone")}), plugin.DiffNone, false},
		"addresses":        {typeRecordSet, "a", args(m{"rrdatas": []any{"198.18.48.2"}}), plugin.DiffSome, false},
		"ttl":              {typeRecordSet, "a", args(m{"ttl": 30}), plugin.DiffSome, false},
		"name":             {typeRecordSet, "a", args(m{"name": "b.cluster.world."}), plugin.DiffSome, true},
		"zone":             {typeRecordSet, "a", args(m{"managedZone": "other"}), plugin.DiffSome, true},
		"description":      {typeManagedZone, "zone", m{"name": "zone", "dnsName": "cluster.world.", "description": "x"}, plugin.DiffSome, false},
		"domain":           {typeManagedZone, "zone", m{"name": "zone", "dnsName": "example.org."}, plugin.DiffSome, true},
		"default, spelled": {typeManagedZone, "zone", m{"name": "zone", "dnsName": "cluster.world.", "visibility": "public"}, plugin.DiffNone, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := e.Diff(test.token, test.resource, test.in)
			if d.Changes != test.changes || (len(d.ReplaceKeys) > 0) != test.replaces {
				t.Errorf("changes %v, replaces %v: %v; want %v, %v", d.Changes, d.ReplaceKeys, d.DetailedDiff, test.changes, test.replaces)
			}
		})
	}
}
