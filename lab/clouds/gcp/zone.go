package gcp

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/dns"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/zones"
)

const (
	typeManagedZone = "gcp:dns/managedZone:ManagedZone"
	typeRecordSet   = "gcp:dns/recordSet:RecordSet"
	getManagedZone  = "gcp:dns/getManagedZone:getManagedZone"
)

// dnsName is a name of the DNS in full, with its last dot. Labels may begin with
// underscores, as those of services do, and the first be a wildcard.
var dnsName = regexp.MustCompile(`^(\*\.)?([a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?\.)+$`)

// longestName is the most characters of such a name, with the last dot.
const longestName = 254

func managedZone() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: dns.ManagedZoneArgs{}, Outputs: dns.ManagedZone{}, Name: "name",
			// The lab signs nothing, and has no zones for single networks.
			Supported: []string{"description", "forceDestroy", "labels", "name", "project", "visibility"},
			ForceNew:  []string{"dnsName", "name", "project", "visibility"},
			Computed:  []string{"cloudLoggingConfig", "project"},
			Defaults:  map[string]any{"description": "Managed by Pulumi", "forceDestroy": false, "visibility": "public"},
		},
		Check: func(_ *provider.Call, in props) failures {
			f := append(checkCommon(in), oneOf(in, "visibility", "public")...)
			if name := provider.Str(in, "dnsName"); provider.Known(in, "dnsName") && !validName(name) {
				f = append(f, provider.Failure("dnsName", "invalid value for 'entity.managedZone.dnsName': '%s': must be a domain that ends in a dot, such as example.com.", name))
			}
			return f
		},
		Ready: withProject,
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			project, err := setting(tx.Config, in, "project")
			if err != nil {
				return "", nil, err
			}
			id := zoneID(project, provider.Str(in, "name"))
			number := tx.NewNumber(4_000_000)
			return id, provider.Merge(in, zoneLabels(in), provider.From(map[string]any{
				"project": project, "managedZoneId": strconv.Itoa(number), "nameServers": nameServers(number),
				"creationTime": created, "cloudLoggingConfig": map[string]any{"enableLogging": false},
			})), place(tx, typeManagedZone, id)
		},
		Change: func(_ *cloud.Tx, _ *cloud.Object, all props) (props, error) {
			return provider.Merge(all, zoneLabels(all)), nil
		},
		// Records don't hold on to their zone: whether they keep it is for the zone to say.
		Blocks: func(s *cloud.State, o *cloud.Object) []*cloud.Object {
			if provider.Bool(o.Props, "forceDestroy", false) {
				return nil
			}
			return recordsOf(s, o)
		},
		Leave: func(tx *cloud.Tx, o *cloud.Object) error {
			for _, r := range recordsOf(tx.State, o) {
				delete(tx.Objects, r.ID)
			}
			return nil
		},
	}
}

// validName says whether a name is one in the DNS, written in full.
func validName(name string) bool { return len(name) <= longestName && dnsName.MatchString(name) }

func zoneID(project, name string) string {
	return fmt.Sprintf("projects/%s/managedZones/%s", project, name)
}

// zoneLabels is labels without the fingerprint, which zones don't have.
func zoneLabels(p props) props {
	out := labels(p)
	delete(out, "labelFingerprint")
	return out
}

// nameServers are four of a group, of which Google has five.
func nameServers(number int) []any {
	var out []any
	for i := range 4 {
		out = append(out, fmt.Sprintf("ns-cloud-%c%d.googledomains.com.", 'a'+number%5, i+1))
	}
	return out
}

// lookupZone is the function that finds a zone by its name.
func lookupZone(c *cloud.Cloud) func(call *provider.Call, in props) (props, error) {
	return func(call *provider.Call, in props) (out props, err error) {
		project, err := setting(call.Config, in, "project")
		if err != nil {
			return nil, err
		}
		err = c.View(func(s *cloud.State) error {
			id := zoneID(project, provider.Str(in, "name"))
			o := s.Get(typeManagedZone, id)
			if o == nil {
				return errors.New("googleapi: Error 404: " + notFound(id))
			}
			out = provider.From(map[string]any{"id": id})
			for _, k := range []resource.PropertyKey{"description", "dnsName", "managedZoneId", "name", "nameServers", "project", "visibility"} {
				out[k] = o.Props[k]
			}
			return nil
		})
		return out, err
	}
}

// publishZones writes the zones for the name server. Of several zones of one domain it
// has the oldest: to whose name servers the domain is delegated is no business
// here, and it would be those of the first.
func publishZones(s *cloud.State, dir string) error {
	all := s.All(typeManagedZone)
	slices.SortFunc(all, func(a, b *cloud.Object) int {
		return cmp.Compare(provider.Str(a.Props, "managedZoneId"), provider.Str(b.Props, "managedZoneId"))
	})
	var out []zones.Zone
	for _, o := range all {
		z := zones.Zone{Domain: provider.Str(o.Props, "dnsName"), NameServers: provider.Strs(o.Props, "nameServers")}
		if slices.ContainsFunc(out, func(other zones.Zone) bool { return other.Domain == z.Domain }) {
			continue
		}
		for _, r := range recordsOf(s, o) {
			z.Records = append(z.Records, zones.Record{
				Name: provider.Str(r.Props, "name"), Type: provider.Str(r.Props, "type"),
				TTL: provider.Int(r.Props, "ttl", 0), Data: provider.Strs(r.Props, "rrdatas"),
			})
		}
		out = append(out, z)
	}
	return zones.Write(filepath.Join(dir, zones.Folder), out)
}

// recordsOf are a zone's records, but for those that every zone has.
func recordsOf(s *cloud.State, zone *cloud.Object) []*cloud.Object {
	return slices.DeleteFunc(s.All(typeRecordSet), func(r *cloud.Object) bool { return homeOf(r.Props) != zone.ID })
}

// homeOf is the ID of a record's zone. Programs have names and IDs.
func homeOf(p props) string {
	return zoneID(provider.Str(p, "project"), path.Base(provider.Str(p, "managedZone")))
}
