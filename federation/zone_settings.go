package federation

import (
	"fmt"
	"regexp"
	"strings"
)

// ZoneSettings are hybrid:zone.
type ZoneSettings struct {
	// Enabled says that there are names at all.
	Enabled bool `json:"enabled"`
	// Domain is what all names end in, without a dot at its end. It has no default: it
	// must belong to the user who makes the zone.
	Domain string `json:"domain"`
	// Existing is the name of a managed zone that the records go into. It belongs to
	// others, and stays. If it is empty, a zone is made.
	Existing string `json:"existing"`
}

// DefaultZoneSettings are what hybrid:zone leaves out.
func DefaultZoneSettings() ZoneSettings { return ZoneSettings{Enabled: true} }

// longestName is the most characters of a name in the DNS (RFC 1035, with the dots
// between its labels).
const longestName = 253

// clusterDomain is the suffix of services within a cluster: each cluster's own name
// server answers for it.
const clusterDomain = "cluster.local"

var (
	// Labels of RFC 1123, in lower case, as certificates have them.
	domainName = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
	// As the DNS API of Google has it.
	zoneName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// Problems says what is wrong with the settings, one line for each. The zone is to have
// a name for each cluster; longest is the length of the longest cluster's name.
func (z ZoneSettings) Problems(longest int) []string {
	if !z.Enabled {
		return nil
	}
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	longest = max(longest, len(RecordName))
	switch {
	case z.Domain == "":
		add("domain missing: set it to a domain of your own, such as clusters.example.org, or do without names by enabled: false")
	case !domainName.MatchString(z.Domain):
		add("domain is %q: expected a domain of two labels or more, such as clusters.example.org: a-z, 0-9 and - between dots, none of them at its end", z.Domain)
	case strings.HasSuffix("."+z.Domain, "."+clusterDomain):
		add("domain is %q: in %s each cluster has names of its own, choose another", z.Domain, clusterDomain)
	case longest+1+len(z.Domain) > longestName:
		add("domain has %d characters: expected at most %d, for with a cluster's name before it a name in the DNS has at most %d", len(z.Domain), longestName-longest-1, longestName)
	}
	if z.Existing != "" && !zoneName.MatchString(z.Existing) {
		add("existing is %q: expected the name of a managed zone (not its domain), such as my-zone", z.Existing)
	}
	return out
}
