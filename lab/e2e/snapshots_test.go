package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hybrid/lab/buckets"
	"hybrid/lab/system/paths"
)

const (
	// snapshotLimit is from a cluster's first minute to its first snapshot.
	snapshotLimit = 2 * time.Minute
	// controlPlaneLimit is the time until a cluster is whole whose control plane was lost.
	controlPlaneLimit = 5 * time.Minute
)

// TestLongSnapshots goes through the life of a cluster's etcd, and of the federation's in it. The
// cluster is one, so that it takes minutes.
func TestLongSnapshots(t *testing.T) {
	l := open(t)
	restores, keys, lost := 0, 1, false
	config := func(l *lab) string {
		return l.config(func(settings map[string]any) {
			settings["hybrid:clusters"] = []any{map[string]any{
				"name": "frankfurt", "cloud": "aws", "region": "eu-central-1", "networkCidr": "10.20.0.0/24", "serviceCidr": "10.97.0.0/16",
				"workers": 1, "federationHost": true, "restore": restores, "lost": lost,
			}}
			settings["hybrid:postgres"] = map[string]any{"enabled": false}
			settings["hybrid:zone"] = map[string]any{"enabled": false}
			backup := settings["hybrid:backup"].(map[string]any)
			backup["enabled"], backup["keyGeneration"] = true, keys
		})
	}
	l.steps(t, []part{
		{name: "up", run: func(l *lab) { l.up(config(l)) }},
		{name: "a first snapshot", run: firstSnapshot},
		{name: "one that is asked for", run: askedSnapshot},
		{name: "one that is damaged", run: damagedSnapshot},
		{name: "access keys are exchanged", run: func(l *lab) {
			keys++
			exchangedKeys(l, config(l))
		}},
		{name: "a control plane that is there isn't brought back", run: func(l *lab) {
			restores++
			out, err := l.pulumi("preview", config(l))
			if err == nil || !strings.Contains(out, "the control plane answers") {
				l.Errorf("want a refusal, found %v", err)
			}
			restores--
		}},
		{name: "a control plane is lost", run: func(l *lab) {
			restores++
			controlPlaneBack(l, "frankfurt", config(l))
		}},
		{name: "and once more", run: func(l *lab) {
			restores++
			controlPlaneBack(l, "frankfurt", config(l))
		}},
		{name: "a host is lost for good", run: func(l *lab) {
			as := config(l)
			lost = true
			lostForGood(l, as, config(l))
			lost = false
		}},
	})
}

// TestLongMemberBack brings the control plane of a cluster back that doesn't host the federation,
// while the database runs in it.
func TestLongMemberBack(t *testing.T) {
	l := open(t)
	l.steps(t, []part{
		{name: "up", run: func(l *lab) { l.up(l.backedUp(nil)) }},
		{name: "a first backup", run: firstBackup},
		{name: "a member's control plane is lost", run: func(l *lab) {
			controlPlaneBack(l, "america", l.config(func(settings map[string]any) {
				settings["hybrid:backup"].(map[string]any)["enabled"] = true
				clusters := defaultClusters(l)
				for _, c := range clusters {
					if c := c.(map[string]any); c["name"] == "frankfurt" {
						c["restore"] = 1
					}
				}
				settings["hybrid:clusters"] = clusters
			}))
			l.streamAgain("a member's control plane came back", "", seeds)
		}},
	})
}

// snapshotsSaid is what `hybrid backup list --json` prints of a cluster.
type snapshotsSaid struct {
	Cluster, Error string
	Snapshots      []struct{ ID, Why string }
}

// snapshots asks for frankfurt's.
func (l *lab) snapshots(verb string) (snapshotsSaid, error) {
	out, err := l.ask("backup", verb, "--json")
	var all []snapshotsSaid
	if err == nil {
		err = json.Unmarshal([]byte(out), &all)
	}
	i := slices.IndexFunc(all, func(s snapshotsSaid) bool { return s.Cluster == "frankfurt" })
	if err != nil || i < 0 {
		return snapshotsSaid{}, errors.Join(err, fmt.Errorf("want frankfurt's, found %s", out))
	}
	return all[i], nil
}

