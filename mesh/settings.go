package mesh

import (
	"fmt"

	"hybrid/clouds"
	"hybrid/internal/settings"
)

// Settings are hybrid:mesh.
type Settings struct {
	// Image is Weave Net's, with launch.sh, as weave-kube's.
	Image string `json:"image"`
	// MTU is that of the pods' interfaces, in bytes.
	MTU int `json:"mtu"`
	// FastDatapath moves packets in the kernel.
	FastDatapath bool `json:"fastdp"`
	// InitContainer says that the image has an init.sh to run before launch.sh.
	InitContainer bool `json:"initContainer"`
}

// sleeveHeaders is what Weave Net puts around a pod's packet, in bytes: 28 of IP and
// UDP, 14 of Ethernet, 20 with the names of peers and the length, and 24 of encryption.
// See router/sleeve.go and router/frame_crypto.go of its sources. The fast datapath
// falls back to it.
const sleeveHeaders = 86

// DefaultSettings are what hybrid:mesh leaves out.
func DefaultSettings() Settings {
	return Settings{
		// The maintained fork of Weave Net, https://github.com/rajch/weave. It is pinned
		// by tag: to be safe from one that moves, set a name with a digest.
		Image: "docker.io/rajchaudhuri/weave-kube:2.9.0",
		// Google's networks have the smallest packets of the three clouds'.
		MTU:           clouds.GCEMTU - sleeveHeaders,
		InitContainer: true,
	}
}

// maxNodes is how many a mesh can have: each peer connects to all others, and to 200 at
// most (weaver's --conn-limit).
const maxNodes = 201

// Problems says what is wrong with the settings, for a mesh of these clusters, one line
// for each.
func (s Settings) Problems(clusters []clouds.Settings) []string {
	var out []string
	nodes := 0
	for _, c := range clusters {
		nodes += 1 + c.Workers
	}
	if nodes > maxNodes {
		out = append(out, fmt.Sprintf("the clusters have %d nodes in all: expected at most %d, for each has a connection to all others, and Weave Net makes %d", nodes, maxNodes, maxNodes-1))
	}
	if problem := settings.Image(s.Image, DefaultSettings().Image); problem != "" {
		out = append(out, problem)
	}
	// RFC 791's least, and what an IPv4 packet can hold.
	if s.MTU < 576 || s.MTU > 65535 {
		out = append(out, fmt.Sprintf("mtu is %d: expected 576 to 65535", s.MTU))
	} else if network := clouds.MTU(clusters); network > 0 && s.MTU > network-sleeveHeaders {
		out = append(out, fmt.Sprintf("mtu is %d: expected at most %d, for packets between these clusters' nodes have at most %d bytes, of which Weave Net needs %d", s.MTU, network-sleeveHeaders, network, sleeveHeaders))
	}
	return out
}

// leastPassword is the least length of a password that can't be guessed off line.
const leastPassword = 16

// PasswordProblem says what is wrong with hybrid:weavePassword, or nothing. It is an
// environment variable of a shell script, and the key of everything that goes between
// the clouds.
func PasswordProblem(password string) string {
	return settings.Secret(password, leastPassword, "", "spaces")
}
