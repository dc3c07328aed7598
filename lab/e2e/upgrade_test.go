package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"hybrid/lab/clouds/digitalocean"
	"hybrid/lab/registry"
)

// Limits of what is promised of an upgrade of all clusters: how long it takes, and how long
// writes may pause when the leader's node is drained.
const (
	upgradeLimit      = 15 * time.Minute
	upgradePauseLimit = 10 * time.Second
)

// TestLongUpgrade brings the stack from one minor version of Kubernetes to the next, one cluster
// first, while a client writes to the database. `make e2e-long` runs it.
func TestLongUpgrade(t *testing.T) {
	l := open(t)
	l.command("start", "--next")
	l.steps(t, []part{
		{name: "up", run: postgresUp},
		{name: "all clusters, one of them first", run: upgradeAll},
	})
}

// TestLongUpgradeInterrupted does the same with one cluster, and disturbs it in all ways.
func TestLongUpgradeInterrupted(t *testing.T) {
	l := open(t)
	l.command("start", "--next")
	l.steps(t, []part{
		{name: "up, on the vendor's own images", run: upOnStock},
		{name: "killed while the control plane is upgraded", run: killedControlPlane},
		{name: "a budget that never allows", run: stuckBudget},
		{name: "killed while the worker is upgraded", run: killedWorker},
		{name: "it goes on", run: func(l *lab) {
			l.up(l.alone(registry.NextKubernetes))
			l.upgraded("london", pair["london"])
			l.allReady(pair)
			l.must("preview", "--expect-no-changes", l.alone(registry.NextKubernetes))
		}},
	})
}

// upOnStock makes machines without Kubernetes, which they get from the repository.
func upOnStock(l *lab) {
	os.Setenv(digitalocean.QuirksVariable, digitalocean.StockImage)
	defer os.Unsetenv(digitalocean.QuirksVariable)
	l.up(l.alone(""))
	l.allReady(pair)
	installed(l, pair["london"]...)
}

// pair are the nodes of a stack of one cluster.
var pair = map[string][]string{"london": {"london-1", "london-2"}}

// alone are the settings of one cluster with nothing on it, at a version or the default's, and
// with what else is to change.
func (l *lab) alone(version string, more ...func(settings map[string]any)) string {
	l.Helper()
	return l.config(func(settings map[string]any) {
		all := slices.DeleteFunc(defaultClusters(l), func(c any) bool { return c.(map[string]any)["name"] != "london" })
		all[0].(map[string]any)["federationHost"] = true
		settings["hybrid:clusters"] = all
		settings["hybrid:postgres"] = map[string]any{"enabled": false}
		settings["hybrid:zone"] = map[string]any{"enabled": false}
		delete(settings, "hybrid:backup")
		delete(settings, "hybrid:backupKey")
		if version != "" {
			settings["hybrid:kubernetesVersion"] = version
		}
		for _, change := range more {
			change(settings)
		}
	})
}

// at are the settings of Pulumi.dev.yaml with all clusters at the next version, or one.
func (l *lab) at(cluster string) string {
	l.Helper()
	return l.config(func(settings map[string]any) {
		if cluster == "" {
			settings["hybrid:kubernetesVersion"] = registry.NextKubernetes
			return
		}
		all := defaultClusters(l)
		for _, c := range all {
			if c := c.(map[string]any); c["name"] == cluster {
				c["kubernetesVersion"] = registry.NextKubernetes
			}
		}
		settings["hybrid:clusters"] = all
	})
}

func upgradeAll(l *lab) {
	const first = "frankfurt"
	out := l.must("preview", l.at(""))
	last := -1
	// The federation's host is the last one.
	for _, node := range []string{"london-1", "london-2", "frankfurt-1", "frankfurt-2", "america-1", "america-2"} {
		at := strings.Index(out, "  "+node+" from "+registry.Kubernetes+" to "+registry.NextKubernetes)
		if at <= last {
			l.Errorf("the preview lists %s at %d, want it after %d", node, at, last)
		}
		last = at
	}
	machines := l.machineIDs()
	members, err := l.members()
	if err != nil {
		l.Fatal(err)
	}
	w := l.startWriter(l.written())
	watched := l.watchNodes()
	start := time.Now()
	l.up(l.at(first))
	l.upgraded(first, want[first])
	for _, cluster := range []string{"london", "america"} {
		if got := l.versions(cluster); !slices.Equal(slices.Collect(maps.Values(got)), []string{registry.Kubernetes, registry.Kubernetes}) {
			l.Errorf("%s has %v, although it was %s that was to be upgraded", cluster, got, first)
		}
	}
	l.eventually(streamLimit, func() error { return l.follow("", seeds) })
	l.up(l.at(""))
	took := time.Since(start)
	most := watched()
	rows, _ := w.end("all clusters were upgraded", upgradePauseLimit)
	fmt.Printf("--- all clusters were upgraded in %s; out of work at a time: %v\n", took.Round(time.Second), most)
	if took > upgradeLimit {
		l.Errorf("that took %s, want at most %s", took.Round(time.Second), upgradeLimit)
	}
	if len(most) != 1 {
		l.Errorf("%v were out of work at the same time, want one node and no more", most)
	}
	for cluster, nodes := range want {
		l.upgraded(cluster, nodes)
	}
	if now := l.machineIDs(); !maps.Equal(now, machines) {
		l.Errorf("machines %v, want those of before, %v", now, machines)
	}
	l.converged(want, l.at(""))
	l.everywhere(rows)
	// The federation's API server follows, and knows the same members.
	if pods, err := l.parts("america", "kube-apiserver:"+registry.NextKubernetes); err != nil || len(pods) != 1 {
		l.Errorf("%d pods of the federation's API server are of %s, want one: %v", len(pods), registry.NextKubernetes, err)
	}
	l.eventually(time.Minute, func() error { return l.membersReady(slices.Sorted(maps.Keys(members))...) })
	l.sameMembers(members)
	hardened(l)
	l.eventually(time.Minute, func() error { _, err := l.ask("status"); return err })
}