func firstSnapshot(l *lab) {
	l.eventually(snapshotLimit, func() error {
		s, err := l.snapshots("list")
		if err == nil && len(s.Snapshots) == 0 {
			err = fmt.Errorf("there is no snapshot: %+v", s)
		}
		return err
	})
}

// askedSnapshot finds nothing plain in the bucket of a snapshot that was asked for.
func askedSnapshot(l *lab) {
	if out, err := l.kube("", "frankfurt", "create", "configmap", canary, "--from-literal", "word="+canary); err != nil {
		l.Fatal(err, out)
	}
	before, err := l.snapshots("list")
	if err != nil {
		l.Fatal(err)
	}
	after, err := l.snapshots("now")
	if err != nil || len(after.Snapshots) <= len(before.Snapshots) || after.Snapshots[len(after.Snapshots)-1].Why != "asked" {
		l.Errorf("%v: before there were %+v, now there are %+v", err, before, after)
	}
	// It is to be found where it is in the clear.
	l.run("frankfurt-1", "sudo grep -rqa "+canary+" /var/lib/etcd/member")
	l.bucket(func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			l.Error(err)
		}
		for _, word := range []string{canary, "PRIVATE KEY"} {
			if bytes.Contains(text, []byte(word)) || strings.Contains(path, word) {
				l.Errorf("%s has the canary, a key or a secret in the clear", path)
			}
		}
	})
}

// damagedSnapshot damages what is largest in the bucket, and sees a rehearsal notice it.
func damagedSnapshot(l *lab) {
	mend := l.damage("/etcd/frankfurt/data/")
	if _, err := l.snapshots("now"); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		l.Errorf("a rehearsal of a damaged snapshot: %v", err)
	}
	if out, err := l.ask("status"); err == nil || !strings.Contains(out, "the rehearsal of a restore of etcd has failed") {
		l.Errorf("hybrid status: %v: %s", err, out)
	}
	mend()
	if s, err := l.snapshots("now"); err != nil || s.Error != "" {
		l.Errorf("of a whole one: %v: %+v", err, s)
	}
}

// exchangedKeys has `pulumi up` exchange the keys that enter the bucket, and sees the control
// plane use the new ones.
func exchangedKeys(l *lab, config string) {
	before := l.accessKeys()
	l.up(config)
	after := l.accessKeys()
	for key := range after {
		if _, ok := before[key]; ok {
			l.Errorf("the key %s is still good", key)
		}
	}
	if s, err := l.snapshots("now"); err != nil || s.Error != "" || len(after) == 0 {
		l.Errorf("with the keys %v: %v: %+v", slices.Collect(maps.Keys(after)), err, s)
	}
}

// accessKeys are those that the S3 server lets into AWS's buckets.
func (l *lab) accessKeys() map[string]string {
	l.Helper()
	has, err := buckets.Read(filepath.Join(l.stack.State, paths.Clouds), "aws")
	if err != nil {
		l.Fatal(err)
	}
	return has.Keys
}

// restartsOf are the pods of workers, by UID, and how often their containers were started
// again.
func (l *lab) restartsOf(cluster, node string) map[string]int32 {
	l.Helper()
	list, err := l.cluster(cluster).CoreV1().Pods("").List(l.ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		l.Fatal(err)
	}
	all := map[string]int32{}
	for _, p := range list.Items {
		for _, c := range p.Status.ContainerStatuses {
			// These are restarted, to be told where the API is.
			if !strings.HasPrefix(p.Name, "kube-proxy-") {
				all[fmt.Sprintf("%s %s %s", p.Name, p.UID, c.Name)] = c.RestartCount
			}
		}
	}
	return all
}

