package federation

import (
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"
	"hybrid/internal/mockclusters"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	typeZone   = "gcp:dns/managedZone:ManagedZone"
	typeRecord = "gcp:dns/recordSet:RecordSet"
)

// zone makes two clusters, neither of them on Google's cloud, and their zone.
func zone(preview bool, config map[string]string, args ZoneArgs, check func(*Zone)) (*mockcloud.Record, error) {
	return mockcloud.Run(preview, config, func(ctx *pulumi.Context) error {
		made, err := mockclusters.New(ctx, map[string]int{"london": 1, "frankfurt": 1})
		if err != nil {
			return err
		}
		args.Clusters, args.Host = made, made.Named("frankfurt")
		z, err := NewZone(ctx, "zone", &args)
		if err == nil && check != nil {
			check(z)
		}
		return err
	})
}

// strs are the strings of a list.
func strs(v resource.PropertyValue) []string {
	var out []string
	for _, e := range v.ArrayValue() {
		out = append(out, e.StringValue())
	}
	return out
}

func TestZone(t *testing.T) {
	r, err := zone(false, map[string]string{"gcp:project": "ours"}, ZoneArgs{ZoneSettings: ZoneSettings{Domain: "cluster.world"}}, func(z *Zone) {
		if len(z.Records) != 3 || z.Domain != "cluster.world" {
			t.Errorf("%s has %d records, want cluster.world with 3", z.Domain, len(z.Records))
		}
		z.NameServers.ApplyT(func(names []string) error {
			if len(names) != 2 || names[0] != "ns-cloud-a1.googledomains.com." {
				t.Errorf("name servers %v", names)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	made := r.Find(t, "zone-gcp")
	if got := made.Inputs["project"]; !got.IsString() || got.StringValue() != "ours" {
		t.Errorf("the provider's project is %v", got)
	}
	zones := r.OfType(typeZone)
	if got := zones["zone"].Inputs; got["dnsName"].StringValue() != "cluster.world." || got.HasValue("forceDestroy") || len(zones) != 1 {
		t.Errorf("zones %v", zones)
	}
	records := r.OfType(typeRecord)
	for name, want := range map[string][]string{
		"london":    {mockcloud.Address("london-1")},
		"frankfurt": {mockcloud.Address("frankfurt-1")},
		// Each node of the host serves it.
		"federation": {mockcloud.Address("frankfurt-1"), mockcloud.Address("frankfurt-2")},
	} {
		in := records["zone-"+name].Inputs
		if in["name"].StringValue() != name+".cluster.world." || in["type"].StringValue() != "A" || in["ttl"].NumberValue() != 60 ||
			in["managedZone"].StringValue() != "zone-1234567" || !slices.Equal(strs(in["rrdatas"]), want) {
			t.Errorf("%s: %v, want %v", name, in, want)
		}
	}
	if len(records) != 3 {
		t.Errorf("%d records, want 3", len(records))
	}
	// Names need addresses, not machines: they are known before.
	for _, machine := range []string{"london-1", "frankfurt-1", "frankfurt-2"} {
		if r.Needs("zone-federation", machine) {
			t.Errorf("the record waits for %s", machine)
		}
	}
}

func TestZoneInPreview(t *testing.T) {
	r, err := zone(true, nil, ZoneArgs{ZoneSettings: ZoneSettings{Domain: "cluster.world"}, Project: "other"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Find(t, "zone-gcp").Inputs["project"].StringValue(); got != "other" || len(r.OfType(typeRecord)) != 3 {
		t.Errorf("project %s, %d records", got, len(r.OfType(typeRecord)))
	}
}

func TestExistingZone(t *testing.T) {
	for _, test := range []struct{ domain, existing, want string }{
		{mockcloud.ExistingZone, "theirs", ""},
		{"hybrid." + mockcloud.ExistingZone, "theirs", ""},
		{"not" + mockcloud.ExistingZone, "theirs", `is that of "example.org."`},
		{"cluster.world", "theirs", `is that of "example.org."`},
		{mockcloud.ExistingZone, mockcloud.PrivateZone, "is private"},
	} {
		r, err := zone(false, nil, ZoneArgs{ZoneSettings: ZoneSettings{Domain: test.domain, Existing: test.existing}}, func(z *Zone) {
			z.NameServers.ApplyT(func(names []string) error {
				if !slices.Equal(names, []string{"ns-cloud-b1.googledomains.com."}) {
					t.Errorf("name servers %v", names)
				}
				return nil
			})
		})
		if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s in %s: found %v, want %q", test.domain, test.existing, err, test.want)
		}
		if zones := r.OfType(typeZone); len(zones) > 0 {
			t.Errorf("%s: made %v", test.domain, zones)
		}
		if records := r.OfType(typeRecord); test.want != "" && len(records) > 0 {
			t.Errorf("%s in %s: made %v", test.domain, test.existing, records)
		} else if in := records["zone-london"].Inputs; test.want == "" && (in["managedZone"].StringValue() != "theirs" || in["name"].StringValue() != "london."+test.domain+".") {
			t.Errorf("%s: record %v", test.domain, in)
		}
	}
}
