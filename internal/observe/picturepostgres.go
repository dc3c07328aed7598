package observe

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"hybrid/internal/shell"
)

// What a replica may be behind before it counts as lagging.
const (
	lagBytes   = 16 << 20 // a segment of the write-ahead log
	lagSeconds = 10.0
	// A replica says where it is every 10 seconds (wal_receiver_status_interval),
	// however little happens.
	silentSeconds = 13.0
)

// noStream is the state of a replica that the master doesn't know.
const noStream = "none"

func (p *painter) postgres() {
	to := &p.to.PostgreSQL
	var replicas []Pod
	var master *Pod
	for _, c := range p.stack.Clusters {
		for _, pod := range p.facts.clusters[c.Name].pods {
			switch {
			case pod.State == "Terminating":
			case pod.Role == Master:
				// After a promotion, that of a cluster that is lost may still be known.
				if master == nil || p.unreachable[master.cluster] || !master.OK {
					master = &pod
				}
			case pod.Role == Replica:
				replicas = append(replicas, pod)
			}
		}
	}
	placed := p.placedMaster()
	to.Installed = master != nil || len(replicas) > 0 || placed != ""
	if !to.Installed {
		return
	}
	streams := p.master(master, placed)
	for _, pod := range replicas {
		p.replica(pod, streams)
	}
	p.strangers(streams)
	p.unseen()
	slices.SortFunc(to.Replicas, func(a, b Stream) int {
		return strings.Compare(a.Cluster+" "+a.Pod+" "+a.Address, b.Cluster+" "+b.Pod+" "+b.Address)
	})
	p.replicaProblems()
}

// replicaProblems names the replicas that aren't well; those of a cluster that
// doesn't answer together.
func (p *painter) replicaProblems() {
	cut := map[string]int{}
	for _, r := range p.to.PostgreSQL.Replicas {
		switch {
		case r.OK:
		case p.unreachable[r.Cluster]:
			cut[r.Cluster]++
		case r.Pod == "":
			p.problem("postgresql: replica "+r.title()+": "+r.Note, p.psql("select * from pg_stat_replication"))
		default:
			// One that has just begun is still in its init container.
			p.problem("postgresql: replica "+r.title()+": "+r.Note,
				p.kubectl(r.Cluster, "-n", r.Namespace, "logs", "--tail", "20", "--all-containers", r.Pod))
		}
	}
	for _, cluster := range slices.Sorted(maps.Keys(cut)) {
		p.problem(fmt.Sprintf("postgresql: %d replicas of %s may lag: their cluster does not answer", cut[cluster], cluster),
			p.psql("select * from pg_stat_replication"))
	}
}

// title names a replica.
func (s *Stream) title() string {
	name := s.Pod
	if name == "" {
		name = s.Address
		if s.Node != "" {
			name += " on " + s.Node
		}
	}
	if s.Cluster != "" {
		name += " of " + s.Cluster
	}
	return name
}

// placedMaster is the cluster where the federation wants the master.
func (p *painter) placedMaster() string {
	for _, x := range p.to.Federation.Placements {
		if x.Name == masterApp && x.Replicas > 0 && len(x.Clusters) > 0 {
			return x.Clusters[0].Cluster
		}
	}
	return ""
}

// master shows the master and returns its streams by address.
func (p *painter) master(pod *Pod, placed string) map[string]serverStream {
	to := &p.to.PostgreSQL
	streams := map[string]serverStream{}
	if pod == nil {
		to.Error = "there is no master"
		cluster := placed
		if placed != "" && p.unreachable[placed] {
			to.Error = "the master's cluster " + placed + " does not answer"
		}
		if cluster == "" {
			cluster = p.stack.Clusters[0].Name
		}
		p.problem("postgresql: "+to.Error, p.kubectl(cluster, "get", "pods", "-A", "-o", "wide", "-l", "app="+masterApp))
		return streams
	}
	to.Master = &Server{Cluster: pod.cluster, Node: pod.node, Namespace: pod.Namespace, Pod: pod.Name}
	r := p.facts.replication
	switch {
	case p.unreachable[pod.cluster]:
		to.Error = "the master's cluster " + pod.cluster + " does not answer"
	case !pod.OK:
		to.Error = "the master " + pod.Name + " of " + pod.cluster + " is not ready: " + pod.State
	case p.facts.replicationErr != nil:
		to.Error = "the master does not answer: " + p.facts.replicationErr.Error()
	case r == nil:
		to.Error = "the master hasn't been asked yet"
	case r.Closed:
		to.Error = "the master " + pod.Name + " of " + pod.cluster + " accepts no writes at present: its log says why"
	}
	if to.Error != "" {
		p.problem("postgresql: "+to.Error, p.kubectl(pod.cluster, "-n", pod.Namespace, "logs", "--tail", "20", "--all-containers", pod.Name))
	}
	if r == nil || r.master.Name != pod.Name || r.master.cluster != pod.cluster {
		return streams
	}
	to.Master.Version, to.Master.Position = r.Version, r.Position
	if r.Lack > 0 {
		p.problem(fmt.Sprintf("postgresql: commits wait: of the replicas outside of %s, %d too few follow (synchronousReplicas)", pod.cluster, r.Lack),
			p.psql("select application_name, state, sync_state from pg_stat_replication"))
	}
	for _, s := range r.Streams {
		s.Silent += p.now.Sub(r.at).Seconds()
		streams[s.Address] = s
	}
	return streams
}

