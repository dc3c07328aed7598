package clouds

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// upgraded makes london and paris, which have been at v1.35.4 with two workers each, but
// for those of versions. It returns the hooks that were registered.
func upgraded(t *testing.T, versions map[string]string, change func(london, paris *ClusterArgs)) (*mockcloud.Record, []string) {
	t.Helper()
	former := mockcloud.Former{
		Outputs:   map[string]any{"clusters": map[string]any{"london": map[string]any{}, "paris": map[string]any{}}},
		Resources: map[string]map[string]any{},
	}
	all := map[string]string{}
	for _, cluster := range []string{"london", "paris"} {
		for _, node := range nodeNames(cluster, 2) {
			all[node] = "v1.35.4"
			if v, ok := versions[node]; ok {
				all[node] = v
			}
		}
	}
	f := nodesOf(all)
	for key, outputs := range f.resources {
		former.Resources[key] = outputs
	}
	for _, cluster := range []string{"london", "paris"} {
		former.Resources[cluster+"-1-init"+commandType] = f.resources[cluster+"-1-prepare"+commandType]
	}
	return rolled(t, former, func(ctx *pulumi.Context, rollout *Rollout) error {
		london, paris := args(DigitalOcean), args(AWS)
		for _, a := range []*ClusterArgs{london, paris} {
			a.Workers, a.Rollout, a.Shared.KubernetesVersion = 2, rollout, "v1.36.5"
		}
		change(london, paris)
		if _, err := NewCluster(ctx, "london", london); err != nil {
			return err
		}
		_, err := NewCluster(ctx, "paris", paris)
		return err
	})
}

// One node of all clusters after the other, each control plane before its workers. A
// worker that comes with the same update joins the upgraded control plane.
func TestUpgradesTakeTurns(t *testing.T) {
	t.Parallel()
	r, hooks := upgraded(t, nil, func(london, _ *ClusterArgs) { london.Workers = 3 })
	order := []string{"london-1", "london-2", "london-3", "paris-1", "paris-2", "paris-3"}
	var want []string
	for i, node := range order {
		want = append(want, node+"-upgrade")
		if i > 0 && !r.Needs(node+"-prepare", order[i-1]+"-prepare") {
			t.Errorf("%s doesn't wait for %s", node, order[i-1])
		}
	}
	if !slices.Equal(hooks, want) {
		t.Errorf("hooks %v, want %v", hooks, want)
	}
	if r.Needs("london-4-prepare", "london-1-prepare") || !r.Needs("london-4-join", "london-1-prepare") {
		t.Error("a new worker is prepared at once, and joins the upgraded control plane")
	}
	if r.Needs("paris-1-prepare", "london-4-join") {
		t.Error("an upgrade waits for a new worker")
	}
}

// What has been done isn't done again, and nodes that stay wait for nothing.
func TestUpgradesGoOn(t *testing.T) {
	t.Parallel()
	r, hooks := upgraded(t, map[string]string{"london-1": "v1.36.5", "london-2": "v1.36.5"}, func(_, paris *ClusterArgs) {
		paris.Settings.KubernetesVersion = "v1.35.4"
	})
	if want := []string{"london-3-upgrade"}; !slices.Equal(hooks, want) {
		t.Errorf("hooks %v, want %v", hooks, want)
	}
	for _, node := range []string{"london-1", "london-2", "paris-1", "paris-2"} {
		if r.Needs(node+"-prepare", "london-3-prepare") {
			t.Errorf("%s waits for london-3", node)
		}
	}
}

// Creating a stack has no turns.
func TestCreationHasNoTurns(t *testing.T) {
	t.Parallel()
	none := map[string]string{}
	for _, node := range append(nodeNames("london", 2), nodeNames("paris", 2)...) {
		none[node] = ""
	}
	r, hooks := upgraded(t, none, func(_, _ *ClusterArgs) {})
	if len(hooks) > 0 || r.Needs("london-2-prepare", "london-1-prepare") || r.Needs("paris-1-prepare", "london-1-prepare") {
		t.Errorf("hooks %v, want none, and no node waits for another", hooks)
	}
}

