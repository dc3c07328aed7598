package digitalocean

import (
	"net/netip"
	"strings"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

// leaseAnchor gives a droplet an address of its region's range of anchors. What it
// holds is found again by anchor. In a network that overlaps the range no droplet
// could reach all of its neighbors.
func leaseAnchor(tx *cloud.Tx, region string, network netip.Prefix, droplet string) error {
	pool := anchorsOf(region)
	if pool.Overlaps(network) {
		return apiError(422, "the VPC's range %s overlaps the anchor addresses of %s, %s: the lab makes no droplet that can't reach its neighbors", network, region, pool)
	}
	const reserved = 5 // the network, gateways
	if _, err := tx.LeasePrivate(anchorKey(region), pool, reserved, "", droplet); err != nil {
		return apiError(422, "%w", err)
	}
	return nil
}

// anchor is a droplet's anchor address with its range, or the zero Prefix of one that
// an older lab has made.
func anchor(s *cloud.State, droplet *cloud.Object) netip.Prefix {
	region := provider.Str(droplet.Props, "region")
	for lease, holder := range s.Leases {
		text, ours := strings.CutPrefix(lease, anchorKey(region)+"/")
		if a, err := netip.ParseAddr(text); ours && err == nil && holder == droplet.ID {
			return netip.PrefixFrom(a, anchorsOf(region).Bits())
		}
	}
	return netip.Prefix{}
}

func anchorsOf(region string) netip.Prefix {
	if p, ok := anchors[region]; ok {
		return p
	}
	return otherAnchors
}

func anchorKey(region string) string { return "anchors of " + region }
