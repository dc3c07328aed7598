package observe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Change is something that has happened in the last hour: a problem that has come, and
// perhaps gone; another leader; or what Kubernetes tells of a node.
type Change struct {
	Time time.Time `json:"time"`
	// Until is when a problem was over; nil if it isn't, or the change is of another kind.
	Until *time.Time `json:"until,omitempty"`
	// Kind is the name of the [Judgement], or one of the below.
	Kind    string `json:"kind"`
	Cluster string `json:"cluster,omitempty"`
	Object  string `json:"object,omitempty"`
	Text    string `json:"text"`
}

// The kinds of changes that are no problems.
const (
	LeaderChanged = "LeaderChanged"
	NodeEvent     = "NodeEvent"
)

// ChangesKept is how long a change is told.
const ChangesKept = time.Hour

// maxChanges is how many there are at most, of those that were seen.
const maxChanges = 200

// history is what one picture after the other has shown.
type history struct {
	begun   bool
	leader  Server
	changes []Change // oldest first
}

// see compares a picture with those before. What the first one
// shows may have been so for any time.
func (h *history) see(s *Snapshot) {
	type key struct{ kind, cluster, object string }
	now := map[key]bool{}
	for _, p := range s.Problems {
		now[key{p.Kind, p.Cluster, p.Object}] = true
	}
	open := map[key]bool{}
	for i := range h.changes {
		c := &h.changes[i]
		k := key{c.Kind, c.Cluster, c.Object}
		if c.Until != nil || c.Kind == LeaderChanged {
			continue
		}
		if open[k] = true; !now[k] {
			c.Until = &s.Time
		}
	}
	for _, p := range s.Problems {
		if k := (key{p.Kind, p.Cluster, p.Object}); !open[k] {
			c := Change{Time: s.Time, Kind: p.Kind, Cluster: p.Cluster, Object: p.Object, Text: p.Text}
			if !h.begun {
				c.Time = time.Time{} // it isn't told, and so isn't new later
			}
			h.changes = append(h.changes, c)
			open[k] = true
		}
	}
	if l := s.PostgreSQL.Leader; l != nil {
		if before := h.leader; before.Pod != "" && (before.Pod != l.Pod || before.Cluster != l.Cluster) {
			h.changes = append(h.changes, Change{
				Time: s.Time, Kind: LeaderChanged, Cluster: l.Cluster, Object: l.Pod,
				Text: fmt.Sprintf("postgresql: %s of %s leads; before it was %s of %s", l.Pod, l.Cluster, before.Pod, before.Cluster),
			})
		}
		h.leader = *l
	}
	h.begun = true
	h.changes = slices.DeleteFunc(h.changes, func(c Change) bool {
		return c.Until != nil && s.Time.Sub(*c.Until) > ChangesKept || c.Kind == LeaderChanged && s.Time.Sub(c.Time) > ChangesKept
	})
	if extra := len(h.changes) - maxChanges; extra > 0 {
		h.changes = slices.Delete(h.changes, 0, extra)
	}
}

// told are the changes to be told with a picture, newest first: those that were seen, and
// what Kubernetes says of nodes.
func (h *history) told(s *Snapshot, f *facts) []Change {
	var all []Change
	for _, c := range h.changes {
		if !c.Time.IsZero() {
			all = append(all, c)
		}
	}
	for _, c := range f.clusters {
		for _, e := range c.events {
			if s.Time.Sub(e.Time) <= ChangesKept {
				all = append(all, e)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Change) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.Text, b.Text)) })
	return all[:min(len(all), maxChanges)]
}

// nodeReasons are those of Kubernetes' events that are told, beside warnings:
// https://github.com/kubernetes/kubernetes/blob/v1.35.4/pkg/controller/util/node/controller_utils.go.
var nodeReasons = []string{"NodeNotReady", "RemovingNode", "Rebooted"}

// readEvents asks a cluster what has happened to its nodes. Who may not know that, or
// gets no answer, knows the less: it is no problem.
func (o *Observer) readEvents(ctx context.Context, cluster string) {
	a := o.clusters[cluster]
	if a.broken != nil || o.of(cluster).err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	list, err := a.client.CoreV1().Events("").List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=Node"})
	if err != nil {
		return
	}
	var found []Change
	for _, e := range list.Items {
		if e.Type == corev1.EventTypeWarning || slices.Contains(nodeReasons, e.Reason) {
			at := cmp.Or(e.LastTimestamp.Time, e.EventTime.Time, e.CreationTimestamp.Time)
			node := e.InvolvedObject.Name
			found = append(found, Change{
				Time: at.Local(), Kind: NodeEvent, Cluster: cluster, Object: node,
				Text: fmt.Sprintf("node %s of %s: %s: %s", node, cluster, e.Reason, e.Message),
			})
		}
	}
	o.update(cluster, func(c *clusterFacts) { c.events = found })
}