// replica shows a replica's pod with its stream, which it takes out of streams.
func (p *painter) replica(pod Pod, streams map[string]serverStream) {
	r := Stream{Cluster: pod.cluster, Node: pod.node, Namespace: pod.Namespace, Pod: pod.Name, Address: pod.Address, State: noStream}
	if s, ok := streams[pod.Address]; ok && pod.Address != "" {
		delete(streams, pod.Address)
		r.fill(s)
	}
	p.judge(&r, pod.State)
}

// strangers shows streams to replicas whose pods nobody sees, because their cluster
// doesn't answer. Weave Net knows which node has the address.
func (p *painter) strangers(streams map[string]serverStream) {
	for address, s := range streams {
		r := Stream{Address: address, Node: p.owner(address)}
		if r.Cluster = p.home[r.Node]; r.Cluster == "" && p.expected(s.Name) {
			r.Cluster = s.Name
		}
		r.fill(s)
		p.judge(&r, "")
	}
}

// expected says whether a name is a cluster's.
func (p *painter) expected(name string) bool {
	return slices.ContainsFunc(p.stack.Clusters, func(e Expected) bool { return e.Name == name })
}

// unseen adds the replicas that the federation has placed in clusters that don't
// answer, and of which the master knows no more either.
func (p *painter) unseen() {
	for _, x := range p.to.Federation.Placements {
		for _, c := range x.Clusters {
			if x.Name != replicaApp || !p.unreachable[c.Cluster] {
				continue
			}
			known := 0
			for _, r := range p.to.PostgreSQL.Replicas {
				if r.Cluster == c.Cluster {
					known++
				}
			}
			for ; known < c.Wanted; known++ {
				p.judge(&Stream{Cluster: c.Cluster, State: noStream}, "")
			}
		}
	}
}

// owner is the node that has an address of the mesh.
func (p *painter) owner(address string) string {
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

func (s *Stream) fill(from serverStream) {
	s.Address, s.State, s.Sync = from.Address, from.State, from.Sync
	s.LagBytes, s.LagSeconds, s.SilentSeconds = from.Bytes, from.Seconds, from.Silent
	if s.LagSeconds == nil && s.LagBytes != nil && *s.LagBytes == 0 {
		// An idle master measures no time.
		s.LagSeconds = new(float64)
	}
}

// judge says whether a replica is well, and adds it.
func (p *painter) judge(r *Stream, pod string) {
	switch {
	case r.Cluster != "" && p.unreachable[r.Cluster]:
		r.Note = fmt.Sprintf("its cluster does not answer; last heard of %.0f s ago", r.SilentSeconds)
		if r.State == noStream {
			r.Note = "its cluster does not answer"
		}
	case r.State == noStream && pod != "Running":
		r.Note = "no stream; its pod: " + pod
	case r.State == noStream:
		r.Note = "no stream"
	case pod != "" && pod != "Running":
		r.Note = "its pod: " + pod
	case r.State != "streaming":
		r.Note = "its state is " + r.State
	case r.SilentSeconds > silentSeconds:
		r.Note = fmt.Sprintf("the master hasn't heard of it for %.0f s", r.SilentSeconds)
	case r.LagBytes != nil && *r.LagBytes > lagBytes:
		r.Note = fmt.Sprintf("it is %d MB behind", *r.LagBytes>>20)
	case r.LagSeconds != nil && *r.LagSeconds > lagSeconds:
		r.Note = fmt.Sprintf("it is %.0f s behind", *r.LagSeconds)
	case pod == "" && r.Cluster == "":
		r.Note = "it is no pod of any cluster that answers"
	default:
		r.OK = true
	}
	p.to.PostgreSQL.Replicas = append(p.to.PostgreSQL.Replicas, *r)
}

// psql is a command that asks the master.
func (p *painter) psql(sql string) string {
	m := p.to.PostgreSQL.Master
	if m == nil {
		return ""
	}
	return PSQL(p.stack.Kubectl(m.Cluster), m.Namespace, m.Pod) + " -c " + shell.Quote(sql)
}

// PSQL is a command that opens psql in a server's pod; kubectl begins it.
func PSQL(kubectl, namespace, pod string) string {
	return kubectl + " " + shell.Join("-n", namespace, "exec", "-it", pod, "--", "psql", "-U", "postgres")
}
