package clouds

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The vendors' quotas of an account that has asked for no more.
const (
	// https://docs.digitalocean.com/products/networking/reserved-ips/details/limits/
	digitalOceanAddresses = 3 // in the account
	// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
	awsAddresses = 5  // in a region
	awsNetworks  = 5  // in a region
	awsRules     = 60 // of a security group, from outside
	// https://cloud.google.com/compute/resource-usage
	gceAddresses = 8 // in a region of a project
)

// Quotas warns of each quota that the clusters exceed. An account may have been granted
// more, or hold other things; where it doesn't suffice, an update fails half-way.
// admins is the number of administrators' ranges.
func Quotas(clusters []Settings, admins int) []string {
	var out []string
	exceeds := func(what string, n, quota int) {
		if n > quota {
			out = append(out, fmt.Sprintf("%s: %d are needed, and an account has %d unless it was granted more: see that it was", what, n, quota))
		}
	}
	// An account has one quota on DigitalOcean, and one in each region elsewhere.
	type scope struct{ cloud, region string }
	addresses, networks := map[scope]int{}, map[scope]int{}
	for _, c := range clusters {
		where := scope{c.Cloud, c.Region}
		if c.Cloud == DigitalOcean {
			where.region = "all regions"
		}
		addresses[where] += 1 + c.Workers
		networks[where]++
	}
	quota := map[string]int{DigitalOcean: digitalOceanAddresses, AWS: awsAddresses, GCE: gceAddresses}
	byName := func(a, b scope) int { return strings.Compare(a.cloud+a.region, b.cloud+b.region) }
	for _, where := range slices.SortedFunc(maps.Keys(addresses), byName) {
		name := where.cloud + " in " + where.region
		exceeds("static addresses on "+name, addresses[where], quota[where.cloud])
		if where.cloud == AWS {
			exceeds("VPCs on "+name, networks[where], awsNetworks)
		}
	}
	for i, c := range clusters {
		if c.Cloud == AWS {
			exceeds(fmt.Sprintf("rules of the security group of cluster %q", c.Name), rules(i, clusters, admins), awsRules)
		}
	}
	return out
}

// rules is how many a cluster needs where each source takes one.
func rules(of int, clusters []Settings, admins int) int {
	n := 0
	for _, r := range ClusterRules(clusters[of].FederationHost) {
		if r.From == FromAdmins {
			n += admins
		} else {
			n++
		}
	}
	for i, peer := range clusters {
		if i != of {
			n += (1 + peer.Workers) * len(PeerRules(clusters[of].FederationHost, peer.FederationHost))
		}
	}
	return n
}
