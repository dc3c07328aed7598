package reboot

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttest "k8s.io/client-go/testing"

	"hybrid/internal/observe"
)

// The host's cluster is last, and control planes are first in theirs; node 10 is after 9.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if turns := w.plan(nil, nil); turns != nil {
			t.Errorf("no node waits for a reboot, and these have turns: %v", names(turns))
		}
		w.waits("america-1", "london-1", "london-2", "frankfurt-2")
		for _, x := range []struct {
			clusters, nodes []string
			want            string
		}{
			{nil, nil, "frankfurt-2 london-1 london-2 america-1"},
			{[]string{"london"}, nil, "london-1 london-2"},
			{nil, []string{"london-2", "frankfurt-1"}, "frankfurt-1 london-2"},
		} {
			if got := strings.Join(names(w.plan(x.clusters, x.nodes)), " "); got != x.want {
				t.Errorf("clusters %v, nodes %v: found %s, want %s", x.clusters, x.nodes, got, x.want)
			}
		}
		w.Clusters[0].Host = false
		w.pod("london", "london-2", "etcd-0", "StatefulSet")
		w.change("london-1", func(n *corev1.Node) { n.Annotations[begun] = `{"boot":"other"}` })
		w.untouched()
		if got := strings.Join(names(w.plan(nil, nil)), " "); got != "london-1 america-1 frankfurt-2 london-2" {
			t.Errorf("found %s, want the turn that was interrupted first", got)
		}
	})
}

// Each node is drained, reboots, and lets pods in again before the next one's turn.
func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.waits("london-1", "london-2")
		w.change("america-2", func(n *corev1.Node) { n.Spec.Unschedulable = true }) // by someone
		turns := w.plan(nil, []string{"london-1", "london-2", "america-2"})
		if done, err := w.Run(t.Context(), turns); err != nil || done != 3 {
			t.Fatalf("%d done, %v", done, err)
		}
		want := []string{
			"london-1 cordoned true", "web-london-1 leaves", "london-1 boots", "london-1 cordoned false",
			"london-2 cordoned true", "web-london-2 leaves", "london-2 boots", "london-2 cordoned false",
			"america-2 cordoned true", "web-america-2 leaves", "america-2 boots", "america-2 cordoned true",
		}
		if !slices.Equal(w.log, want) {
			t.Errorf("found %q\nwant  %q", w.log, want)
		}
		for _, turn := range turns {
			n := w.node(turn.Node)
			if n.Annotations[begun] != "" || n.Annotations[ask] != "" || !isReady(n) || n.Spec.Unschedulable != (n.Name == "america-2") {
				t.Errorf("%s: cordoned %v, annotations %v", n.Name, n.Spec.Unschedulable, n.Annotations)
			}
		}
		if turns := w.plan(nil, nil); turns != nil {
			t.Errorf("these are rebooted again: %v", names(turns))
		}
		if said := strings.Join(w.told, "\n"); !strings.Contains(said, "london-2: has rebooted, after 2s\n") || !strings.Contains(said, "london-2: is back at work, after 4s; 2 of 3\n") {
			t.Errorf("it says:\n%s", said)
		}
	})
}

