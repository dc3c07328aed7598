package clouds

import (
	"regexp"
	"strconv"
	"strings"
)

// GCEMTU is the largest packet of Google's networks, in bytes, unless they are made for
// others: the smallest of the three clouds'. See https://cloud.google.com/vpc/docs/mtu.
const GCEMTU = 1460

var gceVendor = vendor{
	region:      regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]+$`),
	regionLike:  "us-west1",
	zone:        regexp.MustCompile(`^-[a-z]$`),
	zoneLike:    "-b",
	machine:     regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)+$`),
	machineLike: "e2-medium",
	// See https://cloud.google.com/compute/docs/instances/arm-on-compute.
	arm:       regexp.MustCompile(`^([a-z][0-9]+a|a4x)-`),
	size:      gceSize,
	image:     regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]*$`),
	imageLike: "ubuntu-os-cloud/ubuntu-2404-lts-amd64",
	mtu:       GCEMTU,
}

// gceSmall are the types of which several share a processor, see
// https://cloud.google.com/compute/docs/general-purpose-machines.
var gceSmall = map[string]size{"f1-micro": {1, 614}, "g1-small": {1, 1740}, "e2-micro": {2, 1024}}

// gceCustom are types of any size: e2-custom-2-4096, and custom-2-4096 of the first
// generation.
var gceCustom = regexp.MustCompile(`^(?:[a-z][0-9]+d?-)?custom-([0-9]+)-([0-9]+)(?:-ext)?$`)

func gceSize(machineType string) size {
	if m := gceCustom.FindStringSubmatch(machineType); m != nil {
		processors, _ := strconv.Atoi(m[1])
		memory, _ := strconv.Atoi(m[2])
		return size{processors, memory}
	}
	if strings.HasSuffix(machineType, "-standard-1") {
		return size{processors: 1}
	}
	return gceSmall[machineType]
}
