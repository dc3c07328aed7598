// Package weave reads what Weave Net says of itself.
package weave

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// URL is where a peer reports on itself, on its own machine only.
const URL = "http://127.0.0.1:6784/report"

// Peer is a node as its own Weave Net sees itself and the others.
type Peer struct {
	Name        string       // such as 7a:1c:00:00:00:01
	Node        string       // the Kubernetes node's name
	Ready       bool         // it has addresses to give
	Connections []Connection // to other peers, established
	Pending     int          // connections that are being made
	Failed      []string     // what keeps it from some address of another peer
	Range       int          // number of addresses of the mesh
	Owners      []Owner      // who has how many of them
	Known       []string     // nodes of all peers, itself among them, that it has heard of and not lost

	ring []segment
	to   map[string]int // index of Connections by node
}

// Connection is one to another peer.
type Connection struct {
	Node      string
	Encrypted bool
}

// Owner is a peer that owns addresses, reachable or not.
type Owner struct {
	Name, Node string
	Addresses  int
	Reachable  bool
}

// segment is a run of addresses with one owner.
type segment struct {
	first uint32
	size  int
	node  string
}

// report is the part of Weave Net's /report that is of interest here.
type report struct {
	Router struct {
		Name, NickName string
		Peers          []struct {
			NickName string
		}
		Connections []struct{ Address, State, Info string }
	}
	IPAM *struct {
		RangeNumIPs int
		Entries     []struct {
			Token          string
			Size           int
			Peer, Nickname string
			IsKnownPeer    bool
		}
		PendingAllocates []string
	}
}

// Parse reads the JSON of [URL].
func Parse(text []byte) (*Peer, error) {
	var r report
	if err := json.Unmarshal(text, &r); err != nil || r.Router.Name == "" {
		return nil, fmt.Errorf("expected a report of Weave Net, found %d bytes of something else", len(text))
	}
	p := &Peer{Name: r.Router.Name, Node: r.Router.NickName, to: map[string]int{}}
	for _, other := range r.Router.Peers {
		p.Known = append(p.Known, other.NickName)
	}
	slices.Sort(p.Known)
	for _, c := range r.Router.Connections {
		if c.State != "established" {
			if c.State == "pending" {
				p.Pending++
			}
			p.Failed = append(p.Failed, c.Address+" "+c.State+": "+c.Info)
			continue
		}
		// encrypted   sleeve 7a:1c:00:00:00:01(london-1)
		_, node, _ := strings.Cut(c.Info, "(")
		node, _, _ = strings.Cut(node, ")")
		p.to[node] = len(p.Connections)
		p.Connections = append(p.Connections, Connection{node, strings.HasPrefix(c.Info, "encrypted ")})
	}
	if r.IPAM == nil {
		return p, nil
	}
	p.Range = r.IPAM.RangeNumIPs
	p.Ready = len(r.IPAM.Entries) > 0 && len(r.IPAM.PendingAllocates) == 0
	for _, e := range r.IPAM.Entries {
		if first, ok := number(e.Token); ok {
			p.ring = append(p.ring, segment{first, e.Size, e.Nickname})
		}
		i := slices.IndexFunc(p.Owners, func(o Owner) bool { return o.Name == e.Peer })
		if i < 0 {
			i = len(p.Owners)
			p.Owners = append(p.Owners, Owner{Name: e.Peer, Node: e.Nickname, Reachable: e.IsKnownPeer})
		}
		p.Owners[i].Addresses += e.Size
	}
	return p, nil
}

// number is an IPv4 address as a number: the only kind that Weave Net has.
func number(address string) (uint32, bool) {
	a, err := netip.ParseAddr(address)
	if err != nil || !a.Is4() {
		return 0, false
	}
	four := a.As4()
	return binary.BigEndian.Uint32(four[:]), true
}

// Owner is the node that an address of the mesh belongs to, which is where the pod
// with that address runs; empty if it belongs to none. It is known even while that
// node can't be asked.
func (p *Peer) Owner(address string) string {
	a, ok := number(address)
	if !ok {
		return ""
	}
	for _, s := range p.ring {
		if a >= s.first && int64(a) < int64(s.first)+int64(s.size) {
			return s.node
		}
	}
	return ""
}

// To is the connection to a node, or nil.
func (p *Peer) To(node string) *Connection {
	if i, ok := p.to[node]; ok {
		return &p.Connections[i]
	}
	return nil
}

// Encrypted counts the connections that are.
func (p *Peer) Encrypted() (n int) {
	for _, c := range p.Connections {
		if c.Encrypted {
			n++
		}
	}
	return n
}

// Share is the part of the range that the peer owns, 0 to 1.
func (p *Peer) Share() float64 {
	for _, o := range p.Owners {
		if o.Name == p.Name && p.Range > 0 {
			return float64(o.Addresses) / float64(p.Range)
		}
	}
	return 0
}
