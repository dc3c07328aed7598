package digitalocean

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

// QuirksVariable is an environment variable with ways of DigitalOcean's that aren't
// seen every day, separated by commas.
const QuirksVariable = "HYBRID_LAB_DIGITALOCEAN"

// The quirks.
const (
	// LateAddresses: a droplet is active before its networks are known, and the
	// provider takes none for its addresses.
	LateAddresses = "late-addresses"
	// ReservedFirst: an assigned reserved address is listed before the droplet's own,
	// and the provider takes the first public one. Otherwise it is listed last.
	ReservedFirst = "reserved-first"
	// StockImage: droplets boot what the vendor's images have: no Kubernetes. Otherwise
	// they boot an image of one's own that has it.
	StockImage = "stock-image"
)

var quirks = []string{LateAddresses, ReservedFirst, StockImage}

func quirk(name string) bool {
	return slices.Contains(strings.Split(os.Getenv(QuirksVariable), ","), name)
}

// checkQuirks refuses names that nothing would come of.
func checkQuirks() (f failures) {
	for name := range strings.SplitSeq(os.Getenv(QuirksVariable), ",") {
		if name != "" && !slices.Contains(quirks, name) {
			f = append(f, provider.Failure("", "%s has %q: expected some of %s, with commas", QuirksVariable, name, strings.Join(quirks, ", ")))
		}
	}
	return f
}

// seenAddresses are a droplet's as the vendor's provider sees them.
func seenAddresses(s *cloud.State, o *cloud.Object) props {
	if quirk(LateAddresses) && !o.Recorded { // it is being created
		return provider.From(map[string]any{"ipv4Address": "", "ipv4AddressPrivate": ""})
	}
	if !quirk(ReservedFirst) {
		return nil
	}
	for _, a := range s.All(typeAssignment) {
		if dropletOf(a.Props, "dropletId") == o.ID {
			return provider.From(map[string]any{"ipv4Address": fmt.Sprint(address(a, "ipAddress"))})
		}
	}
	return nil
}
