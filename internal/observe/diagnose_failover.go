package observe

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"hybrid/internal/shell"
	"hybrid/workloads/topology"
)

// failoverProblems names what a failover would fail by, or has failed by, before it is
// needed.
func (p *diagnosis) failoverProblems() {
	d := p.database
	if writers := d.writers(); len(writers) > 1 {
		var names []string
		for _, m := range writers {
			names = append(names, m.name+" of "+m.cluster)
		}
		p.problem(twoWriters, "", strings.Join(names, " and "), "postgresql: "+strings.Join(names, " and ")+" take writes at the same time", p.patronictl("list"))
	}
	p.askingProblems()
	if d.patroni != nil && d.patroni.Cluster.Pause {
		p.problem(patroniPaused, "", "", "postgresql: Patroni is paused: there is no failover", p.patronictl("resume", topology.Scope))
	}
	p.risks()
	clusters := map[string][]string{}
	for _, r := range p.to.PostgreSQL.Risks {
		if !r.Chosen {
			clusters[r.Why] = append(clusters[r.Why], r.Cluster)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(clusters)) {
		p.problem(unprotected, "", strings.Join(clusters[why], " or "), "postgresql: not protected against the loss of "+strings.Join(clusters[why], " or ")+": "+why, p.patronictl("list"))
	}
}

// askingProblems names the members that can't ask each other. They may replicate well,
// and yet none of them would be elected.
func (p *diagnosis) askingProblems() {
	d, well := p.database, map[string]bool{}
	for _, m := range d.members {
		well[m.name] = m.pod != nil && m.pod.OK && !p.unreachable[m.cluster]
	}
	for _, c := range p.stack.Clusters {
		a := p.facts.clusters[c.Name].patroni
		if a == nil || p.unreachable[c.Name] {
			continue
		}
		who := a.pod.Name + " of " + c.Name
		if a.err != nil {
			p.problem(patroniSilent, c.Name, "", "postgresql: Patroni of "+who+" does not answer: "+a.err.Error(), p.logs(&a.pod))
			continue
		}
		var refused []string
		for name, why := range a.Asked {
			if why != nil && well[name] {
				refused = append(refused, name)
			}
		}
		slices.Sort(refused)
		if len(refused) > 0 {
			p.problem(patroniRefused, c.Name, "", fmt.Sprintf("postgresql: %s can't ask Patroni of %s: %s: a failover needs that", who, strings.Join(refused, ", "), *a.Asked[refused[0]]), p.logs(&a.pod))
		}
	}
}

// risks finds the clusters that must not be lost.
func (p *diagnosis) risks() {
	to, d := &p.to.PostgreSQL, p.database
	if d.leader == nil || d.patroni == nil || to.Error != "" {
		return // that is worse than any risk
	}
	etcd := map[string]int{}
	clusters := map[string]bool{}
	for _, c := range p.stack.Clusters {
		for _, pod := range p.facts.clusters[c.Name].pods {
			if pod.etcd {
				clusters[c.Name] = true
				if pod.OK && !p.unreachable[c.Name] {
					etcd[c.Name]++
				}
			}
		}
	}
	for _, m := range d.members {
		clusters[m.cluster] = true
	}
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		if p.unreachable[name] {
			continue
		}
		why, chosen := p.etcdRisk(name, etcd)
		if why == "" && name == d.leader.cluster {
			why, chosen = p.leaderRisk(name)
		}
		if why != "" {
			to.Risks = append(to.Risks, Risk{name, why, chosen})
		}
	}
}

// etcdRisk is why no leader could be elected without a cluster.
func (p *diagnosis) etcdRisk(cluster string, ready map[string]int) (why string, chosen bool) {
	// Where there are fewer than three clusters, one has all there is.
	members := 3
	if len(p.stack.Clusters) < 3 {
		members = 1
	}
	left := 0
	for name, n := range ready {
		if name != cluster {
			left += n
		}
	}
	if left > members/2 {
		return "", false
	}
	if members == 1 {
		if ready[cluster] == 0 {
			return "", false // it can go
		}
		return "etcd is in no other cluster, so there is no automatic failover", true
	}
	return fmt.Sprintf("only %d of %d members of etcd would be left, and no leader could be elected", left, members), false
}