// versions are those of a cluster's kubelets, by node.
func (l *lab) versions(cluster string) map[string]string {
	l.Helper()
	list, err := l.cluster(cluster).CoreV1().Nodes().List(l.ctx, metav1.ListOptions{})
	if err != nil {
		l.Fatal(err)
	}
	versions := map[string]string{}
	for _, n := range list.Items {
		versions[n.Name] = n.Status.NodeInfo.KubeletVersion
	}
	return versions
}

// upgraded checks that nodes, and what runs on their control plane, are of the next version,
// and that pods may go there.
func (l *lab) upgraded(cluster string, nodes []string) {
	l.Helper()
	want := map[string]string{}
	for _, node := range nodes {
		want[node] = registry.NextKubernetes
	}
	if got := l.versions(cluster); !maps.Equal(got, want) {
		l.Errorf("%s: kubelets are %v, want %v", cluster, got, want)
	}
	kube := l.cluster(cluster).CoreV1()
	for _, program := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		pod, err := kube.Pods("kube-system").Get(l.ctx, program+"-"+nodes[0], metav1.GetOptions{})
		if err != nil {
			l.Fatal(err)
		}
		if image := pod.Spec.Containers[0].Image; !strings.HasSuffix(image, ":"+registry.NextKubernetes) {
			l.Errorf("%s: %s runs %s", cluster, program, image)
		}
	}
	for _, node := range nodes {
		n, err := kube.Nodes().Get(l.ctx, node, metav1.GetOptions{})
		if err != nil {
			l.Fatal(err)
		}
		if n.Spec.Unschedulable {
			l.Errorf("%s lets no pods in", node)
		}
	}
}

// watchNodes looks at all nodes until the returned function is called, which says which of
// them were out of work at the same time, at most: not Ready, or letting no pods in. Of a
// cluster whose API doesn't answer it is the control plane.
func (l *lab) watchNodes() func() []string {
	l.Helper()
	clients := map[string]*kubernetes.Clientset{}
	for cluster := range want {
		config := l.connection(cluster)
		config.Timeout = 2 * time.Second
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			l.Fatal(err)
		}
		clients[cluster] = client
	}
	ctx, cancel := context.WithCancel(l.ctx)
	var watching sync.WaitGroup
	var most []string
	watching.Go(func() {
		for ctx.Err() == nil {
			var out []string
			for cluster, client := range clients {
				list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
				if err != nil {
					out = append(out, want[cluster][0])
					continue
				}
				for _, n := range list.Items {
					ready := slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
						return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
					})
					if !ready || n.Spec.Unschedulable {
						out = append(out, n.Name)
					}
				}
			}
			if len(out) > len(most) && ctx.Err() == nil {
				most = out
			}
			select {
			case <-ctx.Done():
			case <-time.After(300 * time.Millisecond):
			}
		}
	})
	return func() []string {
		cancel()
		watching.Wait()
		return most
	}
}

// kill ends `pulumi up` at a point, and what it has started on a node too, as when both lose
// their power.
func (l *lab) kill(node, point string, reached func() bool) {
	l.Helper()
	l.killAt(point, reached, l.alone(registry.NextKubernetes))
	id, err := l.machine(node)
	if err != nil {
		l.Fatal(err)
	}
	// The script's own shell comes first, which would go on with what is ended.
	if out, err := l.host.Exec(l.ctx, id, "sh", "-c", "pkill -KILL -f 'sh -s [u]pgrade'; pkill -KILL kubeadm; pkill -KILL apt-get; pkill -KILL dpkg; ! pgrep -f 'sh -s [u]pgrade'"); err != nil {
		l.Fatalf("on %s: %v %s", node, err, out)
	}
	l.wholeState()
	if out, err := l.pulumi("cancel", "--yes"); err != nil {
		l.Fatalf("pulumi cancel after a kill: %v\n%s", err, out)
	}
}

