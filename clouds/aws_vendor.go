package clouds

import "regexp"

var awsVendor = vendor{
	region:      regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`),
	regionLike:  "eu-central-1",
	zone:        regexp.MustCompile(`^[a-z]$`),
	zoneLike:    "a",
	machine:     regexp.MustCompile(`^[a-z][a-z0-9-]*\.[a-z0-9-]+$`),
	machineLike: "t3.medium",
	// The letter g behind the generation is for Graviton, as in t4g and c7gn, but not in
	// g5, see https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html.
	// Macs run no Linux.
	arm:       regexp.MustCompile(`^(a1|mac[a-z0-9-]*|[a-z]+[0-9]+[a-z-]*g[a-z0-9-]*)\.`),
	size:      func(machineType string) size { return awsSmall[machineType] },
	image:     regexp.MustCompile(`^ami-([0-9a-f]{8}|[0-9a-f]{17})$`),
	imageLike: "ami-0123456789abcdef0",
	// Names of security groups, which begin with the cluster's, must not begin with sg-.
	name: regexp.MustCompile(`^sg(-|$)`),
	// Within a VPC, see
	// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/network_mtu.html.
	mtu: 9001,
}

// awsSmall are the types that are too small for something, see
// https://aws.amazon.com/ec2/instance-types/.
var awsSmall = map[string]size{
	"t1.micro": {1, 613}, "t2.nano": {1, 512}, "t2.micro": {1, 1024}, "t2.small": {1, 2048},
	"t3.nano": {2, 512}, "t3.micro": {2, 1024}, "t3a.nano": {2, 512}, "t3a.micro": {2, 1024},
	"m1.small": {1, 1740}, "m1.medium": {1, 3840}, "m3.medium": {1, 3840},
}
