package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// An outage lasts for shortOutage, or for longOutage where HYBRID_E2E_LONG is set:
// what Weave Net waits between attempts grows with an outage's length.
const (
	shortOutage = 40 * time.Second
	longOutage  = 5 * time.Minute
)

// backLimit bounds the time from the end of an outage to all pairs of pods
// reaching each other.
const backLimit = 20 * time.Second

func outage() time.Duration {
	if long() {
		return longOutage
	}
	return shortOutage
}

// cutAndMend cuts a cluster off and joins it again.
func cutAndMend(l *lab, cluster string) {
	pods := l.tools(want)
	network := l.machines(cluster)[0].NetworkID
	i := slices.IndexFunc(pods, func(p pod) bool { return p.cluster == cluster })
	others := slices.DeleteFunc(slices.Clone(pods), func(p pod) bool { return p.cluster == cluster })
	if err := l.host.Cut(l.ctx, network); err != nil {
		l.Fatal(err)
	}
	end := time.After(outage())
	if err := l.ping(others[0], pods[i]); err == nil {
		l.Errorf("%s is cut off, and a pod there answers", cluster)
	}
	if err := l.pings(others); err != nil {
		l.Errorf("without %s: %v", cluster, err)
	}
	select {
	case <-end:
	case <-l.ctx.Done():
	}
	if err := l.host.Mend(l.ctx, network); err != nil {
		l.Fatal(err)
	}
	l.back(pods, backLimit)
}

// back waits until all pods reach each other again.
func (l *lab) back(pods []pod, within time.Duration) {
	l.Helper()
	start := time.Now()
	l.eventually(within, func() error { return l.pings(pods) })
	took := time.Since(start).Round(100 * time.Millisecond)
	if took > within { // the last look may have begun in time
		l.Errorf("all pairs are back after %s, want at most %s", took, within)
	}
	fmt.Printf("--- all pairs are back after %s\n", took)
}

// remaining are the clusters of want without some of their nodes.
func remaining(without ...string) map[string][]string {
	left := map[string][]string{}
	for cluster, nodes := range want {
		left[cluster] = slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return slices.Contains(without, n) })
	}
	return left
}

// heartbeat is how long peers may go on counting on one that is gone without a word:
// Weave Net's heartbeat takes a minute.
const heartbeat = 2 * time.Minute

func hostDies(l *lab) {
	pods := l.tools(want)
	id, err := l.machine("america-1")
	if err != nil {
		l.Fatal(err)
	}
	frankfurt, err := l.machine("frankfurt-2")
	if err != nil {
		l.Fatal(err)
	}
	before, err := l.peer("america-1")
	if err != nil {
		l.Fatal(err)
	}
	address := l.bridge("america-1")
	if err := l.host.StopMachine(l.ctx, id); err != nil {
		l.Fatal(err)
	}
	others := slices.DeleteFunc(slices.Clone(pods), func(p pod) bool { return p.cluster == "america" })
	if err := l.pings(others); err != nil {
		l.Errorf("without the host's control plane: %v", err)
	}
	// Its worker too: from elsewhere, for its API is gone.
	if err := l.ping(others[0], find(l, pods, "america-2")); err != nil {
		l.Errorf("without the host's control plane: %v", err)
	}
	othersConnected := func() error {
		_, err := l.connected(remaining("america-1"))
		return err
	}
	l.eventually(heartbeat, othersConnected)
	// Who starts meanwhile meets the host's other node.
	old, err := l.host.Exec(l.ctx, frankfurt, "pgrep", "-x", "weaver")
	if err != nil {
		l.Fatal(err)
	}
	if _, err := l.host.Exec(l.ctx, frankfurt, "kill", old); err != nil {
		l.Fatal(err)
	}
	l.eventually(time.Minute, func() error {
		if now, err := l.host.Exec(l.ctx, frankfurt, "pgrep", "-x", "weaver"); err != nil || now == old {
			return fmt.Errorf("the peer on frankfurt-2 has not restarted: %q, %v", now, err)
		}
		return othersConnected()
	})
	if err := l.pings(others); err != nil {
		l.Errorf("with a peer that has met the host's other node: %v", err)
	}
	if err := l.host.StartMachine(l.ctx, id); err != nil {
		l.Fatal(err)
	}
	l.eventually(2*time.Minute, func() error { return l.meshed(want) })
	l.allReady(want)
	after, err := l.peer("america-1")
	if err != nil {
		l.Fatal(err)
	}
	if after.Name != before.Name || l.bridge("america-1") != address {
		l.Errorf("it was %s with %s, now it is %s with %s", before.Name, address, after.Name, l.bridge("america-1"))
	}
	l.back(l.tools(want), time.Minute)
}

