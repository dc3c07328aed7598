package clouds

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// MaxNameLength bounds a cluster's name, in characters. Google's names are the
// shortest, 63 characters (RFC 1035), and must hold two clusters' names, where
// one lets the other in (see TestNamesFit), and the eight characters that Pulumi
// appends.
const MaxNameLength = 24

// MaxWorkers bounds the nodes of a cluster: the number in a node's name has at
// most three digits.
const MaxWorkers = 998

// maxRestore bounds how often a control plane is brought back.
const maxRestore = 1_000_000

// Settings say what one cluster is to be: an item of hybrid:clusters.
type Settings struct {
	// Mandatory.

	// Name is the prefix of all the cluster's resources, its Kubernetes name and its
	// kubeconfig's context: a label of RFC 1035, for Google takes nothing else.
	Name string `json:"name"`
	// Cloud is one of Clouds.
	Cloud string `json:"cloud"`
	// Region is the cloud's own name of a region, such as lon1.
	Region string `json:"region"`
	// NetworkCIDR holds the machines' private addresses, ServiceCIDR the cluster's
	// services.
	NetworkCIDR netip.Prefix `json:"networkCidr"`
	ServiceCIDR netip.Prefix `json:"serviceCidr"`

	// Defaulted, each cloud in its own way.

	// Zone is where in the region the machines run (AWS and GCE only).
	Zone string `json:"zone"`
	// ControlPlaneType and WorkerType are the cloud's names of machine types.
	ControlPlaneType string `json:"controlPlaneType"`
	WorkerType       string `json:"workerType"`
	// KubernetesVersion is the cluster's own, exact, such as v1.35.4; empty: that of all
	// clusters. So one cluster can be upgraded before the others.
	KubernetesVersion string `json:"kubernetesVersion"`
	// Image is what machines boot from: a slug, an AMI or an image family.
	Image string `json:"image"`

	// Optional.

	// Workers is the number of worker nodes, 1 to MaxWorkers.
	Workers int `json:"workers"`
	// FederationHost says that the federation's API is to be here.
	FederationHost bool `json:"federationHost"`
	// Replace allows a change of settings to end the cluster and make another one: see
	// Former.Check.
	Replace bool `json:"replace"`
	// Restore is counted up when the control plane's machine or disk is gone: another
	// machine takes its place, and goes on from the last snapshot of etcd.
	Restore int `json:"restore"`
	// Lost says that the cluster is gone for good: what can't be reached there is
	// forgotten. It leaves (see [Leave]), unless it hosts the federation.
	Lost bool `json:"lost"`
}

// DefaultSettings are what an item of hybrid:clusters leaves out.
func DefaultSettings() Settings { return Settings{Workers: 1} }

var (
	label = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	// Nodes are named <cluster>-<number>.
	numbered = regexp.MustCompile(`-[0-9]+$`)
)

// Problems says what is wrong with the settings of one cluster, one line for each.
// Ranges that couldn't be read are not valid, and have been noted before.
func (s Settings) Problems() []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	switch {
	case !label.MatchString(s.Name) || len(s.Name) > MaxNameLength:
		add("name is %q: expected at most %d of a-z, 0-9 and -, beginning with a letter, not ending in -", s.Name, MaxNameLength)
	case numbered.MatchString(s.Name):
		add("the name ends like a node's, in - and a number: choose another")
	}
	out = append(append(out, s.placeProblems()...), s.machineProblems()...)
	if s.Restore < 0 || s.Restore > maxRestore {
		add("restore is %d: expected 0 to %d, counted up by one when the control plane is gone", s.Restore, maxRestore)
	}
	if s.Workers < 1 || s.Workers > MaxWorkers {
		add("workers is %d: expected 1 to %d", s.Workers, MaxWorkers)
	} else if r := s.NetworkCIDR; r.IsValid() {
		if free := 1<<(32-r.Bits()) - reservedAddresses; s.Workers+1 > free {
			add("workers is %d: expected at most %d, for networkCidr %s has addresses for no more besides the control plane's, or a larger networkCidr", s.Workers, max(free-1, 0), r)
		}
	}
	// AWS takes /16 to /28, DigitalOcean /16 to /24.
	out = append(out, rangeProblems("networkCidr ", s.NetworkCIDR, 16, 24)...)
	if s.KubernetesVersion != "" {
		if problem := versionProblem(s.KubernetesVersion); problem != "" {
			add("kubernetesVersion: %s", problem)
		}
	}
	// The API server takes at most 20 bits of addresses.
	out = append(out, rangeProblems("serviceCidr ", s.ServiceCIDR, 12, 24)...)
	for _, r := range vendors[s.Cloud].reserved {
		if s.NetworkCIDR.IsValid() && r.Overlaps(s.NetworkCIDR) {
			add("networkCidr %s overlaps %s, which %s keeps for itself: choose another", s.NetworkCIDR, r, s.Cloud)
		}
	}
	return out
}

