package main

import (
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"hybrid/clouds"
	"hybrid/federation"
	"hybrid/internal/settings"
)

// validate notes what is wrong: with the settings of each package, and with what
// goes across them.
func (s *Settings) validate(p *settings.Problems) {
	shared := s.Shared.Problems()
	for _, key := range slices.Sorted(maps.Keys(shared)) {
		p.AddAll(namespace+":"+key, shared[key])
	}
	p.AddAll("hybrid:mesh", s.Mesh.Problems())
	p.AddAll("hybrid:zone", s.Zone.Problems(s.longestName()))
	p.AddAll("hybrid:federation", s.Federation.Problems())
	if len(s.Clusters) == 0 {
		p.Add(clustersKey, "found no clusters: list at least one")
		return
	}
	for i, c := range s.Clusters {
		p.AddAll(subject(c), c.Problems())
		if problem := federation.NameProblem(c.Name, s.Zone); problem != "" {
			p.Add(subject(c), "%s", problem)
		}
		if c.Name != "" && slices.Contains(s.clusterNames()[:i], c.Name) {
			p.Add(subject(c), "the name is there twice: give each cluster a name of its own")
		}
	}
	s.checkHost(p)
	s.checkOverlaps(p)
	p.AddAll("hybrid:postgres", s.Postgres.Problems(s.clusterNames()))
}

// longestName is the length of the longest name of a cluster, as far as it can be one.
func (s *Settings) longestName() int {
	longest := 0
	for _, name := range s.clusterNames() {
		if len(name) <= clouds.MaxNameLength {
			longest = max(longest, len(name))
		}
	}
	return longest
}

// checkHost notes unless exactly one cluster hosts the federation.
func (s *Settings) checkHost(p *settings.Problems) {
	var hosts []string
	for _, c := range s.Clusters {
		if c.FederationHost {
			hosts = append(hosts, c.Name)
		}
	}
	if len(hosts) == 0 {
		p.Add(clustersKey, "no cluster hosts the federation: set federationHost: true for one of %s", strings.Join(s.clusterNames(), ", "))
	} else if len(hosts) > 1 {
		p.Add(clustersKey, "%s are to host the federation: set federationHost: true for one of them only", strings.Join(hosts, " and "))
	}
}

// checkOverlaps compares all ranges. Those of different clusters must differ
// too: the mesh joins the clusters, and then an address must mean one thing.
func (s *Settings) checkOverlaps(p *settings.Problems) {
	type use struct {
		subject, key string
		r            netip.Prefix
	}
	uses := []use{{"hybrid:podCidr", "", s.PodCIDR}}
	for _, c := range s.Clusters {
		uses = append(uses, use{subject(c), "networkCidr ", c.NetworkCIDR}, use{subject(c), "serviceCidr ", c.ServiceCIDR})
	}
	for i, a := range uses {
		for _, b := range uses[:i] {
			if a.r.IsValid() && b.r.IsValid() && a.r.Overlaps(b.r) {
				p.Add(a.subject, "%s%s overlaps %s%s of %s: choose a range of its own", a.key, a.r, b.key, b.r, b.subject)
			}
		}
	}
}

// projectVariables are where Google's provider looks for a project.
var projectVariables = []string{"GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"}

// projectKey is Google's own setting.
const projectKey = "gcp:project"

// checkProject notes a missing project: Google's provider would find that out
// only when the other clouds' resources are being made already.
func (s *Settings) checkProject(get func(string) string, p *settings.Problems) {
	set := func(name string) bool { return os.Getenv(name) != "" }
	if get(projectKey) != "" || slices.ContainsFunc(projectVariables, set) {
		return
	}
	if slices.ContainsFunc(s.Clusters, func(c clouds.Settings) bool { return c.Cloud == clouds.GCE }) {
		p.Add(projectKey, "missing: set it to the ID of the Google Cloud project that the clusters on gce shall be in")
	} else if s.Zone.Enabled {
		p.Add(projectKey, "missing: set it to the ID of the Google Cloud project that the zone shall be in, or switch the zone off by hybrid:zone's enabled: false")
	}
}
