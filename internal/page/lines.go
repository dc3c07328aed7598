package page

import (
	"fmt"
	"math"

	"hybrid/internal/observe"
)

// links draws the mesh: between nodes, or, where these are many, between clusters.
func (d *drawing) links() {
	m := &d.s.Mesh
	home := map[string]string{}
	for _, p := range m.Peers {
		home[p.Node] = p.Cluster
	}
	if !d.plan.small {
		for _, l := range m.Links {
			d.line("l:"+l.A+"/"+l.B, linkClass(l.State), d.plan.nodes[l.A], d.plan.nodes[l.B],
				fmt.Sprintf("mesh: %s to %s is %s", l.A, l.B, l.State))
		}
	}
	for i := range m.Between {
		b := &m.Between[i]
		if b.A == b.B || len(d.s.Clusters) > fewClusters && b.Broken() == 0 {
			continue
		}
		from, to := d.plan.regions[b.A], d.plan.regions[b.B]
		class, mark := bundleClass(b), ""
		if class != "up" {
			mark = "✕ "
		}
		id := "b:" + b.A + "/" + b.B
		text := fmt.Sprintf("mesh: %d of %d links up between %s and %s", b.Count[observe.Up], b.Links, b.A, b.B)
		if d.plan.small {
			d.line(id+" line", class, from, to, text)
		}
		if len(d.s.Clusters) > fewClusters {
			continue
		}
		x1, y1 := from.center()
		x2, y2 := to.center()
		x, y := middle(from, to, x1, y1, x2, y2)
		d.button("labels", id, "link "+class, text)
		d.rect(id, id+" box", "box", box{x - 46, y - 11, 92, 22}, 11)
		d.text(id, id+" text", "link-text", fmt.Sprintf("%smesh %d/%d", mark, b.Count[observe.Up], b.Links), x, y+4)
	}
}

// middle is the middle of that part of the line between two boxes that is outside
// of both.
func middle(a, b box, x1, y1, x2, y2 int) (int, int) {
	leave := func(c box, dx, dy float64) float64 {
		t := math.Inf(1)
		if dx != 0 {
			t = float64(c.w) / 2 / math.Abs(dx)
		}
		if dy != 0 {
			t = min(t, float64(c.h)/2/math.Abs(dy))
		}
		return min(t, 0.5)
	}
	dx, dy := float64(x2-x1), float64(y2-y1)
	t := (leave(a, dx, dy) + 1 - leave(b, dx, dy)) / 2
	return x1 + int(t*dx), y1 + int(t*dy)
}

// line is straight, from the middle of one box to that of another. Boxes are
// painted over it.
func (d *drawing) line(id, class string, from, to box, about string) {
	x1, y1 := from.center()
	x2, y2 := to.center()
	d.add("links", id, "line", "", "class", "link "+class, "x1", px(x1), "y1", px(y1), "x2", px(x2), "y2", px(y2))
	d.add(id, id+" title", "title", about)
}

func linkClass(s observe.LinkState) string {
	switch s {
	case observe.Up:
		return "up"
	case observe.Unencrypted:
		return "plain"
	}
	return "down"
}

func bundleClass(b *observe.Bundle) string {
	switch b.Links {
	case b.Count[observe.Up]:
		return "up"
	case b.Count[observe.Up] + b.Count[observe.Unencrypted]:
		return "plain"
	}
	return "down"
}

// streams draws what goes from the leader to each replica.
func (d *drawing) streams() {
	m := d.s.PostgreSQL.Leader
	if m == nil {
		return
	}
	from, ok := d.plan.pods[podID(m.Cluster, observe.Pod{Namespace: m.Namespace, Name: m.Pod})]
	if !ok {
		return
	}
	for i := range d.s.PostgreSQL.Replicas {
		r := &d.s.PostgreSQL.Replicas[i]
		if r.State == "none" {
			continue
		}
		to, ok := d.plan.pods[podID(r.Cluster, observe.Pod{Namespace: r.Namespace, Name: r.Pod})]
		name := r.Pod
		if !ok { // its cluster doesn't answer, and its pod has never been seen
			if to, ok = d.plan.nodes[r.Node]; !ok {
				continue
			}
			name = r.Address
		}
		id := "s:" + r.Cluster + "/" + name
		d.add("streams", id, "path", "", "class", "stream "+wellOr(r.OK, "bad"), "d", curve(from, to))
		d.add(id, id+" title", "title", fmt.Sprintf("stream from %s to %s: %s", m.Pod, name, streamText(r)))
	}
}

// curve leaves a box at the side that faces the other one, and arrives likewise; of
// boxes above each other, at the left.
func curve(from, to box) string {
	_, y1 := from.center()
	_, y2 := to.center()
	x1, x2, bend := from.x, to.x, -24
	back := bend
	switch {
	case to.x > from.x+from.w:
		x1, bend, back = from.x+from.w, max(40, (to.x-from.x-from.w)/2), -max(40, (to.x-from.x-from.w)/2)
	case to.x+to.w < from.x:
		x2, bend, back = to.x+to.w, -max(40, (from.x-to.x-to.w)/2), max(40, (from.x-to.x-to.w)/2)
	}
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1+bend, y1, x2+back, y2, x2, y2)
}
