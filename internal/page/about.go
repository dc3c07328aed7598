package page

import (
	"fmt"
	"strings"

	"hybrid/internal/observe"
	"hybrid/internal/shell"
	"hybrid/internal/terminal"
)

// About is what there is to say of one thing in the picture.
type About struct {
	Title string   `json:"title"`
	Lines []string `json:"lines"`
	// Commands are for a shell, each with what it does.
	Commands []Command `json:"commands"`
	// Sessions are what can be run in a pod's containers, here in the page.
	Sessions []Sessions `json:"sessions,omitempty"`
}

// Sessions are what can be run in a container.
type Sessions struct {
	Container string   `json:"container"`
	Kinds     []string `json:"kinds"`
}

// Command is one to copy.
type Command struct {
	Does string `json:"does"`
	Text string `json:"text"`
}

// Tell finds what an ID of the picture stands for. kubectl begins a command for a
// cluster. It returns nil if there is no such thing, or no more.
func Tell(s *observe.Snapshot, kubectl func(cluster string) string, id string) *About {
	kind, rest, _ := strings.Cut(id, ":")
	for i := range s.Clusters {
		c := &s.Clusters[i]
		if kind == "c" && rest == c.Name {
			return tellCluster(s, c, kubectl(c.Name))
		}
		for j := range c.Nodes {
			n := &c.Nodes[j]
			if kind == "n" && rest == c.Name+"/"+n.Name {
				return tellNode(c, n, kubectl(c.Name))
			}
			for k := range n.Pods {
				if podID(c.Name, n.Pods[k]) == id {
					return tellPod(s, c, n, &n.Pods[k], kubectl(c.Name))
				}
			}
		}
	}
	for i := range s.Mesh.Between {
		if b := &s.Mesh.Between[i]; kind == "b" && rest == b.A+"/"+b.B {
			return tellLinks(s, b, kubectl)
		}
	}
	return nil
}

func tellCluster(s *observe.Snapshot, c *observe.Cluster, kubectl string) *About {
	a := &About{Title: "cluster " + c.Name, Lines: []string{
		strings.TrimSpace(vendor(c.Cloud) + " " + c.Region),
		"API: " + c.Server, "version: " + c.Version, fmt.Sprintf("nodes: %d", len(c.Nodes)),
	}}
	if c.FederationHost {
		a.Lines = append(a.Lines, "hosts the federation")
	}
	if r := riskOf(s, c.Name); r != nil {
		a.Lines = append(a.Lines, "PostgreSQL is not protected against its loss: "+r.Why)
	}
	if c.Error != "" {
		a.Lines = append(a.Lines, "error: "+c.Error)
	}
	a.Commands = []Command{
		{"its nodes", kubectl + " get nodes -o wide"},
		{"its pods", kubectl + " get pods -A -o wide"},
		{"its API's health", kubectl + " get --raw '/readyz?verbose'"},
	}
	return a
}

func tellNode(c *observe.Cluster, n *observe.Node, kubectl string) *About {
	state := "ready"
	if !n.Ready {
		state = "not ready: " + n.Reason
	}
	return &About{
		Title: "node " + n.Name, Lines: []string{"cluster: " + c.Name, state, fmt.Sprintf("pods: %d", len(n.Pods))},
		Commands: []Command{
			{"its state and events", kubectl + " describe node " + shell.Quote(n.Name)},
			{"its pods", kubectl + " get pods -A -o wide --field-selector " + shell.Quote("spec.nodeName="+n.Name)},
		},
	}
}

func tellPod(s *observe.Snapshot, c *observe.Cluster, n *observe.Node, p *observe.Pod, kubectl string) *About {
	a := &About{Title: "pod " + p.Name, Lines: []string{
		"namespace: " + p.Namespace, "node: " + n.Name + " of " + c.Name, "state: " + p.State,
	}}
	if p.Address != "" {
		a.Lines = append(a.Lines, "address: "+p.Address)
	}
	if p.Role != "" {
		a.Commands = append(a.Commands, Command{"psql in it", observe.PSQL(kubectl, p.Namespace, p.Name)})
	}
	if m := s.PostgreSQL.Leader; p.Role == observe.Leader && m != nil {
		a.Lines = append(a.Lines, fmt.Sprintf("PostgreSQL %s, leader, timeline %d, at %s", m.Version, m.Timeline, m.Position))
	}
	for i := range s.PostgreSQL.Replicas {
		if r := &s.PostgreSQL.Replicas[i]; r.Cluster == c.Name && r.Pod == p.Name {
			a.Lines = append(a.Lines, "replica: "+streamText(r)+" behind the leader", fmt.Sprintf("last heard of: %s ago", terminal.Seconds(r.SilentSeconds)))
			if r.Electable {
				a.Lines = append(a.Lines, "may lead if the leader is lost")
			}
			if r.Note != "" {
				a.Lines = append(a.Lines, "problem: "+r.Note)
			}
		}
	}
	for _, l := range s.PostgreSQL.Losses {
		if l.Cluster == c.Name && l.Pod == p.Name {
			a.Lines = append(a.Lines, terminal.LossText(&l))
		}
	}
	in, pod := kubectl+" -n "+shell.Quote(p.Namespace), shell.Quote(p.Name)
	a.Commands = append(a.Commands,
		Command{"its state and events", in + " describe pod " + pod},
		Command{"its log", in + " logs --all-containers --tail 50 " + pod},
		Command{"a shell in it", in + " exec -it " + pod + " -- sh"},
	)
	for _, name := range p.Containers {
		a.Sessions = append(a.Sessions, Sessions{name, kindsOf(p, name)})
	}
	return a
}

func tellLinks(s *observe.Snapshot, b *observe.Bundle, kubectl func(string) string) *About {
	a := &About{Title: "mesh between " + b.A + " and " + b.B, Lines: []string{
		fmt.Sprintf("%d links between nodes", b.Links),
		fmt.Sprintf("%d up and encrypted", b.Count[observe.Up]),
	}}
	for _, state := range []observe.LinkState{observe.Unencrypted, observe.Unconfirmed, observe.Unknown, observe.Down} {
		if n := b.Count[state]; n > 0 {
			a.Lines = append(a.Lines, fmt.Sprintf("%d %s", n, state))
		}
	}
	home := map[string]string{}
	for _, p := range s.Mesh.Peers {
		home[p.Node] = p.Cluster
	}
	for _, l := range s.Mesh.Links {
		if l.State != observe.Up && home[l.A] == b.A && home[l.B] == b.B {
			a.Lines = append(a.Lines, fmt.Sprintf("%s to %s: %s", l.A, l.B, l.State))
		}
	}
	for _, cluster := range []string{b.A, b.B} {
		a.Commands = append(a.Commands, Command{"the connections of a node of " + cluster, observe.WeaveCommand(kubectl(cluster), "/status/connections")})
	}
	return a
}