// A worker is emptied and let back in by its control plane, which isn't emptied itself.
func TestPartsOfAnUpgrade(t *testing.T) {
	t.Parallel()
	f := nodesOf(map[string]string{"london-1": "v1.35.4", "london-2": "v1.35.4"})
	f.resources["london-1-init"+commandType] = f.resources["london-1-prepare"+commandType]
	r := &Rollout{former: f}
	a := args(AWS)
	a.PackageMirror = "http://198.51.100.6"
	a.Kubeadm.InitConfiguration = document{"nodeRegistration": document{"ignorePreflightErrors": []any{"NumCPU", "Mem"}}}
	for _, c := range []struct {
		u    Upgrade
		want string
	}{
		{Upgrade{"london-1", "v1.35.4", "v1.36.5", true}, "[upgrade control-plane NumCPU,Mem]"},
		{Upgrade{"london-2", "v1.35.4", "v1.36.5", false}, "[upgrade restart-kubelet  turn empty  upgrade worker  turn return ]"},
	} {
		parts, err := r.parts("london", a, c.u)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range parts {
			got = append(got, p.script, p.verb, p.params["IGNORE"])
			if p.params["NODE"] != c.u.Node || p.params["VERSION"] != "v1.36.5" || p.script == "upgrade" && p.params["PACKAGES"] != a.PackageMirror {
				t.Errorf("%s: parameters %v", c.u.Node, p.params)
			}
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: found %v, want %s", c.u.Node, got, c.want)
		}
	}
	// A stack that doesn't say how to reach a node upgrades none.
	f.resources["london-2-prepare"+commandType] = map[string]any{}
	if _, err := r.parts("london", a, Upgrade{Node: "london-2"}); err == nil || !strings.Contains(err.Error(), "london-2-prepare") {
		t.Errorf("found %v, want an error about london-2-prepare", err)
	}
}

var upgradeParams = map[string]string{"NODE": "london-1", "VERSION": "v1.36.5", "PACKAGES": "http://198.51.100.6", "IGNORE": "Mem"}

const components = "etcd kube-apiserver kube-controller-manager kube-scheduler"

// running makes a control plane, or a worker, that works.
func running(t *testing.T) *machine {
	m := prepared(t, "v1.35.4")
	m.Program("curl", key)
	for _, c := range strings.Fields(components) {
		m.File("etc/kubernetes/manifests/"+c+".yaml", "1.35")
	}
	// Leases are renewed each time. The kubelet becomes a new one by its restart.
	m.Program("kubectl", `case $* in
	*readyz*) [ ! -e `+m.Dir+`/away ] ;;
	*"get lease"*) echo x >>`+m.Dir+`/renewals; n=$(grep -c x `+m.Dir+`/renewals); printf 'kube-controller-manager=%s\nkube-scheduler=%s\n' $n. $n. ;;
	*kubeletVersion*) printf %s=True "$(cat `+m.Dir+`/kubelet 2>/dev/null || echo v1.35.4)" ;;
	*proxy/pods*) printf '{"items":[{"annotations":{"kubernetes.io/config.hash":"new","x":"y"}},{"annotations":{"z":"y"}}]}' ;;
	*tier=control-plane*) printf '%s=True\n' new ;;
	*"snapshot save"*) echo etcd >`+m.Dir+`/var/lib/etcd/snapshot.db ;;
	esac`)
	m.Program("timeout", `shift; "$@"`)
	m.File("var/lib/etcd/member", "")
	m.Program("systemctl", `[ "$1" != restart ] || echo v1.36.5 >`+m.Dir+`/kubelet`)
	return m
}

// changes leaves out what only looks.
func changes(calls []string) []string {
	return slices.DeleteFunc(calls, func(c string) bool {
		return strings.HasPrefix(c, "kubectl") && strings.Contains(c, " get ") || strings.Contains(c, "{end}") || strings.HasPrefix(c, "timeout") || strings.HasPrefix(c, "kubeadm version") || strings.HasPrefix(c, "kubelet")
	})
}

var (
	snapshotTaken = "kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-system exec etcd-london-1 -- etcdctl"
	kubeadmComes  = []string{"curl", "dpkg --configure -a", "apt-get -qq update", "apt-get -qq -y --allow-change-held-packages install kubeadm=1.36.5-*", "apt-mark hold kubeadm"}
	applied       = "kubeadm upgrade apply v1.36.5 --yes --certificate-renewal=false --ignore-preflight-errors=Mem"
	kubeletComes  = []string{"apt-get -qq -y --allow-change-held-packages install kubelet=1.36.5-* kubectl=1.36.5-*", "apt-mark hold kubelet kubectl", "systemctl daemon-reload", "systemctl restart kubelet"}
)