// controlPlaneBack removes frankfurt's control plane with its disk, and has `pulumi up` bring
// it back. The host has the federation's.
func controlPlaneBack(l *lab, host, config string) {
	const cluster, worker = "frankfurt", "frankfurt-2"
	kept := "kept-" + fmt.Sprint(time.Now().Unix())
	l.place(idle(kept, 2), map[string]int64{cluster: 1})
	l.spread(kept, map[string]int{cluster: 2})
	if out, err := l.kube("", cluster, "create", "secret", "generic", kept, "--from-literal", "word="+kept); err != nil {
		l.Fatal(err, out)
	}
	if _, err := l.snapshots("now"); err != nil {
		l.Fatal(err)
	}
	authority := string(l.connection(cluster).CAData)
	restarts, ids := l.restartsOf(cluster, worker), l.ids()
	members, err := l.members()
	if err != nil {
		l.Fatal(err)
	}
	machine, err := l.machine(worker)
	if err != nil {
		l.Fatal(err)
	}
	lost, err := l.machine(cluster + "-1")
	if err != nil {
		l.Fatal(err)
	}
	if err := l.host.DeleteMachine(l.ctx, lost); err != nil {
		l.Fatal(err)
	}
	start := time.Now()
	l.up(config)
	l.eventually(controlPlaneLimit-time.Since(start), func() error {
		if ready := l.nodes(cluster); !ready[cluster+"-1"] || !ready[worker] {
			return fmt.Errorf("nodes are %v", ready)
		}
		return errors.Join(l.membersReady(l.clusters()...), l.controlPlaneReady(host))
	})
	took := time.Since(start)
	fmt.Printf("--- the control plane is back after %s\n", took.Round(time.Second))
	if took > controlPlaneLimit {
		l.Errorf("it took %s, want at most %s", took, controlPlaneLimit)
	}
	if now, err := l.machine(worker); err != nil || now != machine {
		l.Errorf("the worker has been replaced: %s, %v", now, err)
	}
	// Others may have come: the federation's API has another certificate, which names the
	// machine's addresses.
	counts := l.restartsOf(cluster, worker)
	for pod, count := range restarts {
		if strings.HasPrefix(pod, "karmada-apiserver-") {
			continue
		}
		if again, ok := counts[pod]; !ok || again != count {
			l.Errorf("the worker's %s, started again %d times, is there %t, started again %d times", pod, count, ok, again)
		}
	}
	if now := string(l.connection(cluster).CAData); now != authority {
		l.Error("the cluster has another authority")
	}
	if out, err := l.kube("", cluster, "get", "secret", kept, "-o", "go-template={{.data.word | base64decode}}"); err != nil || out != kept {
		l.Errorf("the Secret is %q: %v", out, err)
	}
	now, err := l.members()
	for name, was := range members {
		if err != nil || now[name].uid != was.uid {
			l.Errorf("the member %s has been replaced: %v", name, err)
		}
	}
	l.spread(kept, map[string]int{cluster: 2})
	// Objects are those that there were; what is on the machine, and stands for it, isn't.
	for urn, id := range l.ids() {
		if was, ok := ids[urn]; ok && was != id && strings.Contains(urn, "kubernetes:") {
			l.Errorf("%s was %q, and is %q", urn, was, id)
		}
	}
	l.must("preview", "--expect-no-changes", config)
	// It does new things.
	l.scale(kept, 3)
	l.spread(kept, map[string]int{cluster: 3})
	l.remove(kept)
}

// lostForGood removes the control plane, and has its user say that it is lost: it begins
// again, with nothing in it, though there are snapshots.
func lostForGood(l *lab, config, lost string) {
	const cluster, left = "frankfurt", "left-behind"
	if out, err := l.kube("", cluster, "create", "secret", "generic", left); err != nil {
		l.Fatal(err, out)
	}
	machine, err := l.machine(cluster + "-1")
	if err != nil {
		l.Fatal(err)
	}
	if err := l.host.DeleteMachine(l.ctx, machine); err != nil {
		l.Fatal(err)
	}
	l.refused(cluster, append(slices.Clone(refreshing), config)...)
	if out := l.refused(cluster, append(slices.Clone(updating), config)...); !strings.Contains(out, "three ways on") {
		l.Errorf("pulumi up doesn't say the ways on:\n%s", tail(out, 40))
	}
	l.up(lost)
	l.up(config)
	l.eventually(controlPlaneLimit, func() error {
		if ready := l.nodes(cluster); !ready[cluster+"-1"] || !ready[cluster+"-2"] {
			return fmt.Errorf("nodes are %v", ready)
		}
		return errors.Join(l.membersReady(cluster), l.controlPlaneReady(cluster))
	})
	if out, err := l.kube("", cluster, "get", "secret", left); err == nil || !strings.Contains(err.Error()+out, "NotFound") {
		l.Errorf("the Secret %s is there: %v: %s", left, err, out)
	}
	l.must("preview", "--expect-no-changes", config)
}
