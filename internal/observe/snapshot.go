// Package observe looks at a hybrid cloud through its own APIs: Kubernetes', Weave
// Net's, the federation's and PostgreSQL's.
//
// Each source is asked by itself, with its own time-out, and side by side: what
// doesn't answer is a fact like any other. [Observer] gathers facts and makes one
// [Snapshot] of them, whose health is judged in one place.
package observe

import (
	"time"

	"hybrid/workloads/topology"
)

// Snapshot is the whole at one moment.
type Snapshot struct {
	Time     time.Time `json:"time"`
	Stack    string    `json:"stack,omitempty"`
	Healthy  bool      `json:"healthy"`
	Problems []Problem `json:"problems,omitempty"`
	// Changes are those of the last hour, newest first.
	Changes []Change `json:"changes,omitempty"`

	Clusters   []Cluster  `json:"clusters"`
	Mesh       Mesh       `json:"mesh"`
	Federation Federation `json:"federation"`
	PostgreSQL PostgreSQL `json:"postgresql"`
	Zone       Zone       `json:"zone"`
	Services   []Service  `json:"services,omitempty"`
}

// Problem is something that isn't as it should be.
type Problem struct {
	// Kind is the name of the [Judgement]. With Cluster and Object it tells a problem from
	// all others, for as long as it is there.
	Kind string `json:"kind"`
	// Cluster is the one it is of, and Object what it is about there: a node, a
	// namespace/pod, another cluster …; empty if it is of none.
	Cluster string `json:"cluster,omitempty"`
	Object  string `json:"object,omitempty"`
	// Part is what it is a problem of: cluster, node, mesh, federation, postgresql,
	// pod or zone.
	Part string `json:"part"`
	Text string `json:"text"`
	// Command shows more; for a shell.
	Command string `json:"command,omitempty"`
}

// Cluster is one of the Kubernetes clusters.
type Cluster struct {
	Name           string `json:"name"`
	Cloud          string `json:"cloud,omitempty"`
	Region         string `json:"region,omitempty"`
	FederationHost bool   `json:"federationHost,omitempty"`
	Server         string `json:"server"`
	// Reachable says that its API answers. Where it doesn't, nodes and pods are
	// those that were seen last.
	Reachable bool   `json:"reachable"`
	Error     string `json:"error,omitempty"`
	Version   string `json:"version,omitempty"`
	Nodes     []Node `json:"nodes"`
	// Snapshots are those of its etcd; nil if none are made.
	Snapshots *Snapshots `json:"snapshots,omitempty"`
}

// Node is one of a cluster's machines.
type Node struct {
	Name string `json:"name"`
	// Ready is Kubernetes' word; false also if the cluster doesn't answer.
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"` // why it isn't
	// Reboot has the packages for which its machine waits for a reboot; empty if it doesn't.
	Reboot string `json:"reboot,omitempty"`
	Pods   []Pod  `json:"pods,omitempty"`
}

// Pod is one of a node's pods.
type Pod struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Address   string `json:"address,omitempty"`
	// State is what kubectl shows: Running, Pending, CrashLoopBackOff …
	State string `json:"state"`
	// OK says that it runs and is ready, or has completed.
	OK bool `json:"ok"`
	// Role is Leader or Replica if it is a PostgreSQL server.
	Role string `json:"role,omitempty"`
	// Containers are the names of those that run all the time.
	Containers []string `json:"containers,omitempty"`

	cluster, node       string
	weave, member, etcd bool
}

// The roles of pods.
const (
	Leader  = "leader"
	Replica = "replica"
)

// Mesh is Weave Net on all nodes.
type Mesh struct {
	Installed bool `json:"installed"`
	// Range is the number of addresses for pods.
	Range int        `json:"range,omitempty"`
	Peers []MeshPeer `json:"peers,omitempty"`
	// Between has the links between each two clusters, and within each.
	Between []Bundle `json:"between,omitempty"`
	// Links are the links one by one; in a large mesh only those that aren't up.
	Links []Link `json:"links,omitempty"`
	// Owners are those that hold addresses and that no peer reaches.
	Lost []LostPeer `json:"lost,omitempty"`
}

// MeshPeer is a node's part of the mesh.
type MeshPeer struct {
	Cluster     string  `json:"cluster"`
	Node        string  `json:"node"`
	Name        string  `json:"name,omitempty"` // such as 7a:1c:00:00:00:01
	Answers     bool    `json:"answers"`
	Error       string  `json:"error,omitempty"`
	Established int     `json:"established"`
	Encrypted   int     `json:"encrypted"`
	Pending     int     `json:"pending"`
	Ready       bool    `json:"ready"` // has addresses to give
	Share       float64 `json:"share"` // of the addresses, 0 to 1
}

// LinkState is how a link between two nodes is.
type LinkState string

// The states of links, from good to bad. Weave Net notices a dead link only after
// a minute, so a link is up only if both ends say so.
const (
	Up          LinkState = "up"
	Unencrypted LinkState = "unencrypted"
	Unconfirmed LinkState = "unconfirmed" // one end says so, the other one doesn't answer
	Unknown     LinkState = "unknown"     // neither end answers
	Down        LinkState = "down"
)

// LinkStates are all of them.
var LinkStates = []LinkState{Up, Unencrypted, Unconfirmed, Unknown, Down}

// Link is between two nodes.
type Link struct {
	A     string    `json:"a"`
	B     string    `json:"b"`
	State LinkState `json:"state"`
}

// Bundle is all links between the nodes of two clusters, or of one.
type Bundle struct {
	A     string            `json:"a"`
	B     string            `json:"b"`
	Links int               `json:"links"`
	Count map[LinkState]int `json:"count"`
}

// Broken counts the links that aren't as they should be.
func (b *Bundle) Broken() int { return b.Links - b.Count[Up] }