func TestUpgradeControlPlane(t *testing.T) {
	t.Parallel()
	m := running(t)
	m.File("etc/kubernetes/tmp/kubeadm-backup-etcd-1/x", "")
	_, stderr, calls, err := m.run("upgrade", "control-plane", upgradeParams)
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	called(t, changes(calls), slices.Concat([]string{snapshotTaken}, kubeadmComes, []string{applied}, kubeletComes)...)
	if got := m.read("var/lib/hybrid/etcd-before-v1.36.5.db"); got != "etcd\n" {
		t.Errorf("the snapshot is %q", got)
	}
	if left, _ := os.ReadDir(m.Dir + "/etc/kubernetes/tmp"); len(left) > 0 {
		t.Errorf("kubeadm's backups are left: %v", left)
	}
	// Again: the snapshot stays that of before.
	_, stderr, calls, err = m.run("upgrade", "control-plane", upgradeParams)
	if err != nil || slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, "snapshot") }) {
		t.Errorf("again: %v, %s, %v", err, stderr, calls)
	}
}

// Where there are backups, nothing is upgraded before a snapshot is in the bucket.
func TestUpgradeSendsASnapshot(t *testing.T) {
	t.Parallel()
	m := running(t)
	m.Program("hybrid-snapshot", `echo "no route"; exit 1`)
	_, stderr, calls, err := m.run("upgrade", "control-plane", upgradeParams)
	if err == nil || !strings.Contains(stderr, "nothing has been upgraded") || !strings.Contains(stderr, "no route") {
		t.Errorf("found %v, %s", err, stderr)
	}
	called(t, changes(calls), snapshotTaken, "hybrid-snapshot upgrade")
	m.Program("hybrid-snapshot", "")
	if _, stderr, calls, err = m.run("upgrade", "control-plane", upgradeParams); err != nil || changes(calls)[0] != "hybrid-snapshot upgrade" {
		t.Errorf("found %v, %s, %v", err, stderr, calls)
	}
}

// kubeadm may be ended anywhere, also between the renames of a manifest.
func TestUpgradeAfterAnInterruption(t *testing.T) {
	t.Parallel()
	for _, component := range strings.Fields(components) {
		m := running(t)
		m.File("etc/kubernetes/tmp/kubeadm-backup-manifests-1/"+component+".yaml", "1.35")
		if err := os.Remove(m.Dir + "/etc/kubernetes/manifests/" + component + ".yaml"); err != nil {
			t.Fatal(err)
		}
		_, stderr, _, err := m.run("upgrade", "control-plane", upgradeParams)
		if err != nil || !strings.Contains(stderr, "putting back the manifest of "+component) || m.read("etc/kubernetes/manifests/"+component+".yaml") != "1.35" {
			t.Errorf("%s: found %v, %s", component, err, stderr)
		}
		if files, _ := os.ReadDir(m.Dir + "/etc/kubernetes/manifests"); len(files) != 4 {
			t.Errorf("%s: the kubelet reads all of %v", component, files)
		}
	}
	// In the first attempt, too; and there is an end to it.
	m := running(t)
	m.Program("kubeadm", `[ $1 != upgrade ] || { echo x >>`+m.Dir+`/attempts; [ $(grep -c x `+m.Dir+`/attempts) = 3 ] || { echo "static pod hash did not change"; exit 1; }; }`)
	if _, stderr, calls, err := m.run("upgrade", "control-plane", upgradeParams); err != nil || strings.Count(stderr, "trying again: static pod hash did not change") != 2 {
		t.Errorf("found %v, %s, %v", err, stderr, calls)
	}
	m = running(t)
	m.Program("kubeadm", `[ $1 != upgrade ] || { echo "no etcd"; exit 1; }`)
	_, stderr, calls, err := m.run("upgrade", "control-plane", upgradeParams)
	if err == nil || !strings.Contains(stderr, "failed three times") || !strings.Contains(stderr, "etcd-before-v1.36.5.db") || !strings.Contains(stderr, "no etcd") {
		t.Errorf("found %v, %s", err, stderr)
	}
	if slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, "install kubelet") }) {
		t.Errorf("the kubelet is newer than its API server: %v", calls)
	}
}