// leaderRisk is why no replica elsewhere could go on with all that was confirmed.
func (p *diagnosis) leaderRisk(cluster string) (why string, chosen bool) {
	to := &p.to.PostgreSQL
	outside, placed := 0, 0
	for _, r := range to.Replicas {
		if r.Cluster != cluster {
			placed++
			if r.Electable {
				outside++
			}
		}
	}
	switch {
	case placed == 0:
		return "there is no replica elsewhere", true
	case outside == 0:
		return "no replica elsewhere may lead without force", false
	case to.Durability == DurabilityNone:
		return "what is confirmed may be lost with it (durability " + DurabilityNone + ")", true
	}
	if need := to.Knowing; outside < need {
		return fmt.Sprintf("only %d replicas elsewhere may lead, and to know the last commit takes %d of them", outside, need), false
	}
	return "", false
}

// synchronousNodes is Patroni's setting for how many replicas commits wait.
func (d *database) synchronousNodes() int {
	if d.patroni == nil || !d.patroni.synchronous() {
		return 0
	}
	if n, ok := d.patroni.Config.SynchronousNodeCount.(float64); ok {
		return int(n)
	}
	return 1
}

// knowing is how many voters together surely include one that has the last commit: one
// more than may be without it.
func (d *database) knowing() int {
	voters := 0
	for _, m := range d.members {
		if m.patroni != nil && m.patroni.voter() {
			voters++
		}
	}
	wait := min(d.synchronousNodes(), voters)
	if wait == 0 {
		return 0
	}
	return voters - wait + 1
}

// answering is a cluster that answers, if there is one: this one, if it does.
func (p *diagnosis) answering(cluster string) string {
	if p.expected(cluster) && !p.unreachable[cluster] {
		return cluster
	}
	for _, c := range p.stack.Clusters {
		if !p.unreachable[c.Name] {
			return c.Name
		}
	}
	return p.stack.Clusters[0].Name
}

// logs is a command that shows a pod's.
func (p *diagnosis) logs(pod *Pod) string {
	return p.kubectl(pod.cluster, "-n", pod.Namespace, "logs", "--tail", "20", "--all-containers", pod.Name)
}

// leaderless says that there is no leader that answers.
func (p *diagnosis) leaderless() bool {
	return p.database.leader == nil || p.database.leader.server == nil
}

// patronictl is a command that runs it in a member that answers.
func (p *diagnosis) patronictl(args ...string) string {
	for _, m := range p.database.members {
		if m.pod != nil && m.server != nil {
			return p.kubectl(m.cluster, append([]string{"-n", m.pod.Namespace, "exec", m.pod.Name, "--", "patronictl"}, args...)...)
		}
	}
	return ""
}

// title names a replica.
func (s *Stream) title() string {
	name := cmp.Or(s.Pod, s.Address)
	if s.Pod == "" && s.Node != "" {
		name += " on " + s.Node
	}
	if s.Cluster != "" {
		name += " of " + s.Cluster
	}
	return name
}

// placedMaster is the cluster where the federation wants psql-master.
func (p *diagnosis) placedMaster() string {
	for _, x := range p.to.Federation.Placements {
		if x.Name == topology.Master && x.Replicas > 0 && len(x.Clusters) > 0 {
			return x.Clusters[0].Cluster
		}
	}
	return ""
}

// expected says whether a name is a cluster's.
func (p *diagnosis) expected(name string) bool {
	return slices.ContainsFunc(p.stack.Clusters, func(e Expected) bool { return e.Name == name })
}

// owner is the node that has an address of the mesh.
func (p *diagnosis) owner(address string) string {
	for _, c := range p.stack.Clusters {
		for _, r := range p.facts.clusters[c.Name].reports {
			if r.peer != nil {
				if node := r.peer.Owner(address); node != "" {
					return node
				}
			}
		}
	}
	return ""
}

// psql is a command that asks the leader; or Patroni, where that doesn't answer.
func (p *diagnosis) psql(sql string) string {
	m := p.to.PostgreSQL.Leader
	if p.leaderless() || m.Namespace == "" {
		return p.patronictl("list")
	}
	return PSQL(p.stack.Kubectl(m.Cluster), m.Namespace, m.Pod) + " -c " + shell.Quote(sql)
}

// PSQL is a command that opens psql in a server's pod; kubectl begins it.
func PSQL(kubectl, namespace, pod string) string {
	return kubectl + " " + shell.Join("-n", namespace, "exec", "-it", pod, "--", "psql", "-U", "postgres")
}
