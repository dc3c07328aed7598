package topology

import (
	"fmt"
	"testing"
)

// A confirmed write must be outside of the leader's cluster, and the members that are
// left without any one cluster must be enough to know it.
func TestSynchronous(t *testing.T) {
	for _, c := range []struct {
		placement map[string]int
		want      int
	}{
		{map[string]int{"frankfurt": 4, "london": 2}, 4},
		{map[string]int{"frankfurt": 1}, 1},
		{map[string]int{"frankfurt": 1, "america": 1}, 1},
		{map[string]int{"london": 3, "frankfurt": 1, "america": 0}, 4},
		{map[string]int{"london": 2}, 1},
	} {
		top := &Topology{Master: "london", Placement: c.placement, Durability: Cloud}
		if got := top.Synchronous(); got != c.want {
			t.Errorf("%v: %d replicas, want %d", c.placement, got, c.want)
		}
		all := 0
		for _, n := range top.Members() {
			all += n
		}
		for cluster, n := range top.Members() {
			if len(top.Members()) == 1 {
				continue
			}
			if c.want < n {
				t.Errorf("%v: with a leader in %s, all %d copies may be there", c.placement, cluster, c.want)
			}
			// Of all-1 replicas, more than (all-1)-n have the last write.
			if left := all - n; left < all-c.want {
				t.Errorf("%v: without %s, the %d that are left can't know the last write", c.placement, cluster, left)
			}
		}
		if top.Durability = None; top.Synchronous() != 0 {
			t.Errorf("%v: %d replicas, want none", c.placement, top.Synchronous())
		}
	}
}

func TestEtcdClusters(t *testing.T) {
	seed := map[string]int{"frankfurt": 4, "london": 2, "paris": 0}
	for _, c := range []struct {
		clusters []string
		want     string
	}{
		{[]string{"london"}, "[london]"},
		{[]string{"america", "london"}, "[london]"},
		{[]string{"london", "frankfurt", "america"}, "[america frankfurt london]"},
		// One more changes nothing, wherever it is put.
		{[]string{"paris", "london", "frankfurt", "america"}, "[america frankfurt london]"},
	} {
		if got := fmt.Sprint(EtcdClusters("london", "america", seed, c.clusters)); got != c.want {
			t.Errorf("%v: %s, want %s", c.clusters, got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	top, err := Parse(`{"master":"london","placement":{"paris":0,"frankfurt":4,"london":2},"durability":"cloud","etcd":["london"]}`)
	if err != nil || fmt.Sprint(top.Clusters()) != "[frankfurt london]" || top.Members()["london"] != 3 {
		t.Errorf("%+v, %v", top, err)
	}
	if _, err := Parse("x"); err == nil {
		t.Error("no error for what is no JSON")
	}
}
