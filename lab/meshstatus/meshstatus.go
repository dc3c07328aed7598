// Package meshstatus reads what Weave Net says of itself.
package meshstatus

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Peer is a node as its own Weave Net sees itself and the others.
type Peer struct {
	Name        string       // such as 7a:1c:00:00:00:01
	Node        string       // the Kubernetes node's name
	Ready       bool         // it has addresses to give
	Connections []Connection // to other peers, established
	Failed      []string     // what keeps it from some address of another peer
	Range       int          // number of addresses of the mesh
	Owners      []Owner      // who has how many of them
	Known       []string     // nodes of all peers, itself among them, that it has heard of and not lost
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
			Size           int
			Peer, Nickname string
			IsKnownPeer    bool
		}
		PendingAllocates []string
	}
}

// Parse reads the JSON of http://127.0.0.1:6784/report.
func Parse(text []byte) (*Peer, error) {
	var r report
	if err := json.Unmarshal(text, &r); err != nil || r.Router.Name == "" {
		return nil, fmt.Errorf("expected a report of Weave Net, found %d bytes of something else", len(text))
	}
	p := &Peer{Name: r.Router.Name, Node: r.Router.NickName}
	for _, other := range r.Router.Peers {
		p.Known = append(p.Known, other.NickName)
	}
	slices.Sort(p.Known)
	for _, c := range r.Router.Connections {
		if c.State != "established" {
			p.Failed = append(p.Failed, c.Address+" "+c.State+": "+c.Info)
			continue
		}
		// encrypted   sleeve 7a:1c:00:00:00:01(london-1)
		_, node, _ := strings.Cut(c.Info, "(")
		node, _, _ = strings.Cut(node, ")")
		p.Connections = append(p.Connections, Connection{node, strings.HasPrefix(c.Info, "encrypted ")})
	}
	if r.IPAM == nil {
		return p, nil
	}
	p.Range = r.IPAM.RangeNumIPs
	p.Ready = len(r.IPAM.Entries) > 0 && len(r.IPAM.PendingAllocates) == 0
	for _, e := range r.IPAM.Entries {
		i := slices.IndexFunc(p.Owners, func(o Owner) bool { return o.Name == e.Peer })
		if i < 0 {
			i = len(p.Owners)
			p.Owners = append(p.Owners, Owner{Name: e.Peer, Node: e.Nickname, Reachable: e.IsKnownPeer})
		}
		p.Owners[i].Addresses += e.Size
	}
	return p, nil
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

// Row is one line of a table.
type Row struct {
	Cluster string
	Peer    *Peer
	Err     error  // why there is no Peer
	Node    string // whose Peer there isn't
}

// Write writes a table of peers, and after it what isn't as it should be: one line
// for each. of is the number of peers that there should be.
func Write(w io.Writer, rows []Row, of int) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PEER\tNODE\tCLUSTER\tCONNECTED\tENCRYPTED\tADDRESSES")
	var notes []string
	for _, r := range rows {
		if r.Err != nil {
			fmt.Fprintf(t, "-\t%s\t%s\t-\t-\t-\n", r.Node, r.Cluster)
			notes = append(notes, fmt.Sprintf("%s: %v", r.Node, r.Err))
			continue
		}
		p := r.Peer
		fmt.Fprintf(t, "%s\t%s\t%s\t%d of %d\t%d of %d\t%.1f %%\n",
			p.Name, p.Node, r.Cluster, len(p.Connections), of-1, p.Encrypted(), len(p.Connections), 100*p.Share())
		if !p.Ready {
			notes = append(notes, p.Node+": has no addresses to give")
		}
		for _, o := range p.Owners {
			// All peers know of it: one line is enough.
			note := fmt.Sprintf("%d addresses belong to %s (%s), which nobody reaches", o.Addresses, o.Name, o.Node)
			if !o.Reachable && !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
		if len(p.Connections) < of-1 {
			for _, f := range p.Failed {
				notes = append(notes, p.Node+": "+strings.TrimSpace(f))
			}
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, n := range notes {
		fmt.Fprintln(w, n)
	}
	return nil
}