func (s Settings) placeProblems() []string {
	v, ok := vendors[s.Cloud]
	if !ok {
		return []string{fmt.Sprintf("cloud is %q: expected one of %s", s.Cloud, strings.Join(Clouds, ", "))}
	}
	var out []string
	known := v.region.MatchString(s.Region)
	if !known {
		out = append(out, fmt.Sprintf("region is %q: expected one of %s's, such as %s", s.Region, s.Cloud, v.regionLike))
	}
	if s.Zone == "" {
		return out
	}
	if v.zone == nil {
		return append(out, fmt.Sprintf("zone is %q: %s has regions only, leave it out", s.Zone, s.Cloud))
	}
	// Which zones a wrong region has can't be told.
	if suffix, ok := strings.CutPrefix(s.Zone, s.Region); known && (!ok || !v.zone.MatchString(suffix)) {
		out = append(out, fmt.Sprintf("zone is %q: expected a zone of region %s, such as %s%s", s.Zone, s.Region, s.Region, v.zoneLike))
	}
	return out
}

// machineProblems are about what the cloud must take: names, machine types, images.
func (s Settings) machineProblems() []string {
	v, ok := vendors[s.Cloud]
	if !ok {
		return nil
	}
	var out []string
	if v.name != nil && v.name.MatchString(s.Name) {
		out = append(out, fmt.Sprintf("name is %q: what begins so is %s's own, choose another", s.Name, s.Cloud))
	}
	for _, m := range []struct {
		key, name string
		least     size
	}{{"controlPlaneType", s.ControlPlaneType, leastControlPlane}, {"workerType", s.WorkerType, leastWorker}} {
		if m.name == "" {
			continue
		}
		if problem := v.machineProblem(m.name, m.least); problem != "" {
			out = append(out, fmt.Sprintf("%s is %q: %s", m.key, m.name, problem))
		}
	}
	if s.Image != "" {
		if problem := v.imageProblem(s.Image); problem != "" {
			out = append(out, fmt.Sprintf("image is %q: %s", s.Image, problem))
		}
	}
	return out
}

// private are the ranges of RFC 1918. DigitalOcean takes no others for networks.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
}

// rangeProblems says what is wrong with where a range is and how large. key is what
// the text begins with.
func rangeProblems(key string, r netip.Prefix, largest, smallest int) []string {
	if !r.IsValid() {
		return nil
	}
	var out []string
	if r.Bits() < largest || r.Bits() > smallest {
		out = append(out, fmt.Sprintf("%s%s: expected a size of /%d to /%d", key, r, largest, smallest))
	}
	if !slices.ContainsFunc(private, func(n netip.Prefix) bool { return n.Bits() <= r.Bits() && n.Contains(r.Addr()) }) {
		out = append(out, fmt.Sprintf("%s%s is no private range: choose one within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16", key, r))
	}
	return out
}
