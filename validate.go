package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"hybrid/clouds"
	"hybrid/federation"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

var (
	// RFC 1035 labels: Google takes nothing else.
	label = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	// Nodes are named <cluster>-<number>.
	numbered = regexp.MustCompile(`-[0-9]+$`)
	// The newest Kubernetes that the federation supports and that runs on
	// containerd 1.x.
	version = regexp.MustCompile(`^v1\.35\.(0|[1-9][0-9]*)$`)
)

// places says what regions and zones look like on each cloud.
var places = map[string]struct {
	region, zone           *regexp.Regexp
	regionLike, zoneSuffix string
}{
	clouds.DigitalOcean: {region: regexp.MustCompile(`^[a-z]{3}[0-9]$`), regionLike: "lon1"},
	clouds.AWS:          {regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`), regexp.MustCompile(`^[a-z]$`), "eu-central-1", "a"},
	clouds.GCE:          {regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]+$`), regexp.MustCompile(`^-[a-z]$`), "us-west1", "-b"},
}

// private are the ranges of RFC 1918. DigitalOcean takes no others for networks.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
}

// reservedAddresses are not for machines: the most that a vendor keeps of a network, AWS,
// which has the first four and the last, see
// https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html.
const reservedAddresses = 5

// digitalOceanReserved are DigitalOcean's own, see
// https://docs.digitalocean.com/products/networking/vpc/details/limits/.
var digitalOceanReserved = []netip.Prefix{
	netip.MustParsePrefix("10.229.0.0/16"), netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("10.245.0.0/16"), netip.MustParsePrefix("10.246.0.0/24"),
}

// validate notes everything that is wrong.
func (s *Settings) validate(p *problems) {
	checkProviderSettings(configKeys(), p)
	s.validateGlobals(p)
	if len(s.Clusters) == 0 {
		p.add("hybrid:clusters", "found no clusters: list at least one")
		return
	}
	var names, hosts []string
	for _, c := range s.Clusters {
		c.validate(p)
		if c.Name != "" && slices.Contains(names, c.Name) {
			p.add(c.subject(), "the name is there twice: give each cluster a name of its own")
		}
		names = append(names, c.Name)
		if c.FederationHost {
			hosts = append(hosts, c.Name)
		}
	}
	switch len(hosts) {
	case 0:
		p.add("hybrid:clusters", "no cluster hosts the federation: set federationHost: true for one of %s", strings.Join(names, ", "))
	case 1:
	default:
		p.add("hybrid:clusters", "%s are to host the federation: set federationHost: true for one of them only", strings.Join(hosts, " and "))
	}
	s.validateOverlaps(p)
	s.validatePostgres(p)
}

func (s *Settings) validateGlobals(p *problems) {
	if !version.MatchString(s.KubernetesVersion) {
		p.add("hybrid:kubernetesVersion", "found %q: expected an exact version of 1.35, such as v1.35.4", s.KubernetesVersion)
	}
	checkRange(s.PodCIDR, 8, 20, "", "hybrid:podCidr", p)
	if len(s.AdminCIDRs) == 0 {
		p.add("hybrid:adminCidrs", "found none, so nobody could reach the clusters: list the networks that you come from, such as 198.51.100.7/32")
	}
	for i, r := range s.AdminCIDRs {
		if !r.IsValid() {
			continue
		}
		if r.Bits() == 0 {
			p.add("hybrid:adminCidrs", "%s opens SSH and the Kubernetes API to everybody: list the networks that you come from", r)
		}
		if slices.Contains(s.AdminCIDRs[:i], r) {
			p.add("hybrid:adminCidrs", "%s is there twice: remove one", r)
		}
	}
	if s.RegistryMirror != "" && !mirrorURL(s.RegistryMirror) {
		p.add("hybrid:registryMirror", "found %q: expected http:// or https://, a host and perhaps a port, nothing else, such as https://registry.example.org:5000", s.RegistryMirror)
	}
	s.validateMesh(p)
	s.validateZone(p)
	s.validateFederation(p)
	for _, problem := range s.Kubeadm.Problems() {
		p.add("hybrid:kubeadm", "%s", problem)
	}
}

