package page

import (
	"math"

	"hybrid/internal/observe"
)

// fewNodes is the number of nodes up to which each has room for its name, its pods
// and its links. With more, a node is a small box and only the pods that matter are
// shown.
const fewNodes = 16

// Sizes in pixels.
const (
	margin     = 24
	inset      = 12
	regionHead = 48
	nodeHead   = 26
	dot        = 12
	dotPitch   = 17
	chipHeight = 36
	chipPitch  = 42

	nodeWidth  = 228
	smallWidth = 50
	smallNode  = 44
	smallDot   = 7
	smallPitch = 9
)

// box is a rectangle.
type box struct{ x, y, w, h int }

func (b box) center() (int, int) { return b.x + b.w/2, b.y + b.h/2 }

// plan is where everything is.
type plan struct {
	small         bool
	narrow        bool // for a phone: everything below each other
	width, height int
	regions       map[string]box // by cluster
	nodes         map[string]box // by node
	pods          map[string]box // by podID
}

// podID names a pod among all.
func podID(cluster string, p observe.Pod) string {
	return "p:" + cluster + "/" + p.Namespace + "/" + p.Name
}

// arrange finds places: clusters in a grid that is nearly square, so that lines
// between them are short, the last row in the middle.
func arrange(s *observe.Snapshot, narrow bool) *plan {
	p := &plan{narrow: narrow, regions: map[string]box{}, nodes: map[string]box{}, pods: map[string]box{}}
	nodes := 0
	for _, c := range s.Clusters {
		nodes += len(c.Nodes)
	}
	p.small = nodes > fewNodes
	columns := int(math.Ceil(math.Sqrt(float64(len(s.Clusters)))))
	gapX, gapY := 150, 110
	if p.narrow {
		columns, gapY = 1, 60
	}
	if p.small {
		gapX, gapY = 36, 36
	}
	sizes := make([]box, len(s.Clusters))
	widest := 0
	for i, c := range s.Clusters {
		sizes[i] = p.size(c)
		widest = max(widest, sizes[i].w)
	}
	p.width = 2*margin + columns*widest + max(0, columns-1)*gapX
	y := margin
	for i := 0; i < len(sizes); i += columns {
		row := sizes[i:min(i+columns, len(sizes))]
		x := (p.width - len(row)*widest - (len(row)-1)*gapX) / 2
		highest := 0
		for j, size := range row {
			p.place(s.Clusters[i+j], box{x + (widest-size.w)/2, y, size.w, size.h})
			x += widest + gapX
			highest = max(highest, size.h)
		}
		y += highest + gapY
	}
	p.height = max(y-gapY+margin, 2*margin)
	return p
}

// perRow is how many nodes stand side by side in a cluster.
func (p *plan) perRow(nodes int) int {
	if p.small {
		return min(max(nodes, 4), 5)
	}
	if p.narrow {
		return 1
	}
	return min(max(nodes, 1), 2)
}

// nodeWidth is that of a node's box.
func (p *plan) nodeWidth() int {
	if p.small {
		return smallWidth
	}
	return nodeWidth
}

// nodeHeight is that of the nodes of one row.
func (p *plan) nodeHeight(nodes []observe.Node) int {
	if p.small {
		return smallNode
	}
	height := 0
	for _, n := range nodes {
		chips, dots := split(n)
		rows := (len(dots) + dotsPerRow - 1) / dotsPerRow
		height = max(height, nodeHead+len(chips)*chipPitch+rows*dotPitch+inset)
	}
	return height
}

const dotsPerRow = (nodeWidth - 2*inset + dotPitch - dot) / dotPitch

// split tells the pods that have a name in the picture from those that are dots.
func split(n observe.Node) (chips, dots []observe.Pod) {
	for _, pod := range n.Pods {
		if pod.Role != "" {
			chips = append(chips, pod)
		} else {
			dots = append(dots, pod)
		}
	}
	return chips, dots
}

// size is that of a cluster's region.
func (p *plan) size(c observe.Cluster) box {
	per := p.perRow(len(c.Nodes))
	b := box{w: per*p.nodeWidth() + (per+1)*inset, h: regionHead}
	for i := 0; i < len(c.Nodes); i += per {
		b.h += p.nodeHeight(c.Nodes[i:min(i+per, len(c.Nodes))]) + inset
	}
	return b
}

// place puts a cluster and what is in it.
func (p *plan) place(c observe.Cluster, at box) {
	p.regions[c.Name] = at
	per := p.perRow(len(c.Nodes))
	y := at.y + regionHead
	for i := 0; i < len(c.Nodes); i += per {
		row := c.Nodes[i:min(i+per, len(c.Nodes))]
		height := p.nodeHeight(row)
		for j, n := range row {
			b := box{at.x + inset + j*(p.nodeWidth()+inset), y, p.nodeWidth(), height}
			p.nodes[n.Name] = b
			if p.small {
				p.placeSmall(c.Name, n, b)
			} else {
				p.placePods(c.Name, n, b)
			}
		}
		y += height + inset
	}
}

func (p *plan) placePods(cluster string, n observe.Node, b box) {
	chips, dots := split(n)
	y := b.y + nodeHead
	for _, pod := range chips {
		p.pods[podID(cluster, pod)] = box{b.x + inset, y, b.w - 2*inset, chipHeight}
		y += chipPitch
	}
	for i, pod := range dots {
		p.pods[podID(cluster, pod)] = box{b.x + inset + i%dotsPerRow*dotPitch, y + i/dotsPerRow*dotPitch, dot, dot}
	}
}

// placeSmall finds places for as many pods that matter as there is room for.
func (p *plan) placeSmall(cluster string, n observe.Node, b box) {
	const left, top, per, rows = 4, 22, 5, 2
	i := 0
	for _, pod := range n.Pods {
		if (pod.Role != "" || !pod.OK) && i < per*rows {
			p.pods[podID(cluster, pod)] = box{b.x + left + i%per*smallPitch, b.y + top + i/per*smallPitch, smallDot, smallDot}
			i++
		}
	}
}
