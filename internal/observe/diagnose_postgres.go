package observe

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"hybrid/workloads/topology"
)

// What a replica may be behind before it counts as lagging.
const (
	lagBytes   = 16 << 20
	lagSeconds = 10.0
	// A replica says where it is every 10 seconds (wal_receiver_status_interval),
	// however little happens.
	silentSeconds = 13.0
	// waitSeconds is how long a commit may wait for replicas: longer than Patroni
	// takes to let go of those of a cluster that is cut off.
	waitSeconds = 20.0
)

// noStream is the state of a replica that neither the leader nor Patroni knows.
const noStream = "none"

// noLeader is the note on a replica that is well, as far as one can tell.
const noLeader = "no leader tells of it"

// member is one of PostgreSQL's, by all that is known of it.
type member struct {
	name, cluster string
	pod           *Pod           // nil if no cluster shows it
	server        *server        // nil if it hasn't been asked, or says nothing
	patroni       *patroniMember // nil if Patroni doesn't know it
}

// database is what the sources say of PostgreSQL, put together.
type database struct {
	members []*member // by name
	leader  *member   // nil if there is none
	// patroni is the newest answer of any; nil if none answers.
	patroni *patroni
	streams map[string]serverStream // the leader's, by the replicas' names
}

// gather puts together what the sources say.
func (p *diagnosis) gather() *database {
	d := &database{streams: map[string]serverStream{}}
	by := map[string]*member{}
	for _, c := range p.stack.Clusters {
		f := p.facts.clusters[c.Name]
		if a := f.patroni; a != nil && a.err == nil && (d.patroni == nil || a.at.After(d.patroni.at)) {
			d.patroni = a
		}
		for _, pod := range f.pods {
			if !pod.member || pod.State == "Terminating" {
				continue
			}
			m := &member{name: pod.Name, cluster: c.Name, pod: &pod}
			if s := f.servers[pod.Name]; s != nil && s.err == nil && f.err == nil {
				m.server = s
			}
			by[m.name] = m
		}
	}
	if d.patroni != nil {
		for i := range d.patroni.Cluster.Members {
			x := &d.patroni.Cluster.Members[i]
			m := by[x.Name]
			if m == nil {
				// A key of etcd outlives its member for a while.
				if cluster := p.facts.clusters[x.Tags.Cloud]; p.expected(x.Tags.Cloud) && cluster.err == nil {
					continue
				}
				m = &member{name: x.Name, cluster: x.Tags.Cloud}
				by[m.name] = m
			}
			m.patroni = x
		}
	}
	d.members = slices.SortedFunc(maps.Values(by), func(a, b *member) int { return cmp.Compare(a.name, b.name) })
	d.leader = d.chooseLeader()
	if d.leader != nil && d.leader.server != nil {
		for _, s := range d.leader.server.Streams {
			s.Silent += p.now.Sub(d.leader.server.at).Seconds()
			d.streams[s.Name] = s
		}
	}
	return d
}

// writers are the members that take writes, the newest timeline first.
func (d *database) writers() []*member {
	var all []*member
	for _, m := range d.members {
		if m.server != nil && !m.server.Replica {
			all = append(all, m)
		}
	}
	slices.SortStableFunc(all, func(a, b *member) int { return b.server.Timeline - a.server.Timeline })
	return all
}

// chooseLeader is the one that Patroni names, unless another one is seen to take writes
// and that one isn't: Patroni's word may be some seconds old.
func (d *database) chooseLeader() *member {
	var named *member
	for _, m := range d.members {
		if m.patroni != nil && m.patroni.Role == "leader" {
			named = m
		}
	}
	writers := d.writers()
	if len(writers) == 0 || slices.Contains(writers, named) {
		return named
	}
	return writers[0]
}

func (p *diagnosis) postgres() {
	to, d := &p.to.PostgreSQL, p.database
	placed := p.placedMaster()
	to.Installed = len(d.members) > 0 || placed != ""
	if !to.Installed {
		return
	}
	if d.patroni != nil {
		to.Durability = DurabilityNone
		if d.patroni.synchronous() {
			to.Durability = DurabilityCloud
		}
	}
	p.leader(placed)
	for _, m := range d.members {
		if m != d.leader {
			p.replica(m)
		}
		if m.server != nil && m.server.Lost != nil {
			to.lose(m)
		}
	}
	p.strangers()
	p.unseen()
	slices.SortFunc(to.Replicas, func(a, b Stream) int {
		return strings.Compare(a.Cluster+" "+a.Pod+" "+a.Address, b.Cluster+" "+b.Pod+" "+b.Address)
	})
	to.Knowing = d.knowing()
	p.replicaProblems()
	p.failoverProblems()
}

