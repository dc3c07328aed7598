package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hybrid/internal/fakecloud"
	"hybrid/internal/observe"
	"hybrid/internal/reboot"
)

// rebootable has all nodes say whether they wait for a reboot: one of london does.
func rebootable(c *fakecloud.Cloud) {
	yes := true
	for _, x := range c.Clusters {
		for _, n := range x.Nodes {
			n.Annotations = map[string]string{observe.RebootAnnotation: observe.NoReboot}
			n.Status.NodeInfo = corev1.NodeSystemInfo{BootID: "this"}
		}
		for _, p := range x.Pods {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Controller: &yes}}
		}
	}
	c.Cluster("london").Nodes[1].Annotations[observe.RebootAnnotation] = "libc6 linux-base"
}

// Nothing is changed without being asked, and nothing where not all is well.
func TestReboot(t *testing.T) {
	const plan = "london-2 of london: waits for it, because of libc6 linux-base\n"
	for _, x := range []struct {
		name, args string
		change     func(*fakecloud.Cloud)
		code       int
		want       string
	}{
		{"no answer is no", "", nil, 2, plan + "Reboot in this order, one after the other? [y/N] hybrid: nothing has been changed"},
		{"of one cluster", "--cluster frankfurt", nil, 0, "no node waits for a reboot\n"},
		{"by name, the federation's host last", "--node london-1,america-1", nil, 2, "london-1 of london: is named\namerica-1 of america: is named\n"},
		{"a misspelt node", "--node lodnon-1 --yes", nil, 2, `hybrid: nothing has been changed: want --node a node, found "lodnon-1": there are america-1, america-2, frankfurt-1`},
		{"a node that is out of work", "--yes", func(c *fakecloud.Cloud) { c.Cluster("america").Nodes[0].Spec.Unschedulable = true }, 2,
			"node america-1 of america lets no pods in, and only one may be out of work: kubectl --context america uncordon america-1"},
		{"a pod without a controller", "--yes", func(c *fakecloud.Cloud) { c.AddPod(c.Cluster("london"), "default", "lonely", "london-2", nil) }, 2, "pod default/lonely on node london-2 of london has no controller"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := fakecloud.New(t, 3, 2)
			rebootable(c)
			if x.change != nil {
				x.change(c)
			}
			c.Pulumi(t)
			code, out, errs := run(t, append([]string{"reboot"}, strings.Fields(x.args)...)...)
			if code != x.code || !strings.Contains(out+errs, x.want) {
				t.Errorf("status %d: %s%s\nwant %d, %s", code, out, errs, x.code, x.want)
			}
			for _, r := range c.Requests {
				if r.Method != "GET" {
					t.Errorf("%s %s of %s: want nothing changed", r.Method, r.Path, r.Cluster)
				}
			}
		})
	}
}

// What is left is to be copied: of those that are named, not those that are done.
func TestRebootGoesOn(t *testing.T) {
	left := []reboot.Turn{{Node: "london-2"}, {Node: "america-1"}}
	for _, x := range []struct {
		clusters []string
		named    bool
		want     string
	}{
		{nil, false, "hybrid reboot --stack prod"},
		{[]string{"london"}, false, "hybrid reboot --stack prod --cluster london"},
		{nil, true, "hybrid reboot --stack prod --node london-2 --node america-1"},
	} {
		failed := errors.New("node london-2 of london: is not Ready yet")
		err := goOn(t.Context(), failed, left, []string{"--stack", "prod"}, x.clusters, x.named)
		want := failed.Error() + "\nNot rebooted, or not back: london-2, america-1. When that has its reason found, go on by:\n  " + x.want
		if err.Error() != want || !errors.Is(err, failed) {
			t.Errorf("found %v\nwant %s", err, want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := goOn(ended, ended.Err(), left, nil, nil, false); !strings.Contains(err.Error(), "Interrupted. Go on by:\n  hybrid reboot") {
		t.Error(err)
	}
	if err := goOn(t.Context(), nil, nil, nil, nil, true); err != nil {
		t.Error(err)
	}
}
