package observe

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"hybrid/internal/weave"
)

// smallMesh is the number of nodes up to which a snapshot has every link: their
// number grows with the square.
const smallMesh = 20

// mesh joins what the peers say.
func (p *diagnosis) mesh() {
	reports := map[string]*weave.Peer{}
	var nodes []MeshPeer
	m := &p.to.Mesh
	for _, c := range p.to.Clusters {
		f := p.facts.clusters[c.Name]
		m.Installed = m.Installed || slices.ContainsFunc(f.pods, func(pod Pod) bool { return pod.weave })
		for _, n := range c.Nodes {
			peer := MeshPeer{Cluster: c.Name, Node: n.Name, Error: "Weave Net does not run there"}
			r, asked := f.reports[n.Name]
			switch {
			case p.unreachable[c.Name]:
				peer.Error = "the cluster does not answer"
			case asked && r.err != nil:
				peer.Error = r.err.Error()
			case asked:
				reports[n.Name] = r.peer
				m.Range = max(m.Range, r.peer.Range)
				peer = MeshPeer{
					Cluster: c.Name, Node: n.Name, Name: r.peer.Name, Answers: true,
					Established: len(r.peer.Connections), Encrypted: r.peer.Encrypted(), Pending: r.peer.Pending,
					Ready: r.peer.Ready, Share: r.peer.Share(),
				}
			}
			nodes = append(nodes, peer)
		}
	}
	if !m.Installed {
		return
	}
	m.Peers = nodes
	p.links(reports)
	p.lost(reports)
	p.meshProblems()
}

// links finds out how each two nodes are connected.
func (p *diagnosis) links(reports map[string]*weave.Peer) {
	m := &p.to.Mesh
	bundles := map[[2]string]*Bundle{}
	for i, a := range m.Peers {
		for _, b := range m.Peers[i+1:] {
			state := linkState(reports[a.Node], reports[b.Node], a.Node, b.Node)
			pair := [2]string{a.Cluster, b.Cluster}
			bundle := bundles[pair]
			if bundle == nil {
				bundle = &Bundle{A: pair[0], B: pair[1], Count: map[LinkState]int{}}
				bundles[pair] = bundle
			}
			bundle.Links++
			bundle.Count[state]++
			if len(m.Peers) <= smallMesh || state != Up {
				m.Links = append(m.Links, Link{a.Node, b.Node, state})
			}
		}
	}
	for _, pair := range slices.SortedFunc(maps.Keys(bundles), func(a, b [2]string) int {
		return strings.Compare(a[0]+" "+a[1], b[0]+" "+b[1])
	}) {
		m.Between = append(m.Between, *bundles[pair])
	}
}

func linkState(a, b *weave.Peer, nodeA, nodeB string) LinkState {
	var there, back *weave.Connection
	if a != nil {
		there = a.To(nodeB)
	}
	if b != nil {
		back = b.To(nodeA)
	}
	switch {
	case a == nil && b == nil:
		return Unknown
	case a == nil && back != nil || b == nil && there != nil:
		return Unconfirmed
	case there == nil || back == nil:
		return Down
	case !there.Encrypted || !back.Encrypted:
		return Unencrypted
	}
	return Up
}

// lost finds addresses whose owner no peer reaches. While a cluster doesn't answer
// that is no wonder.
func (p *diagnosis) lost(reports map[string]*weave.Peer) {
	for _, node := range slices.Sorted(maps.Keys(reports)) {
		for _, o := range reports[node].Owners {
			known := slices.ContainsFunc(p.to.Mesh.Lost, func(l LostPeer) bool { return l.Name == o.Name })
			if !o.Reachable && !known && !p.unreachable[p.home[o.Node]] {
				p.to.Mesh.Lost = append(p.to.Mesh.Lost, LostPeer{o.Name, o.Node, o.Addresses})
			}
		}
	}
}

