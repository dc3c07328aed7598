package observe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"

	"hybrid/internal/weave"
)

// DefaultTimeout bounds each question to a source. A dead one costs that much, so
// it is short; an API on another continent answers in a fifth of it.
const DefaultTimeout = 3 * time.Second

// Observer looks at a hybrid cloud. It is safe for concurrent use.
type Observer struct {
	// Timeout bounds each question to a source.
	Timeout time.Duration
	// Around says that Look asks what has happened to nodes, and who serves what, too.
	// Watch does so in any case.
	Around bool

	stack      *Stack
	clusters   map[string]*access
	federation *access // nil if there is none

	changed chan struct{} // has room for one

	mu      sync.Mutex
	facts   facts
	history history
}

// facts are what the sources have said last. What they point to isn't changed.
type facts struct {
	clusters   map[string]clusterFacts
	federation *Federation
	zone       []NameServer
}

// clusterFacts are one cluster's.
type clusterFacts struct {
	err     error // why it doesn't answer
	denied  error // why it tells nothing, though it answers
	version string
	nodes   []Node
	pods    []Pod
	reports map[string]peerReport // by node
	servers map[string]*server    // by pod
	patroni *patroni
	// patroniTurn says whose turn it is to be asked.
	patroniTurn int
	events      []Change // of its nodes
	services    *serviceFacts
	snapshots   *Snapshots
}

// peerReport is what a node's Weave Net says, or why it says nothing.
type peerReport struct {
	peer *weave.Peer
	err  error
}

// New prepares for looking at a stack. It connects to nothing. A cluster whose context
// is broken is a problem of that cluster; that all are is an error.
func New(s *Stack) (*Observer, error) {
	o := &Observer{
		Timeout: DefaultTimeout, stack: s,
		clusters: map[string]*access{}, changed: make(chan struct{}, 1),
		facts: facts{clusters: map[string]clusterFacts{}},
	}
	var broken []error
	for _, c := range s.Clusters {
		a := prepare(s.Kubeconfig, c.Name)
		if a.broken != nil {
			broken = append(broken, fmt.Errorf("cluster %q: %w", c.Name, a.broken))
		}
		o.clusters[c.Name] = a
	}
	if len(broken) == len(s.Clusters) {
		return nil, errors.Join(broken...)
	}
	if s.Kubeconfig.Contexts[FederationContext] != nil {
		o.federation = prepare(s.Kubeconfig, FederationContext)
	}
	return o, nil
}

// Clusters are the names of all, in the stack's order.
func (o *Observer) Clusters() (names []string) {
	for _, c := range o.stack.Clusters {
		names = append(names, c.Name)
	}
	return names
}

// Expected are all clusters as they should be, in the stack's order.
func (o *Observer) Expected() []Expected { return o.stack.Clusters }

// Client is one for a cluster's API, or the error that its kubeconfig is broken.
func (o *Observer) Client(cluster string) (kubernetes.Interface, error) {
	a := o.clusters[cluster]
	if a == nil {
		return nil, fmt.Errorf("there is no cluster %q", cluster)
	}
	return a.client, a.broken
}

// Look asks all sources once, side by side.
func (o *Observer) Look(ctx context.Context) *Snapshot {
	var all sync.WaitGroup
	for name := range o.clusters {
		all.Go(func() { o.readSnapshots(ctx, name) })
		all.Go(func() {
			o.readCluster(ctx, name)
			if o.Around {
				all.Go(func() { o.readEvents(ctx, name) })
				all.Go(func() { o.readServices(ctx, name) })
			}
			// What runs in the cluster is asked when its pods are known.
			all.Go(func() { o.readMesh(ctx, name) })
			all.Go(func() { o.readServers(ctx, name) })
			all.Go(func() { o.readPatroni(ctx, name) })
		})
	}
	all.Go(func() { o.readFederation(ctx) })
	all.Go(func() { o.readZone(ctx) })
	all.Wait()
	return o.Snapshot()
}

// Snapshot is the picture of what is known now, with what has changed from one to the next.
func (o *Observer) Snapshot() *Snapshot {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := diagnose(time.Now(), o.stack, o.servers(), &o.facts)
	o.history.see(s)
	s.Changes = o.history.told(s, &o.facts)
	return s
}

// servers are the addresses of the APIs, by context.
func (o *Observer) servers() map[string]string {
	all := map[string]string{}
	for name, a := range o.clusters {
		all[name] = a.server
	}
	if o.federation != nil {
		all[FederationContext] = o.federation.server
	}
	return all
}

// update changes the facts of a cluster.
func (o *Observer) update(cluster string, change func(*clusterFacts)) {
	o.mu.Lock()
	c := o.facts.clusters[cluster]
	change(&c)
	o.facts.clusters[cluster] = c
	o.mu.Unlock()
	o.notify()
}

// notify says that the facts have changed.
func (o *Observer) notify() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// of are the facts of a cluster.
func (o *Observer) of(cluster string) clusterFacts {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.facts.clusters[cluster]
}

// Kubectl begins a command for a cluster, to be copied.
func (o *Observer) Kubectl(cluster string) string { return o.stack.Kubectl(cluster) }
