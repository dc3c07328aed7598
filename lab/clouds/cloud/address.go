package cloud

import (
	"fmt"
	"net/netip"
)

// LeasePublic gives an object a free address of a pool. It goes round the pool
// before it gives an address again: clients remember host keys, and routers
// connections, of addresses that they have just talked to.
func (s *State) LeasePublic(pool netip.Prefix, holder string) (netip.Addr, error) {
	first := pool.Masked().Addr().Next()
	next := first
	if last, err := netip.ParseAddr(s.Cursors[pool.String()]); err == nil {
		next = last.Next()
	}
	for range 1 << (32 - pool.Bits()) {
		if !pool.Contains(next) || !pool.Contains(next.Next()) { // the last one is the broadcast address
			next = first
		}
		key := next.String()
		if _, taken := s.Leases[key]; !taken {
			s.Leases[key] = holder
			s.Cursors[pool.String()] = key
			return next, nil
		}
		next = next.Next()
	}
	return netip.Addr{}, fmt.Errorf("all public addresses of %s are in use", pool)
}

// LeasePrivate gives an object an address of a network: wanted, or the first
// free one that is neither among the first reserved ones nor the last two,
// which no vendor hands out (the last but one is Docker's in the lab).
func (s *State) LeasePrivate(network string, cidr netip.Prefix, reserved int, wanted, holder string) (netip.Addr, error) {
	cidr = cidr.Masked()
	usable := func(a netip.Addr) bool {
		return cidr.Contains(a) && cidr.Contains(a.Next()) && cidr.Contains(a.Next().Next())
	}
	lease := func(a netip.Addr) bool {
		key := network + "/" + a.String()
		if _, taken := s.Leases[key]; taken {
			return false
		}
		s.Leases[key] = holder
		return true
	}
	first := cidr.Addr()
	for range reserved {
		first = first.Next()
	}
	if wanted != "" {
		a, err := netip.ParseAddr(wanted)
		switch {
		case err != nil || !usable(a) || a.Less(first):
			return netip.Addr{}, fmt.Errorf("address %s does not fall within the subnet's usable range %s", wanted, cidr)
		case !lease(a):
			return netip.Addr{}, fmt.Errorf("address %s is in use", wanted)
		}
		return a, nil
	}
	for a := first; usable(a); a = a.Next() {
		if lease(a) {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("not enough free addresses in %s", cidr)
}