// All that is wrong is said at once, and nothing is changed.
func TestRefusals(t *testing.T) {
	for _, x := range []struct {
		name    string
		prepare func(*world)
		nodes   []string
		want    []string
	}{
		{"misspelt", func(*world) {}, []string{"london-1", "lodnon-2"}, []string{`want --node a node, found "lodnon-2": there are london-1, london-2`}},
		{"a cluster that doesn't answer", func(w *world) { w.broken("america") }, nil, []string{"cluster america tells nothing of its nodes: no route to host"}},
		{"a node is missing", func(w *world) { w.Clusters[1].Nodes = append(w.Clusters[1].Nodes, "frankfurt-3") }, nil, []string{"the cluster frankfurt has no node frankfurt-3"}},
		{"others are out of work", func(w *world) {
			w.change("frankfurt-1", func(n *corev1.Node) { ready(n, corev1.ConditionUnknown) })
			w.change("america-1", func(n *corev1.Node) { n.Spec.Unschedulable = true })
		}, nil, []string{
			"node frankfurt-1 of frankfurt is not Ready, and only one may be out of work: kubectl --context frankfurt describe node frankfurt-1",
			"node america-1 of america lets no pods in, and only one may be out of work: kubectl --context america uncordon america-1",
		}},
		{"it is not Ready itself", func(w *world) { w.change("london-2", func(n *corev1.Node) { ready(n, corev1.ConditionFalse) }) }, nil, []string{"node london-2 of london is not Ready"}},
		{"another one's turn", func(w *world) {
			w.change("america-2", func(n *corev1.Node) { n.Annotations[begun] = `{"boot":"x"}` })
		}, nil, []string{"node america-2 of america has its turn, or it was interrupted: hybrid reboot --node america-2"}},
		{"a machine that doesn't look", func(w *world) {
			w.change("london-1", func(n *corev1.Node) { delete(n.Annotations, observe.RebootAnnotation) })
		}, []string{"london-1"}, []string{"node london-1 of london has never said whether it waits for a reboot"}},
		{"a pod that would not come back", func(w *world) { w.pod("london", "london-2", "lonely", "") }, nil, []string{
			"pod default/lonely on node london-2 of london has no controller, and would not come back: kubectl --context london -n default delete pod lonely",
		}},
		{"a replica that doesn't follow", func(w *world) {
			w.database.Replicas[0].OK, w.database.Replicas[0].Note = false, "no stream"
		}, nil, []string{"the database is not well, and would lack one more member: psql-replica-a: no stream", "hybrid postgres status"}},
		{"no leader", func(w *world) { w.database.Leader = nil }, nil, []string{"would lack one more member: there is no leader"}},
		{"a mark that can't be read", func(w *world) { w.change("london-2", func(n *corev1.Node) { n.Annotations[begun] = "yes" }) }, nil, []string{`found "yes": take it away`}},
	} {
		t.Run(x.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.waits("london-2")
				x.prepare(w)
				_, err := w.Plan(t.Context(), []string{"london"}, x.nodes)
				for _, want := range x.want {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("found %v\nwant %s", err, want)
					}
				}
				w.untouched()
			})
		})
	}
	w := newWorld(t)
	if _, err := w.Plan(t.Context(), []string{"lodnon"}, nil); err == nil || !strings.Contains(err.Error(), `want --cluster a cluster, found "lodnon": there are america, frankfurt, london`) {
		t.Errorf("found %v", err)
	}
}

// A budget that never allows a pod to leave ends the turn, and what was changed is undone.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.waits("london-1", "london-2")
		w.budget("london", "web-london-1")
		done, err := w.Run(t.Context(), w.plan(nil, nil))
		if done != 0 || err == nil || !strings.Contains(err.Error(), "node london-1 of london: it was not drained: pod default/web-london-1 may not leave, by the PodDisruptionBudget web-london-1: have it allow a disruption, or delete it, after 5m0s; it is in use as before") {
			t.Errorf("%d done, %v", done, err)
		}
		if want := []string{"london-1 cordoned true", "london-1 cordoned false"}; !slices.Equal(w.log, want) {
			t.Errorf("found %q, want %q", w.log, want)
		}
		if n := w.node("london-1"); n.Annotations[begun] != "" || n.Annotations[ask] != "" {
			t.Errorf("left are %v", n.Annotations)
		}
		// Who has had enough finds it so, too.
		ctx, cancel := context.WithCancel(t.Context())
		turns := w.plan(nil, nil)
		w.clients["london"].PrependReactor("list", "poddisruptionbudgets", func(clienttest.Action) (bool, runtime.Object, error) {
			cancel()
			return false, nil, nil
		})
		if _, err := w.Run(ctx, turns); !errors.Is(err, context.Canceled) || w.node("london-1").Spec.Unschedulable || w.node("london-1").Annotations[begun] != "" {
			t.Errorf("%v: annotations %v", err, w.node("london-1").Annotations)
		}
	})
}

// A machine that doesn't reboot stops the chain, and another run goes on there.
func TestGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.waits("frankfurt-1", "frankfurt-2", "london-1")
		w.stuck = []string{"frankfurt-2"}
		done, err := w.Run(t.Context(), w.plan(nil, nil))
		if done != 1 || err == nil || !strings.Contains(err.Error(), "node frankfurt-2 of frankfurt: has been asked to reboot, which the machine sees within a minute, after 10m0s: see its console") {
			t.Fatalf("%d done, %v", done, err)
		}
		n := w.node("frankfurt-2")
		if !n.Spec.Unschedulable || n.Annotations[ask] != n.Status.NodeInfo.BootID {
			t.Errorf("cordoned %v, annotations %v", n.Spec.Unschedulable, n.Annotations)
		}
		if last := w.log[len(w.log)-1]; last != "web-frankfurt-2 leaves" {
			t.Errorf("at last %s; nothing else should be touched", last)
		}
		w.stuck, w.log = nil, nil
		turns := w.plan(nil, nil)
		if got := strings.Join(names(turns), " "); got != "frankfurt-2 london-1" {
			t.Errorf("it goes on with %s", got)
		}
		if done, err := w.Run(t.Context(), turns); done != 2 || err != nil {
			t.Fatalf("%d done, %v", done, err)
		}
		want := []string{"frankfurt-2 boots", "frankfurt-2 cordoned false", "london-1 cordoned true", "web-london-1 leaves", "london-1 boots", "london-1 cordoned false"}
		if !slices.Equal(w.log, want) {
			t.Errorf("found %q\nwant  %q", w.log, want)
		}
		// One that was interrupted after the reboot isn't rebooted again.
		w.log = nil
		w.change("london-2", func(n *corev1.Node) {
			n.Spec.Unschedulable, n.Annotations[begun] = true, `{"boot":"before","members":2}`
			ready(n, corev1.ConditionFalse)
		})
		if done, err := w.Run(t.Context(), w.plan(nil, nil)); done != 1 || err != nil {
			t.Fatalf("%d done, %v", done, err)
		}
		if want := []string{"london-2 cordoned false"}; !slices.Equal(w.log, want) {
			t.Errorf("found %q, want %q", w.log, want)
		}
	})
}

