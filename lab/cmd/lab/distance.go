package main

import (
	"fmt"
	"strings"
	"time"
)

// continents are where the vendors' regions lie, by how their names begin: those of
// AWS and Google name it, DigitalOcean's begin with a city.
var continents = map[string][]string{
	"Europe":           {"eu-", "europe-", "ams", "fra", "lon"},
	"America":          {"us-", "ca-", "sa-", "mx-", "northamerica-", "southamerica-", "atl", "nyc", "ric", "sfo", "tor"},
	"Asia and Pacific": {"ap-", "asia-", "australia-", "blr", "sgp", "syd"},
}

// roundTrips are rounded from what one usually measures between regions of the large
// clouds. From Europe to America it depends on the coast: 140 ms is the far one's.
var roundTrips = map[[2]string]time.Duration{
	{"Europe", "Europe"}:                     12 * time.Millisecond,
	{"America", "America"}:                   60 * time.Millisecond,
	{"Asia and Pacific", "Asia and Pacific"}: 100 * time.Millisecond,
	{"America", "Europe"}:                    140 * time.Millisecond,
	{"Asia and Pacific", "Europe"}:           180 * time.Millisecond,
	{"America", "Asia and Pacific"}:          180 * time.Millisecond,
}

func continent(region string) (string, error) {
	for name, beginnings := range continents {
		for _, b := range beginnings {
			if strings.HasPrefix(region, b) {
				return name, nil
			}
		}
	}
	return "", fmt.Errorf("the lab doesn't know where the region %q is: set its distances with `lab link set`", region)
}

// distance is the round trip between two regions.
func distance(a, b string) (time.Duration, error) {
	from, err := continent(a)
	if err != nil {
		return 0, err
	}
	to, err := continent(b)
	if err != nil {
		return 0, err
	}
	if d, ok := roundTrips[[2]string{from, to}]; ok {
		return d, nil
	}
	return roundTrips[[2]string{to, from}], nil
}