// meshProblems names what is wrong, once: not the links of a peer that doesn't
// answer, nor each pair of clusters where one of them doesn't.
func (p *diagnosis) meshProblems() {
	m := &p.to.Mesh
	for _, c := range p.to.Clusters {
		if p.unreachable[c.Name] {
			p.cutOff(c.Name)
		}
	}
	alone := p.alone()
	for _, b := range m.Between {
		if p.unreachable[b.A] || p.unreachable[b.B] || b.A != b.B && (alone[b.A] || alone[b.B]) {
			continue
		}
		where := "between " + b.A + " and " + b.B
		if b.A == b.B {
			where = "within " + b.A
		}
		if n := b.Count[Down]; n > 0 {
			p.problem(meshLinksDown, b.A, b.B, fmt.Sprintf("mesh: %d of %d links %s are down", n, b.Links, where), p.weaveCommand(b.A, "/status/connections"))
		}
		if n := b.Count[Unencrypted]; n > 0 {
			p.problem(meshUnencrypted, b.A, b.B, fmt.Sprintf("mesh: %d of %d links %s are not encrypted", n, b.Links, where), p.weaveCommand(b.A, "/status/connections"))
		}
	}
	for _, c := range p.to.Clusters {
		if !p.unreachable[c.Name] {
			p.peerProblems(c.Name)
		}
	}
	i := slices.IndexFunc(m.Peers, func(peer MeshPeer) bool { return peer.Answers })
	for _, l := range m.Lost {
		p.problem(meshAddressesLost, "", l.Node, fmt.Sprintf("mesh: %d addresses belong to %s (%s), which no peer reaches", l.Addresses, l.Node, l.Name),
			p.weaveCommand(m.Peers[i].Cluster, "/status/ipam"))
	}
}

// alone finds the clusters that answer and have no link to any other, of several, and
// names each once.
func (p *diagnosis) alone() map[string]bool {
	alone := map[string]bool{}
	for _, c := range p.to.Clusters {
		others, links, down := 0, 0, 0
		for _, b := range p.to.Mesh.Between {
			if b.A == b.B || b.A != c.Name && b.B != c.Name || p.unreachable[b.A] || p.unreachable[b.B] {
				continue
			}
			others++
			links += b.Links
			down += b.Count[Down]
		}
		if others > 1 && down == links {
			alone[c.Name] = true
			p.problem(meshAlone, c.Name, "", fmt.Sprintf("mesh: all %d links from %s to %d other clusters are down", links, c.Name, others), p.weaveCommand(c.Name, "/status/connections"))
		}
	}
	return alone
}

// cutOff is about the links of a cluster that doesn't answer to those that do.
func (p *diagnosis) cutOff(cluster string) {
	var others []string
	links, down := 0, 0
	for _, b := range p.to.Mesh.Between {
		other := b.A
		if other == cluster {
			other = b.B
		} else if b.B != cluster {
			continue
		}
		if p.unreachable[other] { // which is the cluster itself, or another one
			continue
		}
		others = append(others, other)
		links += b.Links
		down += b.Count[Down]
	}
	if links == 0 {
		return
	}
	to := strings.Join(others, " and ")
	if len(others) > 2 {
		to = fmt.Sprintf("%d other clusters", len(others))
	}
	text := fmt.Sprintf("mesh: the %d links from %s to %s: %d down", links, cluster, to, down)
	if down == 0 {
		// Weave Net notices within a minute.
		text = fmt.Sprintf("mesh: the %d links from %s to %s are not confirmed: %s does not answer", links, cluster, to, cluster)
	}
	p.problem(meshCutOff, cluster, "", text, p.weaveCommand(others[0], "/status/connections"))
}

// peerProblems is about the peers of a cluster.
func (p *diagnosis) peerProblems(cluster string) {
	peers, poor := 0, 0
	var silent []MeshPeer
	for _, peer := range p.to.Mesh.Peers {
		if peer.Cluster != cluster {
			continue
		}
		peers++
		switch {
		case !peer.Answers:
			silent = append(silent, peer)
		case !peer.Ready:
			poor++
		}
	}
	if len(silent) > 0 {
		p.problem(meshPeersSilent, cluster, "", fmt.Sprintf("mesh: %d of %d peers of %s do not answer: %s: %s", len(silent), peers, cluster, silent[0].Node, silent[0].Error),
			p.kubectl(cluster, "-n", meshSpace, "get", "pods", "-o", "wide", "-l", "name="+meshLabel))
	}
	if poor > 0 {
		p.problem(meshPeersWithoutAddress, cluster, "", fmt.Sprintf("mesh: %d of %d peers of %s have no addresses to give", poor, peers, cluster), p.weaveCommand(cluster, "/status/ipam"))
	}
}

// weaveCommand shows what a cluster's Weave Net says.
func (p *diagnosis) weaveCommand(cluster, path string) string {
	return WeaveCommand(p.stack.Kubectl(cluster), path)
}

// WeaveCommand is a command that shows what the Weave Net of one of a cluster's
// nodes says; kubectl begins it.
func WeaveCommand(kubectl, path string) string {
	return kubectl + " -n " + meshSpace + " exec ds/" + meshLabel + " -c " + meshContainer + " -- curl -s http://127.0.0.1:6784" + path
}
