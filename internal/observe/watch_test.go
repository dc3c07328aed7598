package observe

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"hybrid/internal/fakecloud"
)

// shown collects what Watch shows.
type shown struct {
	sync.Mutex
	latest *Snapshot
}

func (s *shown) show(x *Snapshot) {
	s.Lock()
	defer s.Unlock()
	s.latest = x
}

// within waits until a picture is as wanted.
func (s *shown) within(t *testing.T, limit time.Duration, what string, is func(*Snapshot) bool) {
	t.Helper()
	start := time.Now()
	for {
		s.Lock()
		x := s.latest
		s.Unlock()
		if x != nil && is(x) {
			return
		}
		if time.Since(start) > limit {
			t.Fatalf("after %s not yet: %s; problems: %q", limit, what, texts(x))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func healthy(s *Snapshot) bool { return s.Healthy }

func TestWatch(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(t, 3, 2)
	o := observer(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	var pictures shown
	done := make(chan struct{})
	go func() { defer close(done); o.Watch(ctx, pictures.show) }()
	defer func() { cancel(); <-done }()
	pictures.within(t, 5*time.Second, "healthy", healthy)

	// A cluster cut off: what watches it hears nothing, which looks like no news.
	c.Lock()
	c.Cluster("frankfurt").Silent = true
	c.Unlock()
	pictures.within(t, 10*time.Second, "frankfurt cut off", func(s *Snapshot) bool {
		lagging := 0
		for _, r := range s.PostgreSQL.Replicas {
			if !r.OK && r.Cluster == "frankfurt" && r.Pod != "" {
				lagging++
			}
		}
		broken := 0
		for _, b := range s.Mesh.Between {
			if b.A == "frankfurt" && b.B == "london" {
				broken = b.Broken()
			}
		}
		return !s.Clusters[1].Reachable && lagging == 4 && broken == 4
	})
	c.Lock()
	c.Cluster("frankfurt").Silent = false
	c.Unlock()
	pictures.within(t, 10*time.Second, "healthy after the outage", healthy)

	// What watches tell comes at once.
	c.Lock()
	n := c.Cluster("frankfurt").Nodes[1]
	n.Status.Conditions[0].Status = corev1.ConditionFalse
	c.Touch(&n.ObjectMeta)
	c.Unlock()
	c.Changed()
	pictures.within(t, time.Second, "frankfurt-2 not ready", func(s *Snapshot) bool {
		return slices.ContainsFunc(texts(s), func(text string) bool {
			return strings.HasPrefix(text, "node frankfurt-2 of frankfurt is not ready")
		})
	})
}
