package clouds

import "net/netip"

// anchors are the ranges of DigitalOcean's anchor addresses, by region. Every droplet
// has one on its public interface, beside its own address, and with it a route to the
// whole range: what comes for a reserved address is passed on to the anchor. See
// https://docs.digitalocean.com/products/networking/reserved-ips/how-to/find-anchor-ips/;
// the ranges themselves are what droplets were seen with.
var anchors = map[string]netip.Prefix{
	"ams3": netip.MustParsePrefix("10.18.0.0/16"),
	"blr1": netip.MustParsePrefix("10.47.0.0/16"),
	"fra1": netip.MustParsePrefix("10.19.0.0/16"),
	"lon1": netip.MustParsePrefix("10.16.0.0/16"),
	"nyc1": netip.MustParsePrefix("10.10.0.0/16"),
	"nyc2": netip.MustParsePrefix("10.13.0.0/16"),
	"nyc3": netip.MustParsePrefix("10.17.0.0/16"),
	"sfo1": netip.MustParsePrefix("10.12.0.0/16"),
	"sfo2": netip.MustParsePrefix("10.46.0.0/16"),
	"sfo3": netip.MustParsePrefix("10.48.0.0/16"),
	"syd1": netip.MustParsePrefix("10.49.0.0/16"),
	"tor1": netip.MustParsePrefix("10.20.0.0/16"),
}

// AnchorRange is the range of the anchor addresses in a region of DigitalOcean, where
// it is known. No other network that a droplet knows may overlap it.
func AnchorRange(region string) (netip.Prefix, bool) {
	p, ok := anchors[region]
	return p, ok
}
