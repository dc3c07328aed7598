package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refusedLimit bounds the time until a command says that it can't reach a cluster.
const refusedLimit = 2 * time.Minute

// The commands that need all clusters.
var (
	refreshing = []string{"refresh", "--yes", "--skip-preview"}
	updating   = []string{"up", "--yes", "--skip-preview"}
	destroying = []string{"destroy", "--yes", "--skip-preview"}
)

// cutOff cuts the administrator off from one cluster, which goes on with all others.
func cutOff(l *lab) {
	const cluster = "frankfurt"
	l.must(refreshing...) // what changes by itself is recorded before
	peers := l.peers()
	network := l.machines(cluster)[0].NetworkID
	l.unchanged(func() {
		if err := l.host.CutOff(l.ctx, network); err != nil {
			l.Fatal(err)
		}
		telling := [][]string{destroying}
		if long() {
			l.refused(cluster, refreshing...)
			telling = append(telling, updating, append(slices.Clone(refreshing), "--run-program"))
		}
		for _, args := range telling {
			if out := l.refused(cluster, args...); !strings.Contains(out, "lost: true") || !strings.Contains(out, "curl --insecure https://"+l.public(cluster+"-1")+":6443/version") {
				l.Errorf("pulumi %s doesn't say both ways on:\n%s", args[0], tail(out, 40))
			}
		}
		if err := l.host.Mend(l.ctx, network); err != nil {
			l.Fatal(err)
		}
	})
	l.must("preview", "--expect-no-changes")
	if now := l.peers(); !maps.Equal(now, peers) {
		l.Errorf("the mesh's pods were %v, now they are %v", peers, now)
	}
}

// refused runs a command that must not do without a cluster, and returns what it says.
func (l *lab) refused(cluster string, args ...string) string {
	l.Helper()
	start := time.Now()
	out, err := l.pulumi(args...)
	if err == nil {
		l.Fatalf("pulumi %s ended well, without %s", strings.Join(args, " "), cluster)
	}
	if took := time.Since(start); took > refusedLimit {
		l.Errorf("pulumi %s took %s to say that it can't reach %s, want at most %s", args[0], took.Round(time.Second), cluster, refusedLimit)
	}
	if !strings.Contains(out, cluster) {
		l.Errorf("pulumi %s doesn't name %s:\n%s", strings.Join(args, " "), cluster, tail(out, 40))
	}
	return out
}

// unchanged checks that the stack's state is the same before and after.
func (l *lab) unchanged(do func()) {
	l.Helper()
	before := l.deployment()
	do()
	after := l.deployment()
	if reflect.DeepEqual(before, after) {
		return
	}
	for urn, state := range before {
		if !reflect.DeepEqual(state, after[urn]) {
			l.Errorf("%s was\n%v\nnow it is\n%v", urn, state, after[urn])
		}
	}
	if len(before) != len(after) {
		l.Errorf("the state had %d entries, now it has %d", len(before), len(after))
	}
}

// deployment is all that the state has, by its URN.
func (l *lab) deployment() map[string]any {
	l.Helper()
	// What is encrypted is so in another way each time.
	raw, err := l.stack.Output(l.ctx, "stack", "export", "--show-secrets")
	if err != nil {
		l.Fatal(err)
	}
	var state struct {
		Deployment struct {
			Resources []map[string]any
			Pending   []any `json:"pending_operations"`
		}
	}
	if err := json.Unmarshal(raw, &state); err != nil {
		l.Fatal(err)
	}
	all := map[string]any{"pending operations": state.Deployment.Pending}
	for _, r := range state.Deployment.Resources {
		all[fmt.Sprint(r["urn"], r["delete"])] = r
	}
	return all
}

// peers are the mesh's pods, and how often each has been restarted.
func (l *lab) peers() map[string]string {
	l.Helper()
	all := map[string]string{}
	for cluster := range want {
		list, err := l.cluster(cluster).CoreV1().Pods("kube-system").List(l.ctx, metav1.ListOptions{LabelSelector: "name=weave-net"})
		if err != nil {
			l.Fatal(err)
		}
		for _, p := range list.Items {
			restarts := int32(0)
			for _, c := range p.Status.ContainerStatuses {
				restarts += c.RestartCount
			}
			all[p.Spec.NodeName] = fmt.Sprintf("%s, restarted %d times", p.UID, restarts)
		}
	}
	return all
}

// lost is the settings with clusters that are lost.
func lost(l *lab, names ...string) string {
	return l.config(func(settings map[string]any) { setLost(l, settings, names...) })
}

func setLost(l *lab, settings map[string]any, names ...string) {
	all := clustersWith(l, "", 0)
	for _, c := range all {
		if c := c.(map[string]any); slices.Contains(names, c["name"].(string)) {
			c["lost"] = true
		}
	}
	settings["hybrid:clusters"] = all
}
