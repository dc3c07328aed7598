package clouds

import "regexp"

var awsVendor = vendor{
	region:     regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`),
	regionLike: "eu-central-1",
	zone:       regexp.MustCompile(`^[a-z]$`),
	zoneLike:   "a",
}
