package clouds

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// vendor is what a cloud's settings are checked against before anything is made: how
// it names places and machines, and what it keeps for itself. Each cloud's is in a
// file of its own.
type vendor struct {
	// region is what regions look like, and regionLike one of them.
	region     *regexp.Regexp
	regionLike string
	// zone is what follows the region in a zone's name, and zoneLike such an end. Nil
	// where there are no zones.
	zone     *regexp.Regexp
	zoneLike string
	// machine is what machine types look like, and machineLike one of them.
	machine     *regexp.Regexp
	machineLike string
	// arm are machine types whose processors don't run the images here; nil where
	// there are none.
	arm *regexp.Regexp
	// size is how large a machine type is, as far as that is known of small ones.
	size func(machineType string) size
	// image is what images look like, and imageLike one of them.
	image     *regexp.Regexp
	imageLike string
	// name are clusters' names that the cloud takes for its own; nil where there are
	// none.
	name *regexp.Regexp
	// reserved are ranges that no network may overlap.
	reserved []netip.Prefix
	// mtu is the largest packet of the cloud's private networks, in bytes.
	mtu int
}

// size is how large a machine is. Zero: not known, and enough.
type size struct {
	processors int
	// memory is in MiB.
	memory int
}

// vendors are all, by the clouds' names in the settings.
var vendors = map[string]vendor{DigitalOcean: digitalOceanVendor, AWS: awsVendor, GCE: gceVendor}

// reservedAddresses are not for machines: the most that a vendor keeps of a network, AWS,
// which has the first four and the last, see
// https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html.
const reservedAddresses = 5

// internetMTU is the largest packet, in bytes, between clusters.
const internetMTU = 1500

// MTU is the largest packet, in bytes, that all nodes of the clusters can send each
// other: within a cluster by the cloud's network, between clusters by the internet.
func MTU(clusters []Settings) int {
	least := 0
	for _, c := range clusters {
		mtu := vendors[c.Cloud].mtu
		if len(clusters) > 1 {
			mtu = min(mtu, internetMTU)
		}
		if mtu > 0 && (least == 0 || mtu < least) {
			least = mtu
		}
	}
	return least
}

// What kubeadm wants of a control plane (its preflight checks NumCPU and Mem), and
// the least that a worker's own programs leave room beside, see
// https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/.
var (
	leastControlPlane = size{processors: 2, memory: 1700}
	leastWorker       = size{processors: 1, memory: 1000}
)

// machineProblem says why a machine type is none, or not for a node, or nothing.
func (v vendor) machineProblem(machineType string, least size) string {
	s := v.size(machineType)
	switch {
	case !v.machine.MatchString(machineType):
		return "expected a machine type, such as " + v.machineLike
	case v.arm != nil && v.arm.MatchString(machineType):
		return "its processors are arm64, and the images here are for amd64: choose one such as " + v.machineLike
	case s.processors > 0 && s.processors < least.processors:
		return fmt.Sprintf("it has %d processor: expected at least %d, as %s has", s.processors, least.processors, v.machineLike)
	case s.memory > 0 && s.memory < least.memory:
		return fmt.Sprintf("it has %d MiB of memory: expected at least %d, as %s has", s.memory, least.memory, v.machineLike)
	}
	return ""
}

// otherSystems are distributions without the packages that machines are prepared by.
var otherSystems = regexp.MustCompile(`(?i)centos|rhel|red-?hat|fedora|rocky|almalinux|suse|oracle|archlinux|freebsd|openbsd|windows|\bcos\b|coreos|flatcar`)

// imageProblem says why machines can't boot from an image, or nothing.
func (v vendor) imageProblem(image string) string {
	switch {
	case !v.image.MatchString(image):
		return "expected an image, such as " + v.imageLike
	case strings.Contains(image, "arm64"):
		return "it is for arm64, and the images of pods here are for amd64: choose one such as " + v.imageLike
	case otherSystems.MatchString(image):
		return "expected Ubuntu, or Debian, whose packages machines are prepared by, such as " + v.imageLike
	}
	return ""
}