// bridge is a node's own address in the mesh.
func (l *lab) bridge(node string) string {
	l.Helper()
	id, err := l.machine(node)
	if err != nil {
		l.Fatal(err)
	}
	out, err := l.host.Exec(l.ctx, id, "sh", "-c", "ip -4 -o addr show dev weave | awk '{ print $4 }'")
	if err != nil || strings.TrimSpace(out) == "" {
		l.Fatalf("%s has no address in the mesh: %q, %v", node, out, err)
	}
	return strings.TrimSpace(out)
}

// forgotten deletes a Node object, whereupon Weave Net forgets the meeting points,
// and then cuts the link.
func forgotten(l *lab) {
	const node = "frankfurt-2"
	if err := l.cluster("frankfurt").CoreV1().Nodes().Delete(l.ctx, node, metav1.DeleteOptions{}); err != nil {
		l.Fatal(err)
	}
	machine, err := l.machine("frankfurt-1")
	if err != nil {
		l.Fatal(err)
	}
	l.eventually(time.Minute, func() error {
		targets, err := l.host.Exec(l.ctx, machine, "curl", "-s", "-m", "5", "http://127.0.0.1:6784/status/targets")
		if err == nil && strings.Contains(targets, l.public("america-1")) {
			err = fmt.Errorf("frankfurt-1 has not forgotten america-1: this would prove nothing; its targets are %s", targets)
		}
		return err
	})
	network := l.machines("frankfurt")[0].NetworkID
	if err := l.host.Cut(l.ctx, network); err != nil {
		l.Fatal(err)
	}
	select {
	case <-time.After(outage()):
	case <-l.ctx.Done():
	}
	if err := l.host.Mend(l.ctx, network); err != nil {
		l.Fatal(err)
	}
	others := remaining(node)
	start := time.Now()
	l.eventually(time.Minute, func() error {
		p, err := l.peer("frankfurt-1")
		if err != nil {
			return err
		}
		for cluster, nodes := range others {
			for _, n := range nodes {
				if cluster != "frankfurt" && !slices.Contains(p.Known, n) {
					return fmt.Errorf("frankfurt-1 knows %v, not %s; %v", p.Known, n, p.Failed)
				}
			}
		}
		return nil
	})
	fmt.Printf("--- met again after %s\n", time.Since(start).Round(100*time.Millisecond))
	// The cluster collects a deleted node's pods after a minute or so. The new one
	// finds that its peer has been struck off the ring, and joins it afresh; the old
	// one would go on using addresses that are others' by now.
	err = l.cluster("frankfurt").CoreV1().Pods("kube-system").DeleteCollection(l.ctx, metav1.DeleteOptions{}, metav1.ListOptions{
		LabelSelector: "name=weave-net", FieldSelector: "spec.nodeName=" + node,
	})
	if err != nil {
		l.Fatal(err)
	}
	// kubelet makes the object when it starts.
	l.run(node, "sudo systemctl restart kubelet")
	l.allReady(want)
	l.eventually(2*time.Minute, func() error { return l.meshed(want) })
	l.back(l.tools(want), time.Minute)
}