// The next node waits until this one's pods, and the database, are as before.
func TestComesBackWhole(t *testing.T) {
	for _, x := range []struct {
		name   string
		during func(*world) // of a reboot
		want   string
	}{
		{"a pod is not ready", func(w *world) {
			w.pod("london", "london-1", "late", "ReplicaSet")
			p, _ := w.clients["london"].Tracker().Get(podsResource, "default", "late")
			p.(*corev1.Pod).Status.Conditions[0].Status = corev1.ConditionFalse
			if err := w.clients["london"].Tracker().Update(podsResource, p, "default"); err != nil {
				w.t.Fatal(err)
			}
		}, "waits for pods, of which 1 are not ready, and 0 were before: default/late, after 10m0s: kubectl --context london get pods -A; if it isn't by the reboot: kubectl --context london annotate node london-2 hybrid/reboot-turn-"},
		{"a replica doesn't follow", func(w *world) { w.database.Replicas[0].OK = false }, "waits for the database, of which 1 members are well, and 2 were before"},
		{"a node has failed", func(w *world) {
			w.change("america-1", func(n *corev1.Node) { ready(n, corev1.ConditionFalse) })
		}, "node america-2 of america is not rebooted: node america-1 of america is not Ready"},
	} {
		t.Run(x.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.waits("london-2", "america-2")
				turns := w.plan(nil, nil)
				w.clients["london"].PrependReactor("create", "pods", func(clienttest.Action) (bool, runtime.Object, error) {
					x.during(w)
					return false, nil, nil
				})
				_, err := w.Run(t.Context(), turns)
				if err == nil || !strings.Contains(err.Error(), x.want) {
					t.Errorf("found %v\nwant %s", err, x.want)
				}
				if n := w.node("america-2"); n.Spec.Unschedulable || n.Annotations[begun] != "" {
					t.Error("america-2 had its turn all the same")
				}
			})
		})
	}
}

// Until the kubelet has looked, the cluster shows pods as they were before the reboot.
func TestMissing(t *testing.T) {
	pod := func(name string, phase corev1.PodPhase, ready corev1.ConditionStatus, container string) corev1.Pod {
		p := corev1.Pod{Status: corev1.PodStatus{Phase: phase, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}, ContainerStatuses: []corev1.ContainerStatus{{ContainerID: container}}}}
		p.Namespace, p.Name = "x", name
		return p
	}
	got := missing([]corev1.Pod{
		pod("runs", corev1.PodRunning, corev1.ConditionTrue, "new"), pod("stale", corev1.PodRunning, corev1.ConditionTrue, "old"),
		pod("starts", corev1.PodPending, corev1.ConditionFalse, ""), pod("done", corev1.PodSucceeded, corev1.ConditionFalse, "old"),
	}, []string{"old"})
	if want := []string{"x/stale", "x/starts"}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

// What belongs to a node stays with it, and so do those that have ended.
func TestLeaving(t *testing.T) {
	w := newWorld(t)
	list, err := w.clients["london"].CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	static := list.Items[0].DeepCopy()
	static.OwnerReferences, static.Annotations = nil, map[string]string{corev1.MirrorPodAnnotationKey: "x"}
	ended := list.Items[0].DeepCopy()
	ended.OwnerReferences, ended.Status.Phase = nil, corev1.PodSucceeded
	for _, p := range []*corev1.Pod{static, ended} {
		p.Spec.NodeName = "london-2"
		list.Items = append(list.Items, *p)
	}
	if got := leaving(list.Items, "london-2"); len(got) != 1 || got[0].Name != "web-london-2" {
		t.Errorf("found %v, want web-london-2", got)
	}
}