// LostPeer holds addresses that no other peer can use.
type LostPeer struct {
	Name      string `json:"name"`
	Node      string `json:"node"`
	Addresses int    `json:"addresses"`
}

// Federation is Karmada.
type Federation struct {
	Installed  bool        `json:"installed"`
	Server     string      `json:"server,omitempty"`
	Reachable  bool        `json:"reachable"`
	Error      string      `json:"error,omitempty"`
	Members    []Member    `json:"members,omitempty"`
	Policies   []string    `json:"policies,omitempty"` // namespace/name
	Placements []Placement `json:"placements,omitempty"`
}

// Member is a cluster of the federation.
type Member struct {
	Cluster string `json:"cluster"`
	Ready   bool   `json:"ready"`
	Reason  string `json:"reason,omitempty"`
}

// Placement is what the federation does with one object.
type Placement struct {
	Namespace string `json:"namespace,omitempty"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Policy    string `json:"policy,omitempty"`
	// Replicas is how many are wanted in all; 0 for what has none.
	Replicas int      `json:"replicas"`
	Error    string   `json:"error,omitempty"` // why it has no place
	Clusters []Placed `json:"clusters,omitempty"`
}

// Placed is an object in one cluster.
type Placed struct {
	Cluster string `json:"cluster"`
	Wanted  int    `json:"wanted"`
	Placed  int    `json:"placed"`
	Ready   int    `json:"ready"`
	Applied bool   `json:"applied"`
	Error   string `json:"error,omitempty"`
}

// PostgreSQL is the leader and its replicas.
type PostgreSQL struct {
	Installed bool `json:"installed"`
	// Error is why there is nothing of the streams.
	Error string `json:"error,omitempty"`
	// Durability is DurabilityCloud or DurabilityNone; empty if unknown.
	Durability string `json:"durability,omitempty"`
	// Leader is nil if there is none.
	Leader   *Server  `json:"leader,omitempty"`
	Replicas []Stream `json:"replicas,omitempty"`
	// Knowing is how many of the electable replicas together surely know the last
	// confirmed commit; 0 if unknown, or if commits wait for none.
	Knowing int `json:"knowing,omitempty"`
	// Risks are clusters without which the database would not go on, or not whole.
	Risks []Risk `json:"risks,omitempty"`
	// Losses are what failovers have lost.
	Losses []Loss `json:"losses,omitempty"`
	// Backup is nil where there are none, or the leader says nothing of them.
	Backup *Backup `json:"backup,omitempty"`
}

// The kinds of durability, as the stack's settings call them.
const (
	DurabilityCloud = string(topology.Cloud) // what is confirmed survives the loss of any one cluster
	DurabilityNone  = string(topology.None)  // a failover may lose what was confirmed last
)

// Server is a PostgreSQL server's pod.
type Server struct {
	Cluster   string `json:"cluster"`
	Node      string `json:"node"`
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Version   string `json:"version,omitempty"`
	Timeline  int    `json:"timeline,omitempty"` // grows with each failover
	Position  string `json:"position,omitempty"` // in the write-ahead log
}

// Stream is a replica, and how it follows the leader.
type Stream struct {
	Cluster   string `json:"cluster,omitempty"` // empty if unknown
	Node      string `json:"node,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Pod       string `json:"pod,omitempty"`
	Address   string `json:"address,omitempty"`
	// State is PostgreSQL's, as the leader sees it: streaming, catchup, backup …; or
	// Patroni's, such as "creating replica"; or "none", when neither knows of it.
	State string `json:"state"`
	// Position is what it has replayed of the write-ahead log, as it says itself.
	Position string `json:"position,omitempty"`
	// LagBytes is what it has still to replay; nil if unknown. Without a leader that
	// answers it is what Patroni knows, some seconds old.
	LagBytes *int64 `json:"lagBytes,omitempty"`
	// LagSeconds is how old its state is; nil if unknown, and 0 if LagBytes is.
	LagSeconds *float64 `json:"lagSeconds,omitempty"`
	// SilentSeconds is how long the leader hasn't heard of it.
	SilentSeconds float64 `json:"silentSeconds"`
	Sync          string  `json:"sync,omitempty"` // async, sync, quorum, potential
	// Electable says that Patroni would let it lead without force.
	Electable bool   `json:"electable"`
	OK        bool   `json:"ok"`
	Note      string `json:"note,omitempty"` // why it isn't

	timeline int
	bytes    int64 // Position
}

// Ahead says whether it has more of the write-ahead log than another replica has.
func (s *Stream) Ahead(of *Stream) bool {
	return s.timeline > of.timeline || s.timeline == of.timeline && s.bytes > of.bytes
}

// Risk is a cluster against whose loss the database isn't protected.
type Risk struct {
	Cluster string `json:"cluster"`
	Why     string `json:"why"`
	// Chosen says that the settings make it so: that is no problem to be mended.
	Chosen bool `json:"chosen"`
}

// Loss is what a former leader had committed and its successor lacked. It is known once a
// member that had it has come back, and as long as that pod or its disk is there. Of several of
// one member the last counts.
type Loss struct {
	Cluster string `json:"cluster"`
	Pod     string `json:"pod"`
	Commits int    `json:"commits"`
	First   string `json:"first"` // when the first of them was, as PostgreSQL writes times
	Last    string `json:"last"`
}

// Zone is the DNS zone.
type Zone struct {
	Installed   bool         `json:"installed"`
	Domain      string       `json:"domain,omitempty"`
	NameServers []NameServer `json:"nameServers,omitempty"`
}

// NameServer is one of the zone's.
type NameServer struct {
	Name    string `json:"name"`
	Answers bool   `json:"answers"`
	Error   string `json:"error,omitempty"`
}
