package observe

import "fmt"

func (p *diagnosis) federation() {
	server, known := p.servers[FederationContext]
	if !known {
		return
	}
	p.to.Federation = Federation{Installed: true}
	f := &p.to.Federation
	if p.facts.federation != nil {
		*f = *p.facts.federation
	} else {
		f.Error = "it hasn't been asked yet"
	}
	f.Server = server
	if !f.Reachable {
		if server == "" {
			p.problem(federationMisconfigured, "", "", "federation: "+f.Error, p.stack.kubectl("config", "view"))
			return
		}
		p.problem(federationUnreachable, "", "", "federation: its API at "+server+" does not answer: "+f.Error, p.kubectl(FederationContext, "get", "--raw", "/readyz?verbose"))
		return
	}
	for _, m := range f.Members {
		if !m.Ready {
			p.problem(memberNotReady, m.Cluster, "", "federation: member "+m.Cluster+" is not ready: "+m.Reason, p.kubectl(FederationContext, "describe", "cluster", m.Cluster))
		}
	}
	for _, c := range p.stack.Clusters {
		// A kubeconfig file doesn't say what belongs to the federation.
		if p.stack.File == "" && !f.has(c.Name) {
			p.problem(memberMissing, c.Name, "", "federation: "+c.Name+" is not a member", p.kubectl(FederationContext, "get", "clusters"))
		}
	}
	for _, x := range f.Placements {
		p.placement(x)
	}
}

func (f *Federation) has(cluster string) bool {
	for _, m := range f.Members {
		if m.Cluster == cluster {
			return true
		}
	}
	return false
}

// placement names what isn't where it should be.
func (p *diagnosis) placement(x Placement) {
	what := fmt.Sprintf("%s %s/%s", x.Kind, x.Namespace, x.Name)
	show := func(cluster string) string {
		return p.kubectl(cluster, "-n", x.Namespace, "describe", x.Kind, x.Name)
	}
	if x.Error != "" {
		p.problem(placementImpossible, "", what, "federation: "+what+" has no place: "+x.Error, show(FederationContext))
	}
	total := 0
	for _, c := range x.Clusters {
		total += c.Wanted
		switch {
		case p.unreachable[c.Cluster] || !p.memberReady(c.Cluster):
			if c.Wanted > 0 {
				p.problem(placementUnknown, c.Cluster, what, fmt.Sprintf("federation: %s in %s: %d wanted, and %s does not answer", what, c.Cluster, c.Wanted, c.Cluster), show(FederationContext))
			}
		case !c.Applied && c.Error != "":
			p.problem(placementNotApplied, c.Cluster, what, "federation: "+what+" is not in "+c.Cluster+": "+c.Error, show(FederationContext))
		case !c.Applied:
			p.problem(placementNotApplied, c.Cluster, what, "federation: "+what+" is not in "+c.Cluster+" yet", show(FederationContext))
		case c.Ready < c.Wanted:
			p.problem(placementNotReady, c.Cluster, what, fmt.Sprintf("federation: %s in %s: %d wanted, %d ready", what, c.Cluster, c.Wanted, c.Ready), show(c.Cluster))
		}
	}
	if x.Error == "" && x.Replicas > total {
		p.problem(placementImpossible, "", what, fmt.Sprintf("federation: %s: %d wanted, %d have a place", what, x.Replicas, total), show(FederationContext))
	}
}

func (p *diagnosis) memberReady(cluster string) bool {
	for _, m := range p.to.Federation.Members {
		if m.Cluster == cluster {
			return m.Ready
		}
	}
	return false
}
