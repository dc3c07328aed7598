package observe

import (
	"slices"
	"testing"

	"hybrid/internal/fakecloud"
)

// A name that several clusters have is one, and each of its pods is told once, with all
// clusters that lead there.
func TestServices(t *testing.T) {
	c := fakecloud.New(t, 3, 2)
	o := observer(t, c)
	o.Around = true
	all := o.Look(t.Context()).Services
	everywhere := []string{"america", "frankfurt", "london"}
	if len(all) != 2 || all[0].Name != "psql-replica" || all[0].Namespace != "default" || all[1].Name != "kube-dns" {
		t.Fatalf("found %+v", all)
	}
	by := map[string]int{}
	for _, e := range all[0].Endpoints {
		by[e.Cluster]++
		if !slices.Equal(e.From, everywhere) || e.Node == "" || !e.Ready {
			t.Errorf("%+v", e)
		}
	}
	if !slices.Equal(all[0].Clusters, everywhere) || by["frankfurt"] != 4 || by["london"] != 2 || len(by) != 2 {
		t.Errorf("psql-replica: %+v", all[0])
	}
	for _, e := range all[1].Endpoints {
		if !slices.Equal(e.From, []string{e.Cluster}) {
			t.Errorf("kube-dns of %s is known elsewhere: %+v", e.Cluster, e)
		}
	}
	// Who may not list them sees none, and that is no problem.
	c.Lock()
	for _, x := range c.Clusters {
		x.Refuse = []string{"services"}
	}
	c.Unlock()
	o = observer(t, c)
	o.Around = true
	if s := o.Look(t.Context()); len(s.Services) > 0 || !s.Healthy {
		t.Errorf("%+v, problems %q", s.Services, texts(s))
	}
}