// lose adds what a member has lost. Others that had followed it may have lost the same.
func (to *PostgreSQL) lose(m *member) {
	lost := *m.server.Lost
	lost.Cluster, lost.Pod = m.cluster, m.name
	same := slices.IndexFunc(to.Losses, func(l Loss) bool { return l.Cluster == lost.Cluster && l.First == lost.First })
	if same < 0 {
		to.Losses = append(to.Losses, lost)
	} else if to.Losses[same].Commits < lost.Commits {
		to.Losses[same] = lost
	}
}

// leader shows the leader.
func (p *diagnosis) leader(placed string) {
	to, m := &p.to.PostgreSQL, p.database.leader
	if m == nil {
		to.Error = "there is no leader"
		if p.database.patroni == nil {
			to.Error = "who leads is not known: no member's Patroni answers"
		}
		if p.unreachable[placed] {
			to.Error += ", and " + placed + " does not answer"
		}
		p.problem(leaderMissing, "", "", "postgresql: "+to.Error, p.kubectl(p.answering(placed), "get", "pods", "-A", "-o", "wide", "-l", "app in ("+topology.Master+", "+topology.Replica+")"))
		return
	}
	to.Leader = &Server{Cluster: m.cluster, Pod: m.name}
	if m.pod != nil {
		to.Leader.Node, to.Leader.Namespace = m.pod.node, m.pod.Namespace
	}
	switch {
	case p.unreachable[m.cluster]:
		to.Error = "the leader's cluster " + m.cluster + " does not answer"
	case m.pod == nil:
		to.Error = "the leader " + m.name + " has no pod that is seen"
	case m.server == nil:
		to.Error = "the leader " + m.name + " of " + m.cluster + " does not answer"
		if s := p.facts.clusters[m.cluster].servers[m.name]; s != nil && s.err != nil {
			to.Error += ": " + s.err.Error()
		}
	case m.server.Replica:
		to.Error = "the leader " + m.name + " of " + m.cluster + " accepts no writes at present: its log says why"
	case !m.pod.OK:
		to.Error = "the leader " + m.name + " of " + m.cluster + " is not ready: " + m.pod.State
	}
	if to.Error != "" {
		command := p.kubectl(m.cluster, "get", "pods", "-A", "-o", "wide", "-l", "app="+topology.Replica)
		if m.pod != nil {
			command = p.logs(m.pod)
		}
		p.problem(leaderNotWell, m.cluster, m.name, "postgresql: "+to.Error, command)
	}
	if m.server == nil {
		return
	}
	to.Leader.Version, to.Leader.Position, to.Leader.Timeline = m.server.Version, m.server.Position, m.server.Timeline
	p.backup(m.server)
	if m.server.Waiting > waitSeconds {
		p.problem(commitsWait, "", "", fmt.Sprintf("postgresql: commits have waited for replicas for %.0f s: too few of them follow", m.server.Waiting),
			p.psql("select application_name, state, sync_state from pg_stat_replication"))
	}
}

// replica shows one that there is.
func (p *diagnosis) replica(m *member) {
	r := Stream{Cluster: m.cluster, Pod: m.name, State: noStream}
	state := "" // its pod's
	if m.pod != nil {
		r.Node, r.Namespace, r.Address, state = m.pod.node, m.pod.Namespace, m.pod.Address, m.pod.State
	}
	if s, ok := p.database.streams[m.name]; ok {
		delete(p.database.streams, m.name)
		r.fill(s)
		// The leader measures with what the replica says it has replayed: at first that is nothing.
		if r.LagSeconds == nil && r.LagBytes != nil && m.server != nil {
			r.LagSeconds = m.server.Age
		}
	} else {
		if m.patroni != nil && (p.leaderless() || m.patroni.State != "streaming" && m.patroni.State != "running") {
			r.State = m.patroni.State
		}
		p.ownLag(&r, m)
	}
	if m.server != nil {
		r.Position, r.timeline, r.bytes = m.server.Position, m.server.Timeline, m.server.Bytes
	}
	if r.Node == "" {
		r.Node = p.owner(r.Address)
	}
	r.Electable = p.electable(m, &r)
	p.judge(&r, state)
}

// ownLag is how far a replica without a stream is behind: by what it says itself, or
// else by what Patroni knows.
func (p *diagnosis) ownLag(r *Stream, m *member) {
	switch {
	case p.leaderless():
		if m.patroni != nil {
			if lag, ok := m.patroni.Lag.(float64); ok {
				bytes := int64(lag)
				r.LagBytes = &bytes
			}
		}
	case m.server != nil && m.server.Replica:
		bytes := max(0, p.database.leader.server.Bytes-m.server.Bytes)
		r.LagBytes, r.LagSeconds = &bytes, m.server.Age
		r.settle()
	}
}

