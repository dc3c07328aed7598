package clouds

import (
	"net/netip"
	"regexp"
)

// vendor is what a cloud's settings are checked against before anything is made: how
// it names places, and what it keeps for itself. Each cloud's is in a file of its own.
type vendor struct {
	// region is what regions look like, and regionLike one of them.
	region     *regexp.Regexp
	regionLike string
	// zone is what follows the region in a zone's name, and zoneLike such an end. Nil
	// where there are no zones.
	zone     *regexp.Regexp
	zoneLike string
	// reserved are ranges that no network may overlap.
	reserved []netip.Prefix
}

// vendors are all, by the clouds' names in the settings.
var vendors = map[string]vendor{DigitalOcean: digitalOceanVendor, AWS: awsVendor, GCE: gceVendor}

// reservedAddresses are not for machines: the most that a vendor keeps of a network, AWS,
// which has the first four and the last, see
// https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html.
const reservedAddresses = 5
