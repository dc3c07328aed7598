package clouds

import "regexp"

var gceVendor = vendor{
	region:     regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]+$`),
	regionLike: "us-west1",
	zone:       regexp.MustCompile(`^-[a-z]$`),
	zoneLike:   "-b",
}
