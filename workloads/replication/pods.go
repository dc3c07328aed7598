// Package replication looks at PostgreSQL's replicas and promotes them. It knows the
// pods that hybrid/workloads makes, and the scripts in them.
package replication

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// Names of the pods' label "app".
const (
	MasterApp  = "psql-master"
	ReplicaApp = "psql-replica"
	WitnessApp = "psql-witness"
)

// Topology is what the stack's settings say. Its JSON is in the ConfigMap Settings.
type Topology struct {
	// Master is the cluster that the settings name, which a promotion is ahead of.
	Master string `json:"master"`
	// Witness is the cluster that the witness runs in.
	Witness string `json:"witness"`
	// Placement is how many replicas there are to be in each cluster.
	Placement map[string]int `json:"placement"`
	// Synchronous is for how many replicas a commit waits.
	Synchronous int `json:"synchronous"`
}

// abroad is how many replicas there are to be outside of a cluster.
func (t *Topology) abroad(cluster string) (n int) {
	for name, replicas := range t.Placement {
		if name != cluster {
			n += replicas
		}
	}
	return n
}

// Settings is the ConfigMap, in every cluster, and TopologyKey its key with the
// Topology.
const (
	Settings    = "psql-settings"
	TopologyKey = "topology"
)

// ParseTopology reads a Topology's JSON.
func ParseTopology(text string) (*Topology, error) {
	var t Topology
	if err := json.Unmarshal([]byte(text), &t); err != nil || t.Master == "" || t.Witness == "" {
		return nil, fmt.Errorf("ConfigMap %s: expected the topology of PostgreSQL, found %.100q", Settings, text)
	}
	return &t, nil
}

// Pod is a running one.
type Pod struct {
	Cluster, Name, Node, Address string
}

func (p Pod) String() string { return p.Name + " in " + p.Cluster }

// Pods is how pods are reached.
type Pods interface {
	// List returns the pods of a cluster with a value of the label "app". Those
	// on machines that are down may be among them.
	List(ctx context.Context, cluster, app string) ([]Pod, error)
	// Exec runs a program in a pod and returns what it prints.
	Exec(ctx context.Context, pod Pod, stdin string, args ...string) (string, error)
}

// control runs control.sh in a pod.
func control(ctx context.Context, pods Pods, pod Pod, args ...string) (*Position, error) {
	out, err := pods.Exec(ctx, pod, "", append([]string{"sh", "/etc/psql/scripts/control.sh"}, args...)...)
	if err != nil {
		return nil, err
	}
	return parsePosition(out)
}

// query asks a pod's own server. Columns are separated by |.
func query(ctx context.Context, pods Pods, pod Pod, sql string) ([][]string, error) {
	out, err := pods.Exec(ctx, pod, sql, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres")
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for line := range strings.Lines(out) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			rows = append(rows, strings.Split(line, "|"))
		}
	}
	return rows, nil
}

// one finds the one pod of an app.
func one(ctx context.Context, pods Pods, cluster, app string) (Pod, error) {
	found, err := pods.List(ctx, cluster, app)
	if err != nil {
		return Pod{}, err
	}
	if len(found) != 1 {
		return Pod{}, fmt.Errorf("cluster %q: found %d pods of %s, expected one", cluster, len(found), app)
	}
	return found[0], nil
}