// A reference of a container image, with tag or digest or both: what has neither
// means another image tomorrow.
var imageReference = regexp.MustCompile(`^[a-z0-9]+([._:/-][a-zA-Z0-9]+)*(:[\w][\w.-]*|@sha256:[0-9a-f]{64})$`)

func (s *Settings) validateMesh(p *problems) {
	if !imageReference.MatchString(s.Mesh.Image) || strings.HasSuffix(s.Mesh.Image, ":latest") {
		p.add("hybrid:mesh", "image is %q: expected a name with a version or digest, such as %s", s.Mesh.Image, defaultMeshImage)
	}
	// RFC 791's least, and what an IPv4 packet can hold.
	if s.Mesh.MTU < 576 || s.Mesh.MTU > 65535 {
		p.add("hybrid:mesh", "mtu is %d: expected 576 to 65535", s.Mesh.MTU)
	}
	// It is an environment variable of a shell script, and the key of everything
	// that goes between the clouds. Never quote it.
	if n := len(s.WeavePassword); n > 0 && (n < minPassword || strings.ContainsFunc(s.WeavePassword, unprintable)) {
		p.add(passwordKey, "found %d characters: expected at least %d of printable ASCII without spaces, or none at all to have one generated", n, minPassword)
	}
}

func unprintable(r rune) bool { return r <= ' ' || r > '~' }

func (s *Settings) validateFederation(p *problems) {
	const at = "hybrid:federation"
	f := s.Federation
	// Each is a program on the host's machines; more than five help nobody.
	if f.Replicas < 1 || f.Replicas > 5 {
		p.add(at, "replicas is %d: expected 1 to 5", f.Replicas)
	}
	// The authorities live for ten years.
	if f.CertificateHours < 1 || f.CertificateHours > 5*defaultCertificateHours {
		p.add(at, "certificateHours is %d: expected 1 to %d, five years", f.CertificateHours, 5*defaultCertificateHours)
	}
	// If they are the same, every update renews all of them.
	if f.RenewHours < 0 || f.RenewHours > f.CertificateHours {
		p.add(at, "renewHours is %d: expected 0 to certificateHours, which is %d", f.RenewHours, f.CertificateHours)
	}
	if f.GraceSeconds < 0 || f.GraceSeconds > 600 {
		p.add(at, "graceSeconds is %d: expected 0 to 600", f.GraceSeconds)
	}
	if f.StorageClass != "" && !storageClass.MatchString(f.StorageClass) {
		p.add(at, "storageClass is %q: expected the name of one of the host's storage classes, or none to keep etcd's data in a folder of the host's control plane", f.StorageClass)
	}
	for _, arg := range f.EtcdArgs {
		if !etcdArg.MatchString(arg) {
			p.add(at, "etcdArgs has %q: expected --name=value", arg)
		}
	}
	// It is in a file of commas and quotes, and in HTTP headers. Never quote it.
	if n := len(s.FederationToken); n > 0 && (n < minPassword || strings.ContainsFunc(s.FederationToken, unprintable) || strings.ContainsAny(s.FederationToken, `,"`)) {
		p.add(tokenKey, "found %d characters: expected at least %d of printable ASCII without spaces, commas and quotes, or none at all to have one generated", n, minPassword)
	}
}

var (
	// RFC 1123 subdomains.
	storageClass = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	etcdArg      = regexp.MustCompile(`^--[a-z0-9-]+=.+$`)
)

// minPassword is the least length of a password that nobody guesses off line.
const minPassword = 16

// checkSecrets notes what is kept in the clear and must not be.
func checkSecrets(secret func(key string) bool, get func(string) string, p *problems) {
	keys := []string{passwordKey, tokenKey, postgresPasswordKey, replicationPasswordKey}
	for _, s := range clouds.ProviderSettings {
		if s.Secret {
			keys = append(keys, s.Key)
		}
	}
	for _, key := range keys {
		if get(key) != "" && !secret(key) {
			p.add(key, "it is in the stack's file in the clear: choose another and set it by pulumi config set --secret %s", strings.TrimPrefix(key, "hybrid:"))
		}
	}
}

