// Package topology names what PostgreSQL consists of in the clusters, and says how it
// is spread. Programs that look at a running database need it, as well as the one that makes it.
package topology

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Names of objects. A pod's label "app" has the name of what made it.
const (
	Master  = "psql-master"  // StatefulSet of one member, and the Service for writing
	Replica = "psql-replica" // ReplicaSet of all other members, and the Service for reading
	Proxy   = "psql-proxy"   // DaemonSet that leads both Services to members
	Members = "psql-members" // headless Service of all clusters' members
	Local   = "psql-local"   // headless Service of a cluster's own members
	// Namespace is where they are.
	Namespace = "default"
	// Scope is Patroni's name of the whole, and the members' label of that name.
	Scope = "psql"
	// Container is the members' one container.
	Container = "postgres"
)

// Ports of members.
const (
	Port     = 5432 // PostgreSQL
	RESTPort = 8008 // Patroni's REST API, TLS
)

// Settings is the ConfigMap, in every cluster, that has a Topology as JSON under Key.
const Settings, Key = "psql-config", "topology"

// Durability says which confirmed writes a failover keeps.
type Durability string

const (
	// Cloud keeps all: what is confirmed is in two clusters at least.
	Cloud Durability = "cloud"
	// None loses what the lost leader hadn't sent yet.
	None Durability = "none"
)

// Topology is how a database is spread over clusters.
type Topology struct {
	Master     string         `json:"master"`    // the cluster of psql-master
	Placement  map[string]int `json:"placement"` // replicas by cluster
	Durability Durability     `json:"durability"`
	Etcd       []string       `json:"etcd"` // the clusters with a member of etcd
}

// Parse reads what Settings has under Key.
func Parse(text string) (*Topology, error) {
	t := &Topology{}
	if err := json.Unmarshal([]byte(text), t); err != nil {
		return nil, fmt.Errorf("ConfigMap %s, key %s: %w", Settings, Key, err)
	}
	return t, nil
}

// Members is how many there are in each cluster that has any.
func (t *Topology) Members() map[string]int {
	all := maps.Clone(t.Placement)
	if all == nil {
		all = map[string]int{}
	}
	all[t.Master]++
	maps.DeleteFunc(all, func(_ string, n int) bool { return n == 0 })
	return all
}

// Clusters are those with members, in the order of their names.
func (t *Topology) Clusters() []string { return slices.Sorted(maps.Keys(t.Members())) }

// Synchronous is how many replicas have to have a write before it is confirmed. So
// many that one of them is always outside of the leader's cluster, wherever that is;
// and no more, so that the other clusters' members can elect a leader when they are
// without it. In a single cluster one copy is all that can be had.
func (t *Topology) Synchronous() int {
	members := t.Members()
	if t.Durability == None {
		return 0
	}
	if len(members) == 1 {
		return 1
	}
	return slices.Max(slices.Collect(maps.Values(members)))
}

// EtcdName is the name of the StatefulSet, and headless Service, of a cluster's
// member of etcd.
func EtcdName(cluster string) string { return "psql-etcd-" + cluster }

// EtcdClusters are three clusters, in the order of their names: the loss of any one
// leaves a majority. They are those of the master and of the federation's host, and
// others with replicas before those without: one more cluster changes nothing. Two
// members would be worse than one, which is then beside the master: there is no
// automatic failover.
func EtcdClusters(master, host string, placement map[string]int, clusters []string) []string {
	if len(clusters) < 3 {
		return []string{master}
	}
	chosen := []string{master}
	with := slices.DeleteFunc(slices.Sorted(maps.Keys(placement)), func(name string) bool { return placement[name] == 0 })
	for _, name := range slices.Concat([]string{host}, with, clusters) {
		if len(chosen) < 3 && !slices.Contains(chosen, name) {
			chosen = append(chosen, name)
		}
	}
	slices.Sort(chosen)
	return chosen
}
