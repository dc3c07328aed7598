package main

import (
	"fmt"
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
	p.AddAll("hybrid:mesh", s.Mesh.Problems(s.Clusters))
	p.AddAll("hybrid:zone", s.Zone.Problems(s.longestName()))
	p.AddAll("hybrid:federation", s.Federation.Problems())
	p.AddAll("hybrid:monitoring", s.Monitoring.Problems())
	if len(s.Clusters) == 0 {
		p.Add(clustersKey, "found no clusters: list at least one")
		return
	}
	for i, c := range s.Clusters {
		p.AddAll(subject(c), c.Problems())
		if problem := federation.NameProblem(c.Name, s.clusterNames(), s.Zone); problem != "" {
			p.Add(subject(c), "%s", problem)
		}
		if c.Name != "" && slices.Contains(s.clusterNames()[:i], c.Name) {
			p.Add(subject(c), "the name is there twice: give each cluster a name of its own")
		}
	}
	s.checkHost(p)
	s.checkRanges(p)
	p.AddAll("hybrid:postgres", s.Postgres.Problems(s.clusterNames()))
	data := ""
	if s.Postgres.Enabled {
		data = s.Postgres.Master
	}
	p.AddAll("hybrid:backup", s.Backup.Problems(s.Clusters, data))
	s.checkBackup(p)
}

// checkBackup notes what backups need that is in other settings.
func (s *Settings) checkBackup(p *settings.Problems) {
	if !s.Backup.Enabled {
		if s.Postgres.RestoreFrom.Bucket != "" {
			p.Add("hybrid:postgres", "restoreFrom needs hybrid:backup, which says in which cloud the bucket is, and hybrid:backupKey: switch backups on by enabled: true")
		}
		return
	}
	if s.BackupKey == nil {
		p.Add("hybrid:backupKey", `missing: who has lost it has lost the backups, so it must outlive the stack. Choose one by pulumi config set --secret backupKey "$(openssl rand -base64 32)", and keep a copy elsewhere`)
	}
	access := map[string]bool{"hybrid:backupAccessKey": s.BackupAccessKey != nil, "hybrid:backupSecretKey": s.BackupSecretKey != nil}
	for _, key := range slices.Sorted(maps.Keys(access)) {
		if s.Backup.Endpoint != "" && !access[key] {
			p.Add(key, "missing: hybrid:backup's endpoint is entered by it")
		}
	}
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

// use is what a range of addresses is for.
type use struct {
	subject, key string
	r            netip.Prefix
}

func (u use) String() string { return fmt.Sprintf("%s%s of %s", u.key, u.r, u.subject) }

// uses are all ranges of the settings that are known.
func (s *Settings) uses() []use {
	all := []use{{"hybrid:podCidr", "", s.PodCIDR}}
	for _, c := range s.Clusters {
		all = append(all, use{subject(c), "networkCidr ", c.NetworkCIDR}, use{subject(c), "serviceCidr ", c.ServiceCIDR})
	}
	return slices.DeleteFunc(all, func(u use) bool { return !u.r.IsValid() })
}

// anchors are the ranges that machines have a route to beside those of the settings.
func (s *Settings) anchors() []use {
	var all []use
	for _, c := range s.Clusters {
		if c.Cloud != clouds.DigitalOcean {
			continue
		}
		if r, ok := clouds.AnchorRange(c.Region); ok {
			all = append(all, use{subject(c), "the anchor addresses ", r})
		}
	}
	return all
}

// checkRanges compares all ranges. Those of different clusters must differ
// too: the mesh joins the clusters, and then an address must mean one thing.
func (s *Settings) checkRanges(p *settings.Problems) {
	uses, anchors := s.uses(), s.anchors()
	for i, a := range uses {
		for _, b := range append(uses[:i:i], anchors...) {
			if a.r.Overlaps(b.r) {
				p.Add(a.subject, "%s%s overlaps %s: choose a range of its own", a.key, a.r, b)
			}
		}
	}
	all := append(uses, anchors...)
	for _, r := range s.AdminCIDRs {
		if i := slices.IndexFunc(all, func(u use) bool { return r.IsValid() && u.r.Overlaps(r) }); i >= 0 {
			p.Add("hybrid:adminCidrs", "%s overlaps %s, where answers would go instead: list the addresses by which you are seen outside", r, all[i])
		}
	}
	mirrors := s.MirrorAddresses()
	for _, key := range slices.Sorted(maps.Keys(mirrors)) {
		if i := slices.IndexFunc(all, func(u use) bool { return u.r.Contains(mirrors[key]) }); i >= 0 {
			p.Add(namespace+":"+key, "%s is within %s, where machines would look for it: expected an address outside", mirrors[key], all[i])
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
