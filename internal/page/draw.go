package page

import (
	"fmt"
	"strconv"
	"strings"

	"hybrid/internal/observe"
	"hybrid/internal/terminal"
)

// The layers, from the lowest.
var layers = []string{"regions", "links", "titles", "nodes", "streams", "pods", "labels"}

// fewClusters is the number of clusters up to which all lines between them are
// drawn. Of more, only those that aren't well.
const fewClusters = 8

// Draw makes the picture of a snapshot.
func Draw(s *observe.Snapshot) *Scene { return draw(s, false) }

// draw makes it; a narrow one for a phone.
func draw(s *observe.Snapshot, narrow bool) *Scene {
	d := &drawing{plan: arrange(s, narrow), s: s}
	d.Width, d.Height = d.plan.width, d.plan.height
	for _, layer := range layers {
		d.add("", layer, "g", "")
	}
	for _, c := range s.Clusters {
		d.cluster(c)
	}
	d.links()
	d.streams()
	return &d.Scene
}

type drawing struct {
	Scene
	plan *plan
	s    *observe.Snapshot
}

// button begins a group that can be chosen, and says what it is.
func (d *drawing) button(in, id, class, label string) {
	d.add(in, id, "g", "", "class", "pick "+class, "role", "button", "tabindex", "-1", "aria-label", label)
	d.add(id, id+" title", "title", label)
}

func (d *drawing) rect(in, id, class string, b box, radius int) {
	d.add(in, id, "rect", "", "class", class, "x", px(b.x), "y", px(b.y), "width", px(b.w), "height", px(b.h), "rx", px(radius))
}

func (d *drawing) text(in, id, class, text string, x, y int) {
	d.add(in, id, "text", text, "class", class, "x", px(x), "y", px(y))
}

func px(n int) string { return strconv.Itoa(n) }

// wellOr is a class.
func wellOr(well bool, otherwise string) string {
	if well {
		return "well"
	}
	return otherwise
}

// vendor is a cloud's name for people.
func vendor(cloud string) string {
	switch cloud {
	case "digitalocean":
		return "DigitalOcean"
	case "aws":
		return "AWS"
	case "gce":
		return "Google Cloud"
	}
	return cloud
}

func (d *drawing) cluster(c observe.Cluster) {
	id := "c:" + c.Name
	b := d.plan.regions[c.Name]
	state := "its API answers"
	if !c.Reachable {
		state = "its API does not answer"
	}
	about := strings.TrimSpace(vendor(c.Cloud) + " " + c.Region)
	d.button("regions", id, "region "+wellOr(c.Reachable, "bad"), fmt.Sprintf("cluster %s, %s, %s", c.Name, about, state))
	d.rect(id, id+" box", "box", b, 14)
	// Lines pass under the words.
	d.text("titles", id+" name", "name", c.Name, b.x+inset, b.y+21)
	line, class := about, wellOr(c.Reachable, "bad")
	switch risk := riskOf(d.s, c.Name); {
	case !c.Reachable:
		line = "✕ API does not answer"
	case risk != nil && !risk.Chosen:
		line, class = "✕ not protected against its loss", "bad"
	case !d.plan.small:
		line = strings.TrimPrefix(about+" · "+c.Version, " · ")
	}
	d.text("titles", id+" about", "about "+class, line, b.x+inset, b.y+38)
	for _, n := range c.Nodes {
		d.node(c, n)
	}
}

// riskOf is what PostgreSQL risks with a cluster; nil if nothing.
func riskOf(s *observe.Snapshot, cluster string) *observe.Risk {
	for i := range s.PostgreSQL.Risks {
		if r := &s.PostgreSQL.Risks[i]; r.Cluster == cluster {
			return r
		}
	}
	return nil
}

func (d *drawing) node(c observe.Cluster, n observe.Node) {
	id := "n:" + c.Name + "/" + n.Name
	b := d.plan.nodes[n.Name]
	class, state := wellOr(n.Ready, "bad"), "ready"
	switch {
	case !c.Reachable:
		class, state = "unknown", "unknown"
	case !n.Ready:
		state = "not ready: " + n.Reason
	}
	d.button("nodes", id, "node "+class, fmt.Sprintf("node %s, %s, %d pods", n.Name, state, len(n.Pods)))
	d.rect(id, id+" box", "box", b, 8)
	mark := map[string]string{"well": "●", "bad": "✕", "unknown": "?"}[class]
	if d.plan.small {
		short := n.Name[strings.LastIndex(n.Name, "-")+1:]
		d.text(id, id+" name", "small", short, b.x+5, b.y+15)
		d.text(id, id+" mark", "mark small", mark, b.x+b.w-14, b.y+15)
	} else {
		d.text(id, id+" name", "node-name", n.Name, b.x+inset, b.y+18)
		d.text(id, id+" mark", "mark", mark, b.x+b.w-inset-10, b.y+18)
	}
	for _, pod := range n.Pods {
		d.pod(c, pod)
	}
}

func (d *drawing) pod(c observe.Cluster, pod observe.Pod) {
	id := podID(c.Name, pod)
	b, ok := d.plan.pods[id]
	if !ok {
		return
	}
	class, line := wellOr(pod.OK, "bad"), pod.State
	switch {
	case pod.Role == observe.Leader:
		line = "leader · " + pod.State
	case pod.Role == observe.Replica:
		if stream := d.stream(c.Name, pod.Name); stream != nil {
			class, line = wellOr(stream.OK && pod.OK, "bad"), streamText(stream)
		}
	}
	if !c.Reachable {
		class = "unknown"
		if pod.Role == observe.Replica {
			class = "bad"
		}
	}
	d.button("pods", id, strings.TrimSpace("pod "+class+" "+pod.Role), fmt.Sprintf("pod %s of %s, %s", pod.Name, pod.Namespace, line))
	if b.h < chipHeight {
		d.rect(id, id+" box", "box", b, 2)
		return
	}
	d.rect(id, id+" box", "box", b, 6)
	d.text(id, id+" name", "pod-name", pod.Name, b.x+8, b.y+15)
	if class == "bad" {
		line = "✕ " + line
	}
	d.text(id, id+" state", "pod-state", line, b.x+8, b.y+29)
}

// stream is a replica's.
func (d *drawing) stream(cluster, pod string) *observe.Stream {
	for i := range d.s.PostgreSQL.Replicas {
		if r := &d.s.PostgreSQL.Replicas[i]; r.Cluster == cluster && r.Pod == pod {
			return r
		}
	}
	return nil
}

// streamText is a stream's state and lag in a few letters.
func streamText(r *observe.Stream) string {
	if r.State == "none" {
		return "no stream"
	}
	text := r.State
	if !r.OK && r.State == "streaming" {
		text = fmt.Sprintf("silent for %.0f s", r.SilentSeconds)
		if r.SilentSeconds < 3 {
			text = "lagging"
		}
	}
	if r.LagBytes != nil {
		text += " · " + terminal.Bytes(*r.LagBytes)
	}
	if r.LagSeconds != nil {
		text += " · " + terminal.Seconds(*r.LagSeconds)
	}
	return text
}
