package terminal

import (
	"fmt"
	"strings"
	"time"

	"hybrid/internal/observe"
)

const notInstalled = "not installed"

// dash stands for what isn't known.
const dash = "-"

func (o *screen) clusters(all []observe.Cluster) {
	var rows []row
	nodes, nodesReady, answer := 0, 0, 0
	for _, c := range all {
		ready, pods, well := 0, 0, 0
		for _, n := range c.Nodes {
			if n.Ready {
				ready++
			}
			for _, p := range n.Pods {
				pods++
				if p.OK {
					well++
				}
			}
		}
		nodes += len(c.Nodes)
		nodesReady += ready
		r := row{cells: []string{c.Name, or(c.Cloud), or(c.Region), "answers", or(c.Version), of(ready, len(c.Nodes)), of(well, pods)}}
		r.bad = !c.Reachable || ready < len(c.Nodes) || well < pods || c.Error != ""
		if c.Reachable {
			answer++
		} else {
			r.cells[3], r.cells[5], r.cells[6] = "no answer", "? of "+fmt.Sprint(len(c.Nodes)), dash
		}
		rows = append(rows, r)
	}
	o.title("CLUSTERS", fmt.Sprintf("%s answer, %s nodes ready", of(answer, len(all)), of(nodesReady, nodes)))
	o.table([]string{"CLUSTER", "CLOUD", "REGION", "API", "VERSION", "NODES READY", "PODS WELL"}, rows)
	for _, c := range all {
		if e := c.Snapshots; e != nil {
			last := o.paint(red, "none yet")
			if e.Last != nil {
				last = e.Last.Format(time.RFC3339)
			}
			fmt.Fprintf(o, "  %s: last snapshot of etcd %s, %d in all; last rehearsal %s\n", c.Name, last, e.Number, o.rehearsal(e.Rehearsed, e.Unfit))
		}
	}
}

// rehearsal is when a restore was last rehearsed, unless the last rehearsal has failed.
func (o *screen) rehearsal(at *time.Time, unfit string) string {
	switch {
	case unfit != "":
		return o.paint(red, "failed")
	case at == nil:
		return "none yet"
	}
	return at.Format(time.RFC3339)
}

func (o *screen) mesh(m *observe.Mesh) {
	if !m.Installed {
		o.title("MESH", notInstalled)
		return
	}
	links, up, encrypted := 0, 0, 0
	for _, b := range m.Between {
		links += b.Links
		up += b.Count[observe.Up] + b.Count[observe.Unencrypted]
		encrypted += b.Count[observe.Up]
	}
	answer := 0
	for _, p := range m.Peers {
		if p.Answers {
			answer++
		}
	}
	o.title("MESH", fmt.Sprintf("%s peers answer, %s links established, %d encrypted", of(answer, len(m.Peers)), of(up, links), encrypted))
	if o.Mesh {
		o.peers(m)
	} else {
		o.shares(m)
	}
	for _, l := range m.Lost {
		o.printf("  %s\n", o.paint(red, fmt.Sprintf("%d addresses belong to %s (%s), which no peer reaches", l.Addresses, l.Node, l.Name)))
	}
}

// peers has a line for each node.
func (o *screen) peers(m *observe.Mesh) {
	o.All = true
	var rows []row
	others := len(m.Peers) - 1
	for _, p := range m.Peers {
		r := row{cells: []string{p.Name, p.Node, p.Cluster, of(p.Established, others), of(p.Encrypted, p.Established), fmt.Sprint(p.Pending), percent(p.Share), ""}}
		r.bad = !p.Answers || p.Established < others || p.Encrypted < p.Established || !p.Ready
		if !p.Answers {
			r.cells = []string{dash, p.Node, p.Cluster, dash, dash, dash, dash, p.Error}
		} else if !p.Ready {
			r.cells[7] = "has no addresses to give"
		}
		rows = append(rows, r)
	}
	o.table([]string{"PEER", "NODE", "CLUSTER", "ESTABLISHED", "ENCRYPTED", "PENDING", "ADDRESSES", ""}, rows)
}

// shares has a line for each cluster.
func (o *screen) shares(m *observe.Mesh) {
	var rows []row
	for i := 0; i < len(m.Peers); {
		cluster := m.Peers[i].Cluster
		peers, answer, established, encrypted, pending, share := 0, 0, 0, 0, 0, 0.0
		for ; i < len(m.Peers) && m.Peers[i].Cluster == cluster; i++ {
			p := m.Peers[i]
			peers++
			established += p.Established
			encrypted += p.Encrypted
			pending += p.Pending
			share += p.Share
			if p.Answers {
				answer++
			}
		}
		wanted := peers * (len(m.Peers) - 1)
		r := row{
			cells: []string{cluster, of(answer, peers), of(established, wanted), of(encrypted, established), fmt.Sprint(pending), percent(share)},
			bad:   answer < peers || established < wanted || encrypted < established,
		}
		if answer == 0 {
			r.cells = []string{cluster, of(0, peers), dash, dash, dash, dash}
		}
		rows = append(rows, r)
	}
	o.table([]string{"CLUSTER", "PEERS", "ESTABLISHED", "ENCRYPTED", "PENDING", "ADDRESSES"}, rows)
}