// electable says whether Patroni would let a replica lead, if the leader were lost.
func (p *diagnosis) electable(m *member, r *Stream) bool {
	if m.patroni == nil || m.server == nil || p.unreachable[m.cluster] {
		return false
	}
	if r.State != "streaming" && !(p.leaderless() && r.State == "running") {
		return false
	}
	return p.to.PostgreSQL.Durability == DurabilityNone || m.patroni.voter()
}

// strangers shows streams to what is no member that anybody knows.
func (p *diagnosis) strangers() {
	for name, s := range p.database.streams {
		r := Stream{Node: p.owner(s.Address)}
		r.fill(s)
		r.Cluster = p.home[r.Node]
		if r.Cluster == "" {
			r.Note = "unknown role: " + name
		}
		p.judge(&r, "")
	}
}

// unseen adds the replicas that the federation has placed in clusters that don't
// answer, and of which no other member knows.
func (p *diagnosis) unseen() {
	for _, x := range p.to.Federation.Placements {
		for _, c := range x.Clusters {
			if x.Name != topology.Replica || !p.unreachable[c.Cluster] {
				continue
			}
			known := 0
			for _, r := range p.to.PostgreSQL.Replicas {
				if r.Cluster == c.Cluster && r.Pod != topology.Master+"-0" {
					known++
				}
			}
			if l := p.database.leader; l != nil && l.cluster == c.Cluster && l.name != topology.Master+"-0" {
				known++
			}
			for ; known < c.Wanted; known++ {
				p.judge(&Stream{Cluster: c.Cluster, State: noStream}, "")
			}
		}
	}
}

func (s *Stream) fill(from serverStream) {
	s.Address, s.State, s.Sync = cmp.Or(s.Address, from.Address), from.State, from.Sync
	s.LagBytes, s.LagSeconds, s.SilentSeconds = from.Bytes, from.Seconds, from.Silent
	s.settle()
}

// settle makes bytes and seconds agree: who has all is not behind. The seconds are
// measured with what was written last, however long ago that was.
func (s *Stream) settle() {
	if s.LagBytes != nil && *s.LagBytes == 0 {
		s.LagSeconds = new(float64)
	}
}

// judge says whether a replica is well, and adds it.
func (p *diagnosis) judge(r *Stream, pod string) {
	switch {
	case r.Cluster != "" && p.unreachable[r.Cluster]:
		r.Note = fmt.Sprintf("its cluster does not answer; last heard of %.0f s ago", r.SilentSeconds)
		if r.State != "streaming" && r.State != "catchup" {
			r.Note = "its cluster does not answer"
		}
	case r.Note != "":
	case p.leaderless() && pod == "Running":
		r.Note = noLeader
	case r.State == noStream && pod != "Running" && pod != "":
		r.Note = "no stream; its pod: " + pod
	case r.State == noStream:
		r.Note = "no stream"
	case r.State != "streaming":
		r.Note = "its state is " + r.State
	case pod != "" && pod != "Running":
		r.Note = "its pod: " + pod
	case r.SilentSeconds > silentSeconds:
		r.Note = fmt.Sprintf("the leader hasn't heard of it for %.0f s", r.SilentSeconds)
	case r.LagBytes != nil && *r.LagBytes > lagBytes:
		r.Note = fmt.Sprintf("it is %d MB behind", *r.LagBytes>>20)
	case r.LagSeconds != nil && *r.LagSeconds > lagSeconds:
		r.Note = fmt.Sprintf("it is %.0f s behind", *r.LagSeconds)
	default:
		r.OK = true
	}
	p.to.PostgreSQL.Replicas = append(p.to.PostgreSQL.Replicas, *r)
}

// replicaProblems names the replicas that aren't well; those of a cluster that
// doesn't answer together.
func (p *diagnosis) replicaProblems() {
	cut := map[string]int{}
	for _, r := range p.to.PostgreSQL.Replicas {
		switch {
		case r.OK || r.Note == noLeader: // of which it has been said
		case p.unreachable[r.Cluster]:
			cut[r.Cluster]++
		case r.Namespace == "":
			p.problem(replicaNotWell, r.Cluster, cmp.Or(r.Pod, r.Address), "postgresql: replica "+r.title()+": "+r.Note, p.psql("select * from pg_stat_replication"))
		default:
			// One that has just begun is still in its init container.
			p.problem(replicaNotWell, r.Cluster, r.Pod, "postgresql: replica "+r.title()+": "+r.Note, p.logs(&Pod{cluster: r.Cluster, Namespace: r.Namespace, Name: r.Pod}))
		}
	}
	for _, cluster := range slices.Sorted(maps.Keys(cut)) {
		p.problem(replicasUnreachable, cluster, "", fmt.Sprintf("postgresql: %d replicas of %s may lag: their cluster does not answer", cut[cluster], cluster),
			p.psql("select * from pg_stat_replication"))
	}
}
