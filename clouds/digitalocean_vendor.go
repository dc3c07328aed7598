package clouds

import (
	"net/netip"
	"regexp"
)

var digitalOceanVendor = vendor{
	region:     regexp.MustCompile(`^[a-z]{3}[0-9]$`),
	regionLike: "lon1",
	// See https://docs.digitalocean.com/products/networking/vpc/details/limits/.
	reserved: []netip.Prefix{
		netip.MustParsePrefix("10.229.0.0/16"), netip.MustParsePrefix("10.244.0.0/16"),
		netip.MustParsePrefix("10.245.0.0/16"), netip.MustParsePrefix("10.246.0.0/24"),
	},
}
