package clouds

import (
	"net/netip"
	"regexp"
	"strconv"
)

var digitalOceanVendor = vendor{
	region:      regexp.MustCompile(`^[a-z]{3}[0-9]$`),
	regionLike:  "lon1",
	machine:     regexp.MustCompile(`^[a-z0-9][a-z0-9_]*(-[a-z0-9_]+)*$`),
	machineLike: "s-2vcpu-4gb",
	size:        digitalOceanSize,
	image:       regexp.MustCompile(`^[a-z0-9]+([.-][a-z0-9]+)*$`),
	imageLike:   "ubuntu-24-04-x64",
	// See https://docs.digitalocean.com/products/networking/vpc/details/limits/.
	reserved: []netip.Prefix{
		netip.MustParsePrefix("10.229.0.0/16"), netip.MustParsePrefix("10.244.0.0/16"),
		netip.MustParsePrefix("10.245.0.0/16"), netip.MustParsePrefix("10.246.0.0/24"),
	},
	mtu: 1500,
}

// The sizes' names say what they are, see https://slugs.do-api.dev. The oldest have
// nothing but memory in them.
var (
	dropletSize    = regexp.MustCompile(`-([0-9]+)vcpu-([0-9]+)(mb|gb)`)
	oldDropletSize = regexp.MustCompile(`^([0-9]+)(mb|gb)$`)
)

func digitalOceanSize(machineType string) size {
	if m := dropletSize.FindStringSubmatch(machineType); m != nil {
		processors, _ := strconv.Atoi(m[1])
		return size{processors, mebibytes(m[2], m[3])}
	}
	if m := oldDropletSize.FindStringSubmatch(machineType); m != nil {
		memory := mebibytes(m[1], m[2])
		if memory < 2048 {
			return size{1, memory}
		}
		return size{2, memory}
	}
	return size{}
}

func mebibytes(number, unit string) int {
	n, _ := strconv.Atoi(number)
	if unit == "gb" {
		n *= 1024
	}
	return n
}
