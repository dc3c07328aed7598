package gcp

import (
	"fmt"
	"math"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/dns"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

// text is a value of a TXT record: strings in quotes, of at most 255 characters, or
// one word.
var text = regexp.MustCompile(`^("[ !#-\[\]-~]{0,255}"( "[ !#-\[\]-~]{0,255}")*|[!#-:<-\[\]-~]{1,255})$`)

// recordTypes are those that the lab serves, and what their values look like.
var recordTypes = map[string]func(value string) bool{
	"A":     func(v string) bool { a, err := netip.ParseAddr(v); return err == nil && a.Is4() },
	"AAAA":  func(v string) bool { a, err := netip.ParseAddr(v); return err == nil && a.Is6() && a.Zone() == "" },
	"CNAME": func(v string) bool { return validName(v) && !strings.HasPrefix(v, "*") },
	"TXT":   text.MatchString,
}

func recordSet() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: dns.RecordSetArgs{}, Outputs: dns.RecordSet{},
			// Answers that depend on who asks are not simulated.
			Required:  []string{"rrdatas"},
			Supported: []string{"project", "ttl"},
			ForceNew:  []string{"managedZone", "name", "project"},
			Computed:  []string{"project"},
			Sets:      []string{"rrdatas"},
			Equal: func(at, a, b string) bool {
				return at == "managedZone" && path.Base(a) == path.Base(b)
			},
		},
		Check: checkRecordSet,
		Ready: withProject,
		Refs: func(p props) []cloud.Ref {
			return []cloud.Ref{{Property: "managedZone", Type: typeManagedZone, ID: homeOf(p), Weak: true}}
		},
		Place: placeRecordSet,
		Change: func(_ *cloud.Tx, o *cloud.Object, all props) (props, error) {
			return provider.Merge(all, props{"project": o.Props["project"], "managedZone": o.Props["managedZone"]}), nil
		},
	}
}

func checkRecordSet(_ *provider.Call, in props) failures {
	f := checkConfig(in)
	name, kind := provider.Str(in, "name"), provider.Str(in, "type")
	if provider.Known(in, "name") {
		if !strings.HasSuffix(name, ".") {
			f = append(f, provider.Failure("name", "%q (%q) doesn't end with %q, name field must end with trailing dot, for example test.example.com. (note the trailing dot)", "name", name, "."))
		} else if !validName(name) {
			f = append(f, provider.Failure("name", "invalid value for 'entity.change.additions[0].name': '%s'", name))
		}
	}
	if ttl := provider.Int(in, "ttl", 0); ttl < 0 || ttl > math.MaxInt32 {
		f = append(f, provider.Failure("ttl", "invalid value for 'entity.change.additions[0].ttl': '%d'", ttl))
	}
	if provider.Known(in, "rrdatas") && !provider.Filled(in, "rrdatas") {
		f = append(f, provider.Failure("rrdatas", "one of `routing_policy,rrdatas` must be specified"))
	}
	if !provider.Known(in, "type") {
		return f
	}
	valid, ok := recordTypes[kind]
	if !ok {
		return append(f, provider.Failure("type", "invalid value for 'entity.change.additions[0].type': '%s': the lab serves A, AAAA, CNAME and TXT", kind))
	}
	values := provider.Strs(in, "rrdatas")
	for i, v := range values {
		if !valid(v) {
			f = append(f, provider.Failure(fmt.Sprintf("rrdatas[%d]", i), "invalid value for 'entity.change.additions[0].rrdata[%d]': '%s' is no value of %s", i, v, kind))
		}
		if slices.Contains(values[:i], v) {
			f = append(f, provider.Failure(fmt.Sprintf("rrdatas[%d]", i), "invalid value for 'entity.change.additions[0].rrdata[%d]': '%s' is there twice", i, v))
		}
	}
	if kind == "CNAME" && len(values) > 1 {
		f = append(f, provider.Failure("rrdatas", "invalid value for 'entity.change.additions[0].rrdata': a CNAME has one value, found %d", len(values)))
	}
	return f
}

func placeRecordSet(tx *cloud.Tx, in props) (string, props, error) {
	home := tx.Get(typeManagedZone, homeOf(in)) // there is one: the references have been looked up
	name, kind := provider.Str(in, "name"), provider.Str(in, "type")
	domain := provider.Str(home.Props, "dnsName")
	if !strings.HasSuffix("."+name, "."+domain) {
		return "", nil, fmt.Errorf("googleapi: Error 400: invalid value for 'entity.change.additions[%s][%s].name': '%s': it is not in the zone's domain %s, invalid", name, kind, name, domain)
	}
	if kind == "CNAME" && name == domain { // where every zone has records of its own
		return "", nil, fmt.Errorf("googleapi: Error 400: the resource record set 'entity.change.additions[%s][CNAME]' is invalid because a zone's apex can't be a CNAME, cnameNotAllowedAtApex", name)
	}
	for _, other := range recordsOf(tx.State, home) {
		if provider.Str(other.Props, "name") != name {
			continue
		}
		switch was := provider.Str(other.Props, "type"); {
		case was == kind:
			return "", nil, fmt.Errorf("googleapi: Error 409: the resource 'entity.change.additions[%s][%s]' named '%s (%s)' already exists, alreadyExists", name, kind, name, kind)
		case was == "CNAME" || kind == "CNAME":
			return "", nil, fmt.Errorf("googleapi: Error 400: the resource record set 'entity.change.additions[%s][%s]' is invalid because the DNS name '%s' has a resource record set of the type '%s': a DNS name may have either one CNAME resource record set or resource record sets of other types, but not both, cnameResourceRecordSetConflict", name, kind, name, was)
		}
	}
	id := fmt.Sprintf("%s/rrsets/%s/%s", home.ID, name, kind)
	return id, provider.Merge(in, provider.From(map[string]any{"managedZone": path.Base(home.ID)})), nil
}
