package observe

import (
	"maps"
	"slices"
	"strings"
	"time"

	"hybrid/internal/shell"
)

// diagnosis makes a snapshot of facts.
type diagnosis struct {
	now     time.Time
	stack   *Stack
	servers map[string]string
	facts   *facts
	to      *Snapshot

	database    *database
	unreachable map[string]bool   // clusters
	home        map[string]string // a node's cluster
}

// diagnose makes a snapshot of what is known, and judges it.
func diagnose(now time.Time, stack *Stack, servers map[string]string, f *facts) *Snapshot {
	p := &diagnosis{
		now: now, stack: stack, servers: servers, facts: f, to: &Snapshot{Time: now, Stack: stack.Name},
		unreachable: map[string]bool{}, home: map[string]string{},
	}
	p.database = p.gather()
	// In the order in which problems are to be read: causes first.
	p.clusters()
	p.certificates()
	p.mesh()
	p.federation()
	p.postgres()
	p.pods()
	p.zone()
	p.services()
	p.to.Healthy = len(p.to.Problems) == 0
	return p.to
}

// problem adds one, with the command that shows more. The text's first word is the part.
func (p *diagnosis) problem(j *Judgement, cluster, object, text, command string) {
	p.to.Problems = append(p.to.Problems, Problem{
		Kind: j.Name, Part: j.Part, Cluster: cluster, Object: object, Text: text, Command: command,
	})
}

// kubectl is a command for a cluster, to be copied: its words, as they are. Names come
// from others, and are quoted.
func (p *diagnosis) kubectl(cluster string, words ...string) string {
	return p.stack.Kubectl(cluster) + " " + shell.Join(words...)
}

func (p *diagnosis) clusters() {
	for _, e := range p.stack.Clusters {
		f := p.facts.clusters[e.Name]
		c := Cluster{
			Name: e.Name, Cloud: e.Cloud, Region: e.Region, FederationHost: e.FederationHost,
			Server: p.servers[e.Name], Reachable: f.err == nil, Version: f.version,
		}
		switch {
		case f.err != nil && c.Server == "":
			c.Error = f.err.Error()
			p.unreachable[c.Name] = true
			p.problem(clusterMisconfigured, c.Name, "", "cluster "+c.Name+": "+c.Error, p.stack.kubectl("config", "view"))
		case f.err != nil:
			c.Error = f.err.Error()
			p.unreachable[c.Name] = true
			p.problem(clusterUnreachable, c.Name, "", "cluster "+c.Name+": its API at "+c.Server+" does not answer: "+c.Error, p.kubectl(c.Name, "get", "--raw", "/readyz?verbose"))
		case f.denied != nil:
			c.Error = f.denied.Error()
			p.problem(clusterDenied, c.Name, "", "cluster "+c.Name+": "+c.Error, p.kubectl(c.Name, "auth", "can-i", "--list"))
		}
		if c.Snapshots = f.snapshots; c.Snapshots != nil && f.err == nil {
			p.snapshots(c.Name, c.Snapshots)
		}
		c.Nodes = p.nodes(e, f)
		p.to.Clusters = append(p.to.Clusters, c)
	}
}

// nodes are a cluster's: those that there are, and those that should be.
func (p *diagnosis) nodes(e Expected, f clusterFacts) []Node {
	all := slices.Clone(f.nodes)
	for _, name := range e.Nodes {
		if !slices.ContainsFunc(all, func(n Node) bool { return n.Name == name }) {
			all = append(all, Node{Name: name, Reason: "the cluster has no such node"})
		}
	}
	slices.SortFunc(all, func(a, b Node) int { return CompareNames(a.Name, b.Name) })
	for i := range all {
		n := &all[i]
		p.home[n.Name] = e.Name
		for _, pod := range f.pods {
			if pod.node == n.Name {
				pod.Role = p.role(&pod)
				n.Pods = append(n.Pods, pod)
			}
		}
		slices.SortFunc(n.Pods, func(a, b Pod) int { return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) })
		switch {
		case f.err != nil:
			n.Ready, n.Reason = false, "the cluster does not answer"
		case f.denied != nil:
			n.Reason = "not to be seen"
		case !n.Ready:
			p.problem(nodeNotReady, e.Name, n.Name, "node "+n.Name+" of "+e.Name+" is not ready: "+n.Reason, p.kubectl(e.Name, "describe", "node", n.Name))
		case n.Reboot != "":
			p.problem(rebootPending, e.Name, n.Name, "node "+n.Name+" of "+e.Name+" waits for a reboot, because of "+n.Reboot,
				shell.Join("hybrid", "reboot", "--node", n.Name))
		}
	}
	return all
}

// role is a pod's in PostgreSQL, if any.
func (p *diagnosis) role(pod *Pod) string {
	switch l := p.database.leader; {
	case !pod.member:
		return ""
	case l != nil && l.name == pod.Name && l.cluster == pod.cluster:
		return Leader
	default:
		return Replica
	}
}

// CompareNames sorts node-10 after node-9.
func CompareNames(a, b string) int {
	if c := len(a) - len(b); c != 0 && strings.TrimRight(a, "0123456789") == strings.TrimRight(b, "0123456789") {
		return c
	}
	return strings.Compare(a, b)
}

// pods names those that aren't well.
func (p *diagnosis) pods() {
	for _, cluster := range slices.Sorted(maps.Keys(p.facts.clusters)) {
		if p.unreachable[cluster] {
			continue
		}
		for _, pod := range p.facts.clusters[cluster].pods {
			if !pod.OK && !pod.member { // of those it has been said
				p.problem(podNotWell, cluster, pod.Namespace+"/"+pod.Name, "pod "+pod.Namespace+"/"+pod.Name+" of "+cluster+": "+pod.State,
					p.kubectl(cluster, "-n", pod.Namespace, "describe", "pod", pod.Name))
			}
		}
	}
}

func (p *diagnosis) zone() {
	if p.stack.Domain == "" {
		return
	}
	z := Zone{Installed: true, Domain: p.stack.Domain, NameServers: p.facts.zone}
	for _, s := range z.NameServers {
		if !s.Answers {
			p.problem(nameServerSilent, "", s.Name, "zone "+z.Domain+": name server "+s.Name+": "+s.Error, shell.Join("dig", "@"+s.Name, z.Domain, "NS"))
		}
	}
	p.to.Zone = z
}