// configKeys are the keys of the stack's whole config. Pulumi's library answers for
// single keys only, out of this.
func configKeys() []string {
	var config map[string]string
	if err := json.Unmarshal([]byte(os.Getenv(pulumi.EnvConfig)), &config); err != nil {
		return nil // a unit test: Pulumi always has one
	}
	return slices.Sorted(maps.Keys(config))
}

// checkProviderSettings notes settings of the vendors' own namespaces that no provider
// is given: who has set a role means another account than the one that would be used.
func checkProviderSettings(keys []string, p *problems) {
	supported := map[string][]string{}
	for _, s := range clouds.ProviderSettings {
		namespace, _, _ := strings.Cut(s.Key, ":")
		supported[namespace] = append(supported[namespace], s.Key)
	}
	for _, key := range keys {
		namespace, _, _ := strings.Cut(key, ":")
		if known := supported[namespace]; known != nil && !slices.Contains(known, key) {
			p.add(key, "it is not passed on to the clusters' providers: remove it, and use a profile or your environment; supported are %s", strings.Join(known, ", "))
		}
	}
}

func mirrorURL(text string) bool {
	u, err := url.Parse(text)
	// Whatever else a URL may hold gets lost when it is put together again.
	// Quotes and backslashes can't be in a host, so it is safe in a TOML file.
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		text == u.Scheme+"://"+u.Host && !strings.ContainsAny(u.Host, "\"'\\ ")
}

func (c ClusterSettings) subject() string { return fmt.Sprintf("cluster %q", c.Name) }

func (c ClusterSettings) validate(p *problems) {
	at := c.subject()
	switch {
	case !label.MatchString(c.Name) || len(c.Name) > clouds.MaxNameLength:
		p.add(at, "name is %q: expected at most %d of a-z, 0-9 and -, beginning with a letter, not ending in -", c.Name, clouds.MaxNameLength)
	case numbered.MatchString(c.Name):
		p.add(at, "the name ends like a node's, in - and a number: choose another")
	case c.Name == federation.Context:
		p.add(at, "the name belongs to the federation's own API: choose another")
	}
	c.validatePlace(p)
	if c.Workers < 1 || c.Workers > clouds.MaxWorkers {
		p.add(at, "workers is %d: expected 1 to %d", c.Workers, clouds.MaxWorkers)
	} else if r := c.NetworkCIDR; r.IsValid() {
		if free := 1<<(32-r.Bits()) - reservedAddresses; c.Workers+1 > free {
			p.add(at, "workers is %d: expected at most %d, for networkCidr %s has addresses for no more besides the control plane's, or a larger networkCidr", c.Workers, max(free-1, 0), r)
		}
	}
	// AWS takes /16 to /28, DigitalOcean /16 to /24.
	checkRange(c.NetworkCIDR, 16, 24, "networkCidr ", at, p)
	// The API server takes at most 20 bits of addresses.
	checkRange(c.ServiceCIDR, 12, 24, "serviceCidr ", at, p)
	if c.Cloud == clouds.DigitalOcean {
		for _, r := range digitalOceanReserved {
			if c.NetworkCIDR.IsValid() && r.Overlaps(c.NetworkCIDR) {
				p.add(at, "networkCidr %s overlaps %s, which DigitalOcean keeps for itself: choose another", c.NetworkCIDR, r)
			}
		}
	}
}

func (c ClusterSettings) validatePlace(p *problems) {
	place, ok := places[c.Cloud]
	if !ok {
		p.add(c.subject(), "cloud is %q: expected one of %s", c.Cloud, strings.Join(clouds.Names, ", "))
		return
	}
	known := place.region.MatchString(c.Region)
	if !known {
		p.add(c.subject(), "region is %q: expected one of %s's, such as %s", c.Region, c.Cloud, place.regionLike)
	}
	if c.Zone == "" {
		return
	}
	if place.zone == nil {
		p.add(c.subject(), "zone is %q: %s has regions only, leave it out", c.Zone, c.Cloud)
	} else if suffix, ok := strings.CutPrefix(c.Zone, c.Region); known && (!ok || !place.zone.MatchString(suffix)) {
		// Which zones a wrong region has, nobody knows.
		p.add(c.subject(), "zone is %q: expected a zone of region %s, such as %s%s", c.Zone, c.Region, c.Region, place.zoneSuffix)
	}
}