func (o *screen) federation(f *observe.Federation) {
	if !f.Installed {
		o.title("FEDERATION", notInstalled)
		return
	}
	ready := 0
	for _, m := range f.Members {
		if m.Ready {
			ready++
		}
	}
	text := fmt.Sprintf("%s members ready, %s", of(ready, len(f.Members)), policies(len(f.Policies)))
	if !f.Reachable {
		text = o.paint(red, "no answer") + "; last seen: " + text
	}
	o.title("FEDERATION", text)
	var rows []row
	for _, p := range f.Placements {
		if p.Replicas == 0 {
			continue // a service or a secret: only what is wrong with it is of interest
		}
		for _, c := range p.Clusters {
			rows = append(rows, row{
				cells: []string{p.Namespace + "/" + p.Name, p.Kind, c.Cluster, fmt.Sprint(c.Wanted), fmt.Sprint(c.Placed), fmt.Sprint(c.Ready)},
				bad:   c.Ready < c.Wanted || !c.Applied,
			})
		}
	}
	o.table([]string{"OBJECT", "KIND", "CLUSTER", "WANTED", "PLACED", "READY"}, rows)
}

func policies(n int) string {
	if n == 1 {
		return "1 policy"
	}
	return fmt.Sprintf("%d policies", n)
}

func (o *screen) postgres(p *observe.PostgreSQL) {
	if !p.Installed {
		o.title("POSTGRESQL", notInstalled)
		return
	}
	leader := o.paint(red, "no leader")
	if l := p.Leader; l != nil {
		leader = fmt.Sprintf("leader %s on %s in %s", l.Pod, or(l.Node), l.Cluster)
		if l.Version != "" {
			leader += fmt.Sprintf(", %s, at %s of timeline %d", l.Version, l.Position, l.Timeline)
		}
	}
	if p.Durability != "" {
		leader += ", durability " + p.Durability
	}
	o.title("POSTGRESQL", leader)
	if b := p.Backup; b != nil {
		last := o.paint(red, "none yet")
		if b.Last != nil {
			last = b.Last.Format(time.RFC3339)
		}
		fmt.Fprintf(o, "  last backup %s, %d in all; last rehearsal %s; the log has waited for the bucket for %s\n", last, b.Number, o.rehearsal(b.Rehearsed, b.Unfit), secondsOf(&b.LagSeconds))
	}
	var rows []row
	for _, r := range p.Replicas {
		name := r.Pod
		if name == "" {
			name = or(r.Address)
		}
		rows = append(rows, row{bad: !r.OK, cells: []string{name, or(r.Cluster), or(r.Node), r.State, or(r.Sync), bytesOf(r.LagBytes), secondsOf(r.LagSeconds), r.Note}})
	}
	o.table([]string{"REPLICA", "CLUSTER", "NODE", "STATE", "SYNC", "LAG", "TIME", ""}, rows)
	for _, l := range p.Losses {
		o.printf("  %s\n", o.paint(dim, LossText(&l)))
	}
	for _, r := range p.Risks {
		color := red
		if r.Chosen {
			color = dim
		}
		o.printf("  %s\n", o.paint(color, "not protected against the loss of "+r.Cluster+": "+r.Why))
	}
}

// LossText says what a failover has lost.
func LossText(l *observe.Loss) string {
	return fmt.Sprintf("lost by a failover: %s that %s of %s had, committed from %s to %s", count(l.Commits, "transaction"), l.Pod, l.Cluster, l.First, l.Last)
}

func (o *screen) zone(z *observe.Zone) {
	if !z.Installed {
		o.title("ZONE", notInstalled)
		return
	}
	var names []string
	for _, s := range z.NameServers {
		text := s.Name
		if !s.Answers {
			text = o.paint(red, s.Name+" (no answer)")
		}
		names = append(names, text)
	}
	o.title("ZONE", z.Domain+"  "+strings.Join(names, ", "))
}

// changes are the newest ones.
func (o *screen) changes(all []observe.Change) {
	if len(all) == 0 {
		o.title("LAST HOUR", "no change")
		return
	}
	o.title("LAST HOUR", count(len(all), "change"))
	for i, c := range all {
		if i == maxChanges && !o.All {
			o.printf("  %s\n", o.paint(dim, fmt.Sprintf("… and %d older ones: hybrid status --watch --all", len(all)-i)))
			break
		}
		text := c.Text
		if c.Until != nil {
			text += fmt.Sprintf(" (over at %s)", c.Until.Format(time.TimeOnly))
		}
		o.printf("  %s  %s\n", o.paint(dim, c.Time.Format(time.TimeOnly)), text)
	}
}

func of(n, all int) string { return fmt.Sprintf("%d of %d", n, all) }

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func or(text string) string {
	if text == "" {
		return dash
	}
	return text
}

func bytesOf(n *int64) string {
	if n == nil {
		return dash
	}
	return Bytes(*n)
}

// Bytes is a number of bytes for people.
func Bytes(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d B", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d kB", n/1000)
	default:
		return fmt.Sprintf("%d MB", n/1_000_000)
	}
}

func secondsOf(s *float64) string {
	if s == nil {
		return dash
	}
	return Seconds(*s)
}

// Seconds is a number of seconds for people.
func Seconds(s float64) string {
	if s < 1 {
		return fmt.Sprintf("%.0f ms", 1000*s)
	}
	return fmt.Sprintf("%.1f s", s)
}
