package vm

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Policy is all that a network's router enforces and translates.
type Policy struct {
	Addresses []PublicAddress
	Machines  []MachinePolicy
}

// PublicAddress is a public address in use by a machine of the network.
type PublicAddress struct {
	Public, Private netip.Addr
	// OnNIC says that the machine itself carries Public: the router passes packets
	// on as they are. Otherwise it translates them one to one. A machine that
	// carries a public address uses that one for the connections that it opens; a
	// machine with several translated ones uses the first.
	OnNIC bool
	// Anchor is the address on the machine's NIC that Public is translated to instead
	// of Private, where it is set. It can't be reached in any other way.
	Anchor netip.Addr
}

// target is what the router translates Public to.
func (a PublicAddress) target() netip.Addr {
	if a.Anchor.IsValid() {
		return a.Anchor
	}
	return a.Private
}

// MachinePolicy says which new connections may reach and leave a machine. What
// belongs to a connection passes. A machine without a policy is cut off.
type MachinePolicy struct {
	Addresses       []netip.Addr // those on the machine's own NIC
	Ingress, Egress []Rule       // nothing listed = nothing new allowed
}

// Rule allows connections of one protocol with the peers.
type Rule struct {
	Protocol string // tcp, udp, icmp or all
	// FromPort and ToPort are the first and the last destination port of tcp and
	// udp; both 0 means all ports. The other protocols have none.
	FromPort, ToPort int
	// Peers are the sources of ingress and the destinations of egress; none if
	// empty. A machine that reaches a neighbor over the neighbor's translated
	// address has its own public one as source, as in the clouds. The lab has no
	// IPv6: such peers are permitted and match nothing.
	Peers []netip.Prefix
}

// validate reports every mistake in a policy for a network.
func (p Policy) validate(network netip.Prefix) error {
	var errs []error
	fail := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	public := map[netip.Addr]bool{}
	for _, a := range p.Addresses {
		if !a.Public.Is4() || !Internet.Contains(a.Public) {
			fail("public address %v: want one in %v", a.Public, Internet)
		}
		if public[a.Public] {
			fail("public address %v: listed twice", a.Public)
		}
		public[a.Public] = true
		if !network.Contains(a.Private) {
			fail("private address %v of %v: want one in %v", a.Private, a.Public, network)
		}
		if a.Anchor.IsValid() && (a.OnNIC || !a.Anchor.Is4() || network.Contains(a.Anchor)) {
			fail("anchor %v of %v: want a translated address, and an IPv4 anchor outside %v", a.Anchor, a.Public, network)
		}
	}
	owned := map[netip.Addr]bool{}
	for _, m := range p.Machines {
		if len(m.Addresses) == 0 {
			fail("a machine's policy: want its addresses, found none")
		}
		for _, a := range m.Addresses {
			if !a.Is4() {
				fail("machine address %v: want IPv4", a)
			}
			if owned[a] {
				fail("machine address %v: listed twice", a)
			}
			owned[a] = true
		}
		for _, r := range slices.Concat(m.Ingress, m.Egress) {
			if err := r.validate(); err != nil {
				fail("machine %v: %w", m.Addresses, err)
			}
		}
	}
	return errors.Join(errs...)
}

func (r Rule) validate() error {
	if !slices.Contains([]string{"tcp", "udp", "icmp", "all"}, r.Protocol) {
		return fmt.Errorf("protocol %q: want tcp, udp, icmp or all", r.Protocol)
	}
	if r.FromPort < 0 || r.ToPort > 65535 || r.FromPort > r.ToPort {
		return fmt.Errorf("ports %d to %d: want a range within 1 to 65535, or 0 to 0 for all", r.FromPort, r.ToPort)
	}
	for _, peer := range r.Peers {
		if !peer.IsValid() {
			return errors.New("a peer is no valid range of addresses")
		}
	}
	return nil
}