// checkRange checks where a range is and how large. Invalid ones have been
// noted when they were read.
func checkRange(r netip.Prefix, largest, smallest int, key, subject string, p *problems) {
	if !r.IsValid() {
		return
	}
	if r.Bits() < largest || r.Bits() > smallest {
		p.add(subject, "%s%s: expected a size of /%d to /%d", key, r, largest, smallest)
	}
	if !slices.ContainsFunc(private, func(n netip.Prefix) bool { return n.Bits() <= r.Bits() && n.Contains(r.Addr()) }) {
		p.add(subject, "%s%s is no private range: choose one within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16", key, r)
	}
}

// validateOverlaps compares all ranges. Those of different clusters must differ
// too: the mesh joins the clusters, and then an address must mean one thing.
func (s *Settings) validateOverlaps(p *problems) {
	type use struct {
		subject, key string
		r            netip.Prefix
	}
	uses := []use{{"hybrid:podCidr", "", s.PodCIDR}}
	for _, c := range s.Clusters {
		uses = append(uses, use{c.subject(), "networkCidr ", c.NetworkCIDR}, use{c.subject(), "serviceCidr ", c.ServiceCIDR})
	}
	for i, a := range uses {
		for _, b := range uses[:i] {
			if a.r.IsValid() && b.r.IsValid() && a.r.Overlaps(b.r) {
				p.add(a.subject, "%s%s overlaps %s%s of %s: choose a range of its own", a.key, a.r, b.key, b.r, b.subject)
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
func checkProject(s *Settings, get func(string) string, p *problems) {
	set := func(name string) bool { return os.Getenv(name) != "" }
	if get(projectKey) != "" || slices.ContainsFunc(projectVariables, set) {
		return
	}
	if slices.ContainsFunc(s.Clusters, func(c ClusterSettings) bool { return c.Cloud == clouds.GCE }) {
		p.add(projectKey, "missing: set it to the ID of the Google Cloud project that the clusters on gce shall be in")
	} else if s.Zone.Enabled {
		p.add(projectKey, "missing: set it to the ID of the Google Cloud project that the zone shall be in, or switch the zone off by hybrid:zone's enabled: false")
	}
}

// longestName is the most characters of a name in the DNS (RFC 1035, with the dots
// between its labels).
const longestName = 253

var (
	// Labels of RFC 1123, in lower case, as certificates have them.
	domainName = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
	// As the DNS API of Google has it.
	zoneName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// clusterDomain is the suffix of services within a cluster: each cluster's own name
// server answers for it.
const clusterDomain = "cluster.local"

func (s *Settings) validateZone(p *problems) {
	z := s.Zone
	if !z.Enabled {
		return
	}
	const key = "hybrid:zone"
	switch {
	case !domainName.MatchString(z.Domain):
		p.add(key, "domain is %q: expected a domain of two labels or more, such as %s: a-z, 0-9 and - between dots, none of them at its end", z.Domain, defaultDomain)
	case strings.HasSuffix("."+z.Domain, "."+clusterDomain):
		p.add(key, "domain is %q: in %s each cluster has names of its own, choose another", z.Domain, clusterDomain)
	default:
		longest := federation.RecordName
		for _, c := range s.Clusters {
			if len(c.Name) > len(longest) && len(c.Name) <= clouds.MaxNameLength {
				longest = c.Name
			}
		}
		if n := len(longest + "." + z.Domain); n > longestName {
			p.add(key, "domain has %d characters, so that the name of %s in it has %d: expected a domain of at most %d", len(z.Domain), longest, n, longestName-len(longest)-1)
		}
	}
	if z.Existing != "" && !zoneName.MatchString(z.Existing) {
		p.add(key, "existing is %q: expected the name of a managed zone (not its domain), such as my-zone", z.Existing)
	}
	for _, c := range s.Clusters {
		if c.Name == federation.RecordName {
			p.add(c.subject(), "%s.%s is the name of the federation's API: choose another name, or switch the zone off", c.Name, z.Domain)
		}
	}
}