// A control plane that doesn't work isn't upgraded, and an upgraded one is not done
// before its static pods are the kubelet's own.
func TestUpgradeWaitsForTheControlPlane(t *testing.T) {
	t.Parallel()
	m := running(t)
	m.File("away", "")
	_, stderr, calls, err := m.run("upgrade", "control-plane", upgradeParams)
	if err == nil || !strings.Contains(stderr, "doesn't work 10 minutes after") || len(changes(calls)) > 0 {
		t.Errorf("found %v, %s, %v", err, stderr, changes(calls))
	}
	for answer, want := range map[string]string{
		`*tier=control-plane*) printf 'old=True\nnew=False\n' ;;`: "static pod new is not Ready",
		`*proxy/pods*) printf '{"items":[]}' ;;`:                  "has no static pods",
		`*kubeletVersion*) printf v1.35.4=True ;;`:                "is v1.35.4=True, expected v1.36.5=True",
		`*"get lease"*) printf 'kube-scheduler=1\n' ;;`:           "expected another renewal than kube-scheduler=1",
	} {
		m := running(t)
		program := m.read("bin/kubectl")
		m.File("bin/kubectl", strings.Replace(program, "case $* in\n", "case $* in\n"+answer+"\n", 1))
		if _, stderr, _, err := m.run("upgrade", "control-plane", upgradeParams); err == nil || !strings.Contains(stderr, want) {
			t.Errorf("found %v, %s; want %q", err, stderr, want)
		}
	}
}

// Before a worker is drained its kubelet has to be connected to the API again.
func TestUpgradeRestartsTheKubelet(t *testing.T) {
	t.Parallel()
	m := running(t)
	_, stderr, calls, err := m.run("upgrade", "restart-kubelet", upgradeParams)
	if err != nil || stderr != "" {
		t.Fatalf("%v: %s", err, stderr)
	}
	called(t, changes(calls), "systemctl restart kubelet")
}

func TestUpgradeWorker(t *testing.T) {
	t.Parallel()
	m := running(t)
	_, stderr, calls, err := m.run("upgrade", "worker", upgradeParams)
	if err != nil || stderr != "" {
		t.Fatalf("%v: %s", err, stderr)
	}
	called(t, changes(calls), slices.Concat(kubeadmComes, []string{"kubeadm upgrade node --certificate-renewal=false --ignore-preflight-errors=Mem"}, kubeletComes)...)
}

// A worker that can't be emptied is let back in, and the user is told why.
func TestEmptyRespectsBudgets(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.Program("kubectl", `case $* in
	*"get node"*) printf True ;;
	*drain*) cat <<'EOT'; exit 1 ;;
error when evicting pods/"stubborn-0" -n "shop" (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.
error when evicting pods/"stubborn-0" -n "shop" (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.
EOT
	*poddisruptionbudgets*) printf 'never ' ;;
	esac`)
	_, stderr, calls, err := m.run("turn", "empty", map[string]string{"NODE": "london-2", "VERSION": "v1.36.5"})
	if err == nil || strings.Count(stderr, "pod stubborn-0 in namespace shop may not leave, by the PodDisruptionBudget never") != 1 || !strings.Contains(stderr, "within 300 seconds") {
		t.Errorf("found %v, %s", err, stderr)
	}
	for _, want := range []string{"drain london-2 --ignore-daemonsets --delete-emptydir-data --timeout=300s", "uncordon london-2"} {
		if !slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, want) }) {
			t.Errorf("called %v, want %s", calls, want)
		}
	}
	// What isn't a budget's doing is told as it is.
	m.Program("kubectl", `case $* in *"get node"*) printf True ;; *drain*) echo "cannot delete Pods that declare no controller: shop/lonely"; exit 1 ;; esac`)
	if _, stderr, _, err = m.run("turn", "empty", map[string]string{"NODE": "london-2", "VERSION": "v1.36.5"}); err == nil || !strings.Contains(stderr, "shop/lonely") {
		t.Errorf("found %v, %s", err, stderr)
	}
}

// What an upgrade's scripts say is told while they run.
func TestLoginTells(t *testing.T) {
	t.Parallel()
	l, _, _ := sshServer(t, 0)
	var told []string
	if err := l.run(t.Context(), "x", "", func(line string) { told = append(told, line) }); err != nil || !slices.Equal(told, []string{"said so"}) {
		t.Errorf("found %v, told %q", err, told)
	}
}
