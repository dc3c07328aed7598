package observe

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hybrid/internal/fakecloud"
)

// told are the changes' texts, oldest first, with "over" where one is.
func told(s *Snapshot) string {
	var all []string
	for _, c := range s.Changes {
		text := c.Text
		if c.Until != nil {
			text += ", over"
		}
		all = append([]string{text}, all...)
	}
	return strings.Join(all, "\n")
}

// What comes and goes between two looks is told, and what was so before isn't.
func TestChanges(t *testing.T) {
	c := fakecloud.New(t, 3, 2)
	node := func(i int, ready corev1.ConditionStatus) {
		c.Cluster("london").Nodes[i].Status.Conditions[0].Status = ready
	}
	node(0, corev1.ConditionFalse)
	o := observer(t, c)
	for _, x := range []struct {
		change func()
		want   string
	}{
		{func() {}, ""},
		{func() { node(1, corev1.ConditionFalse) }, "node london-2 of london is not ready: "},
		{func() { node(0, corev1.ConditionTrue); node(1, corev1.ConditionTrue) }, "node london-2 of london is not ready: , over"},
		{func() { c.Leader = "psql-replica-bkx0" }, "node london-2 of london is not ready: , over\n" +
			"postgresql: psql-replica-bkx0 of frankfurt leads; before it was psql-master-0 of london"},
	} {
		c.Lock()
		x.change()
		c.Unlock()
		if found := told(o.Look(t.Context())); found != x.want {
			t.Errorf("found\n%s\nwant\n%s", found, x.want)
		}
	}
}

// A member and links that are lost are told, too.
func TestChangesOfTheWhole(t *testing.T) {
	c := fakecloud.New(t, 3, 2)
	o := observer(t, c)
	o.Look(t.Context())
	c.Lock()
	c.Lost = []string{"america"}
	c.Unlock()
	found := told(o.Look(t.Context()))
	for _, want := range []string{"federation: member america is not ready", "mesh: all 8 links from america to 2 other clusters are down"} {
		if !strings.Contains(found, want) {
			t.Errorf("found\n%s\nwant %s", found, want)
		}
	}
}

// Kubernetes tells of the time before.
func TestChangesBefore(t *testing.T) {
	c := fakecloud.New(t, 3, 2)
	event := func(reason, kind string, ago time.Duration) corev1.Event {
		return corev1.Event{
			InvolvedObject: corev1.ObjectReference{Kind: "Node", Name: "london-2"}, Type: kind, Reason: reason,
			Message: "so it is", LastTimestamp: metav1.NewTime(time.Now().Add(-ago)),
		}
	}
	c.Cluster("london").Events = []corev1.Event{
		event("NodeNotReady", "Normal", 10*time.Minute), event("SystemOOM", "Warning", 20*time.Minute),
		event("NodeReady", "Normal", 5*time.Minute), event("Rebooted", "Warning", 2*time.Hour),
	}
	want := "node london-2 of london: SystemOOM: so it is\nnode london-2 of london: NodeNotReady: so it is"
	o := observer(t, c)
	o.Around = true
	if found := told(o.Look(t.Context())); found != want {
		t.Errorf("found\n%s\nwant\n%s", found, want)
	}
}

// What is over for an hour is forgotten, and never is there too much.
func TestChangesAreForgotten(t *testing.T) {
	var h history
	at := time.Now()
	look := func(after time.Duration, problems ...Problem) []Change {
		at = at.Add(after)
		s := &Snapshot{Time: at, Problems: problems}
		h.see(s)
		return h.told(s, &facts{})
	}
	look(0)
	look(time.Second, Problem{Kind: "A"})
	if n := len(look(2*ChangesKept, Problem{Kind: "A"})); n != 1 {
		t.Errorf("what goes on is told %d times", n)
	}
	look(time.Second)
	if n := len(look(ChangesKept+time.Minute, Problem{Kind: "B"})); n != 1 {
		t.Errorf("found %d changes, want the new one", n)
	}
	for range 2 * maxChanges {
		look(time.Second)
		look(time.Second, Problem{Kind: "B"})
	}
	if n := len(h.changes); n > maxChanges {
		t.Errorf("%d are kept", n)
	}
}