// holdsOn says whether a command succeeds on a node.
func (l *lab) holdsOn(node, command string) bool {
	id, err := l.machine(node)
	if err == nil {
		_, err = l.host.Exec(l.ctx, id, "sh", "-c", command)
	}
	return err == nil
}

// killedControlPlane ends all when etcd is of the next version, and the API server isn't.
func killedControlPlane(l *lab) {
	const manifests = "/etc/kubernetes/manifests/"
	l.kill("london-1", "etcd is being replaced", func() bool {
		return l.holdsOn("london-1", "grep -q etcd:3.6.8 "+manifests+"etcd.yaml && grep -q "+registry.Kubernetes+" "+manifests+"kube-apiserver.yaml")
	})
}

// stuckBudget is of a pod that may never leave its node: the chain goes on with the control
// plane, and stops at the worker, which stays as it is.
func stuckBudget(l *lab) {
	config := l.alone(registry.NextKubernetes)
	// The API is away since it was killed; kubeadm's next run brings it back.
	labels := map[string]string{"app": "stays"}
	one, zero := int32(1), intstr.FromInt32(0)
	none := int64(0)
	var uid string
	l.eventually(3*time.Minute, func() error {
		kube := l.cluster("london")
		_, err := kube.AppsV1().Deployments("default").Create(l.ctx, &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: "stays"},
			Spec: appsv1.DeploymentSpec{
				Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: labels},
					Spec: corev1.PodSpec{
						TerminationGracePeriodSeconds: &none,
						Containers:                    []corev1.Container{{Name: "stays", Image: registry.Tools, Command: []string{"sleep", "infinity"}}},
					},
				},
			},
		}, metav1.CreateOptions{})
		return err
	})
	if _, err := l.cluster("london").PolicyV1().PodDisruptionBudgets("default").Create(l.ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "never"},
		Spec:       policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &zero, Selector: &metav1.LabelSelector{MatchLabels: labels}},
	}, metav1.CreateOptions{}); err != nil {
		l.Fatal(err)
	}
	stays := func() (*corev1.Pod, error) {
		list, err := l.cluster("london").CoreV1().Pods("default").List(l.ctx, metav1.ListOptions{LabelSelector: "app=stays"})
		if err == nil && (len(list.Items) != 1 || !isReady(list.Items[0])) {
			err = fmt.Errorf("found %d pods, want one that is Ready", len(list.Items))
		}
		if err != nil {
			return nil, err
		}
		return &list.Items[0], nil
	}
	l.eventually(2*time.Minute, func() error {
		pod, err := stays()
		if err == nil {
			uid = string(pod.UID)
		}
		return err
	})
	out, err := l.pulumi("up", "--yes", "--skip-preview", config)
	for _, words := range []string{"london-2: upgrading Kubernetes", "pod stays-", "in namespace default may not leave, by the PodDisruptionBudget never", "run pulumi up again"} {
		if err == nil || !strings.Contains(out, words) {
			l.Errorf("pulumi up: %v; want an error with %q", err, words)
		}
	}
	if got, want := l.versions("london"), map[string]string{"london-1": registry.NextKubernetes, "london-2": registry.Kubernetes}; !maps.Equal(got, want) {
		l.Errorf("kubelets are %v, want %v", got, want)
	}
	n, err := l.cluster("london").CoreV1().Nodes().Get(l.ctx, "london-2", metav1.GetOptions{})
	if err != nil || n.Spec.Unschedulable {
		l.Errorf("london-2 lets no pods in, %v: nothing was to become of it", err)
	}
	if pod, err := stays(); err != nil || string(pod.UID) != uid {
		l.Errorf("the pod is another one, or gone: %v", err)
	}
	if out := l.must("preview", config); !strings.Contains(out, "  london-2 from ") || strings.Contains(out, "  london-1 from ") {
		l.Error("the preview doesn't list london-2 alone")
	}
	if err := l.cluster("london").PolicyV1().PodDisruptionBudgets("default").Delete(l.ctx, "never", metav1.DeleteOptions{}); err != nil {
		l.Fatal(err)
	}
}

// killedWorker ends all while the worker's packages are installed.
func killedWorker(l *lab) {
	l.kill("london-2", "packages are being installed", func() bool { return l.holdsOn("london-2", "pgrep -x dpkg") })
	if got := l.versions("london")["london-2"]; got != registry.Kubernetes {
		l.Errorf("london-2 runs %s already: it was killed too late to prove anything", got)
	}
}
