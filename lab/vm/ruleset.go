package vm

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// rendered is a policy as its router wants it (see lab-router in the image).
type rendered struct {
	ruleset   string // for `nft -f`, which applies it as a whole or not at all
	addresses string // lines "<public> <private> <anchor>", "-" for private if the machine carries public
}

// render writes a policy for nftables. The router's interfaces are called vpc and
// internet.
//
// Egress is checked before addresses are translated, ingress after: so that each
// rule sees the addresses that it would see in the cloud, also where a machine
// reaches its neighbor by the neighbor's public address.
func render(n Network, p Policy) rendered {
	w := &nft{}
	w.line("# Network %s (%s), %s.", n.ID, n.Name, n.CIDR)
	// Not the whole ruleset: what is on the links is no policy's.
	w.line("table ip lab")
	w.line("delete table ip lab")
	w.open("table ip lab")
	w.arrival(p)
	w.translateDestination(p)
	w.forward()
	w.translateSource(p)
	w.departure(n, p)
	for _, m := range p.Machines {
		w.rules("egress-"+m.Addresses[0].String(), "daddr", m.Egress)
		w.rules("ingress-"+m.Addresses[0].String(), "saddr", m.Ingress)
	}
	w.close()

	var addresses strings.Builder
	for _, a := range p.Addresses {
		private := a.Private.String()
		if a.OnNIC {
			private = "-"
		}
		fmt.Fprintf(&addresses, "%s %s", a.Public, private)
		if a.Anchor.IsValid() {
			fmt.Fprintf(&addresses, " %s", a.Anchor)
		}
		fmt.Fprintln(&addresses)
	}
	return rendered{ruleset: w.String(), addresses: addresses.String()}
}

// nft writes nftables' syntax, indented.
type nft struct {
	strings.Builder
	depth int
}

func (w *nft) line(format string, a ...any) {
	w.WriteString(strings.Repeat("\t", w.depth) + fmt.Sprintf(format, a...) + "\n")
}

func (w *nft) open(format string, a ...any) {
	w.line(format+" {", a...)
	w.depth++
}

func (w *nft) close() {
	w.depth--
	w.line("}")
}

// arrival lets in what comes for a public address, and from a machine what its
// egress rules allow.
func (w *nft) arrival(p Policy) {
	w.open("chain arrival")
	w.line("type filter hook prerouting priority mangle; policy drop;")
	w.line("ct state established,related accept")
	if public := p.public(); len(public) > 0 {
		w.line(`iifname "internet" ip daddr %s accept`, set(public))
	}
	if len(p.Machines) > 0 {
		w.line(`iifname "vpc" ip saddr vmap { %s }`, strings.Join(p.jumps("egress-"), ", "))
	}
	w.close()
}

func (w *nft) translateDestination(p Policy) {
	w.open("chain translate-destination")
	w.line("type nat hook prerouting priority dstnat; policy accept;")
	var pairs []string
	for _, a := range p.Addresses {
		if !a.OnNIC {
			pairs = append(pairs, fmt.Sprintf("%s : %s", a.Public, a.target()))
		}
	}
	if len(pairs) > 0 {
		w.line("dnat to ip daddr map { %s }", strings.Join(pairs, ", "))
	}
	w.close()
}

// forward keeps the router from being a way through the internet.
func (w *nft) forward() {
	w.open("chain forward")
	w.line("type filter hook forward priority filter; policy drop;")
	w.line(`iifname "vpc" accept`)
	w.line(`oifname "vpc" accept`)
	w.close()
}

// translateSource gives connections to the internet, and those to a neighbor's
// translated address, the machine's public address.
func (w *nft) translateSource(p Policy) {
	w.open("chain translate-source")
	w.line("type nat hook postrouting priority srcnat; policy accept;")
	own := map[netip.Addr]netip.Addr{} // private → the public one on the machine's NIC
	for _, a := range p.Addresses {
		if a.OnNIC {
			own[a.Private] = a.Public
		}
	}
	var pairs []string
	first := map[netip.Addr]bool{}
	for _, a := range p.Addresses {
		if a.OnNIC {
			continue
		}
		if carried, ok := own[a.Private]; ok {
			// A machine refuses packets that come from its own address: when it
			// calls itself by the translated one, that one is also the source.
			w.line("ct status dnat ip saddr { %s, %s } ip daddr %s ct original ip daddr %s snat to %s",
				a.Private, carried, a.target(), a.Public, a.Public)
			continue
		}
		if !first[a.Private] {
			first[a.Private] = true
			pairs = append(pairs, fmt.Sprintf("%s : %s", a.Private, a.Public))
		}
	}
	if len(pairs) > 0 {
		w.line(`oifname "internet" snat to ip saddr map { %s }`, strings.Join(pairs, ", "))
		w.line(`oifname "vpc" ct status dnat snat to ip saddr map { %s }`, strings.Join(pairs, ", "))
	}
	w.close()
}

// departure lets out what has a public source, and to a machine what its ingress
// rules allow.
func (w *nft) departure(n Network, p Policy) {
	w.open("chain departure")
	w.line("type filter hook postrouting priority srcnat + 10; policy drop;")
	w.line("ct state established,related accept")
	if public := p.public(); len(public) > 0 {
		w.line(`oifname "internet" ip saddr %s accept`, set(public))
	}
	// A private source has no way to a public address, not even a neighbor's.
	w.line(`oifname "vpc" ct status dnat ip saddr %s drop`, n.CIDR.Masked())
	if len(p.Machines) > 0 {
		if anchors := p.anchors(); len(anchors) > 0 {
			w.line(`oifname "vpc" ip daddr %s ct status & dnat != dnat drop`, set(anchors))
		}
		w.line(`oifname "vpc" ip daddr vmap { %s }`, strings.Join(slices.Concat(p.jumps("ingress-"), p.anchored("ingress-")), ", "))
	}
	w.close()
}

// rules writes a machine's rules. What none of them accepts returns to the calling
// chain, whose policy drops it.
func (w *nft) rules(chain, peer string, rules []Rule) {
	w.open("chain %s", chain)
	for _, r := range rules {
		peers, ok := matchPeers(peer, r.Peers)
		if !ok {
			continue
		}
		w.line("%s", strings.Join(append(matchProtocol(r), peers+"accept"), " "))
	}
	w.close()
}

func matchProtocol(r Rule) []string {
	switch {
	case r.Protocol == "all":
		return nil
	case r.Protocol == "icmp" || r.FromPort == 0 && r.ToPort == 0:
		return []string{"ip protocol " + r.Protocol}
	case r.FromPort == r.ToPort:
		return []string{fmt.Sprintf("%s dport %d", r.Protocol, r.FromPort)}
	default:
		return []string{fmt.Sprintf("%s dport %d-%d", r.Protocol, r.FromPort, r.ToPort)}
	}
}

// matchPeers returns the match on the peers, with a space after it: nothing if it
// is everywhere, not ok if it is nowhere.
func matchPeers(field string, peers []netip.Prefix) (match string, ok bool) {
	ranges := disjoint(peers)
	switch {
	case len(ranges) == 0:
		return "", false
	case ranges[0].Bits() == 0:
		return "", true
	default:
		return fmt.Sprintf("ip %s %s ", field, set(ranges)), true
	}
}

// disjoint drops the ranges that others contain, which nftables would refuse in
// one set, and those of IPv6.
func disjoint(peers []netip.Prefix) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range peers {
		if p.Addr().Is4() {
			all = append(all, p.Masked())
		}
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	var out []netip.Prefix
	for _, p := range all {
		if len(out) == 0 || !out[len(out)-1].Overlaps(p) {
			out = append(out, p)
		}
	}
	return out
}

func (p Policy) public() []netip.Addr {
	var out []netip.Addr
	for _, a := range p.Addresses {
		out = append(out, a.Public)
	}
	return out
}

func (p Policy) anchors() []netip.Addr {
	var out []netip.Addr
	for _, a := range p.Addresses {
		if a.Anchor.IsValid() && !slices.Contains(out, a.Anchor) {
			out = append(out, a.Anchor)
		}
	}
	return out
}

// anchored maps the machines' anchors to their chains.
func (p Policy) anchored(prefix string) []string {
	var out []string
	for _, a := range p.Addresses {
		if !a.Anchor.IsValid() {
			continue
		}
		for _, m := range p.Machines {
			entry := fmt.Sprintf("%s : jump %s%s", a.Anchor, prefix, m.Addresses[0])
			if slices.Contains(m.Addresses, a.Private) && !slices.Contains(out, entry) {
				out = append(out, entry)
			}
		}
	}
	return out
}

// jumps maps the machines' addresses to their chains.
func (p Policy) jumps(prefix string) []string {
	var out []string
	for _, m := range p.Machines {
		for _, a := range m.Addresses {
			out = append(out, fmt.Sprintf("%s : jump %s%s", a, prefix, m.Addresses[0]))
		}
	}
	return out
}

func set[T fmt.Stringer](elements []T) string {
	var out []string
	for _, e := range elements {
		out = append(out, e.String())
	}
	return "{ " + strings.Join(out, ", ") + " }"
}
