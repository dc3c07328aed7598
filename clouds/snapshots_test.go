package clouds

import (
	"os"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// lived returns by which identity Kubernetes' provider knows london, after a life of its
// own.
func lived(t *testing.T, was map[string]any, change func(*ClusterArgs)) (identity string, restoring bool) {
	t.Helper()
	former := mockcloud.Former{Outputs: map[string]any{"clusters": map[string]any{"london": map[string]any{"fixed": map[string]any{"cloud": AWS, "region": "eu-central-1"}, "life": was}}}}
	r, err := mockcloud.RunAfter(former, false, nil, func(ctx *pulumi.Context) error {
		f, err := ReadFormer(ctx)
		if err != nil {
			return err
		}
		a := args(AWS)
		a.Name, a.Former = "london", f
		if change != nil {
			change(a)
		}
		if _, err := f.Check(ctx, a.Settings, a.Shared); err != nil {
			return err
		}
		restoring = f.Restoring(a.Settings)
		_, err = NewCluster(ctx, "london", a)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text(r.Find(t, "london-kubernetes"), "clusterIdentifier"), restoring
}

// A cluster that is brought back from a snapshot is the one that it was, then and later on.
// Each other new machine makes another one.
func TestLife(t *testing.T) {
	t.Parallel()
	own, _ := lived(t, nil, nil)
	machine := strings.TrimPrefix(own, "london/")
	if machine == own || machine == "" {
		t.Fatalf("found the identity %q", own)
	}
	life := func(machine, now string, restore int) map[string]any {
		return map[string]any{"machine": machine, "init": "i", "now": now, "restore": restore, "snapshots": true}
	}
	sent := func(restore int) func(*ClusterArgs) {
		return func(a *ClusterArgs) {
			none := pulumi.String("").ToStringOutput()
			a.Snapshots = &Snapshots{Bucket: none, AccessKey: none, SecretKey: none, Key: func(string) pulumi.StringOutput { return none }}
			a.Restore = restore
		}
	}
	for name, x := range map[string]struct {
		was       map[string]any
		change    func(*ClusterArgs)
		want      string
		restoring bool
	}{
		"as it was":                            {life(machine, machine, 0), nil, own, false},
		"as it was, with snapshots":            {life("first", "first", 0), sent(0), "london/first", false},
		"coming back":                          {life("first", "first", 0), sent(1), "london/first", true},
		"has come back":                        {life("first", machine, 1), sent(1), "london/first", false},
		"has come back, without more to come":  {life("first", machine, 1), func(a *ClusterArgs) { a.Restore = 1 }, "london/first", false},
		"comes back once more":                 {life("first", "second", 1), sent(2), "london/first", true},
		"had come back, and has been replaced": {life("first", "second", 1), func(a *ClusterArgs) { a.Restore = 1 }, own, false},
		"replaced":                             {life("first", "first", 0), nil, own, false},
		"ends, by another region": {life("first", "first", 0), func(a *ClusterArgs) {
			sent(1)(a)
			a.Region, a.Replace = "eu-west-1", true
		}, own, false},
		"of an earlier release":                {nil, sent(0), own, false},
		"replaced before there were snapshots": {map[string]any{"machine": "first", "init": "i", "now": "first"}, sent(0), own, false},
		"replaced, and lost for good": {life("first", "first", 0), func(a *ClusterArgs) {
			sent(0)(a)
			a.Lost = true
		}, own, false},
	} {
		if got, restoring := lived(t, x.was, x.change); got != x.want || restoring != x.restoring {
			t.Errorf("%s: found %q, restoring %t; want %q, %t", name, got, restoring, x.want, x.restoring)
		}
	}
}

// bucketSettings are those of a machine that sends snapshots.
const bucketSettings = "CLUSTER='london'\nNODE='london-1'\nLIFE='i-1'\nMINUTES='15'\nDAYS='14'\nHOURS='24'\nREGION='eu'\nRESTIC_PASSWORD='sesame'\n"

// sending is a machine with a control plane, which is asked for a snapshot if there is a
// file named asked.
func sending(t *testing.T) *machine {
	m := newMachine(t)
	m.File("var/lib/hybrid/snapshots/settings", bucketSettings)
	for _, f := range []string{"ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.key", "sa.pub", "etcd/ca.crt", "etcd/ca.key"} {
		m.File("etc/kubernetes/pki/"+f, f)
	}
	m.File("etc/kubernetes/hardening/encryption.yaml", "the key")
	m.File("var/lib/etcd/member", "")
	m.Program("restic", `[ "$RESTIC_PASSWORD" = sesame ] || exit 1
		case $* in *"snapshots --json"*) echo '[]' ;; *backup*) cp -r `+m.Dir+`/var/lib/hybrid/snapshots/now `+m.Dir+`/sent ;; *restore*) to=`+m.Dir+`/var/lib/hybrid/snapshots/rehearsal`+m.Dir+`/var/lib/hybrid/snapshots; mkdir -p $to; cp -r `+m.Dir+`/sent $to/now ;; esac`)
	m.Program("kubectl", `case $* in *"snapshot save"*) echo etcd >`+m.Dir+`/var/lib/etcd/hybrid-snapshot.db ;; *jsonpath*) cat `+m.Dir+`/asked 2>/dev/null || true ;; esac`)
	return m
}

// did are the calls of restic and kubectl, without their options.
func did(calls []string) (verbs []string) {
	for _, c := range calls {
		for _, verb := range []string{"cat config", "init", "backup", "forget", "snapshots", "snapshot save", "check", "snapshot restore", "restore", "apply"} {
			if strings.Contains(c+" ", " "+verb+" ") {
				verbs = append(verbs, verb)
				break
			}
		}
	}
	return verbs
}

func TestSnapshotsAreSent(t *testing.T) {
	t.Parallel()
	m := sending(t)
	all := []string{"snapshot save", "cat config", "backup", "forget", "snapshots", "check", "restore", "snapshot restore", "apply"}
	_, stderr, calls, err := m.Run(timed(sender), "", "")
	if got := did(calls); err != nil || !slices.Equal(got, all) {
		t.Fatalf("did %v, want %v: %v %s\n%s", got, all, err, stderr, strings.Join(calls, "\n"))
	}
	for file, want := range map[string]string{"etcd.db": "etcd\n", "pki/ca.key": "ca.key", "pki/etcd/ca.key": "etcd/ca.key", "pki/sa.key": "sa.key", "encryption.yaml": "the key"} {
		if got := m.read("sent/" + file); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
	}
	if _, err := os.Stat(m.Dir + "/var/lib/hybrid/snapshots/now"); err == nil {
		t.Error("the keys are still where they were gathered")
	}
	if line := strings.Join(calls, "\n"); strings.Contains(line, "sesame") || !strings.Contains(line, "--tag life=i-1 --tag why=schedule") {
		t.Errorf("called:\n%s", line)
	}
	if left, _ := os.ReadDir(m.Dir + "/var/lib/hybrid/snapshots/rehearsal"); len(left) > 0 {
		t.Errorf("the rehearsal has left %v", left)
	}
	// It is too early for the next one, until one is asked for.
	if _, _, calls, err = m.Run(timed(sender), "", ""); err != nil || len(did(calls)) > 0 {
		t.Errorf("%v: did %v", err, did(calls))
	}
	m.File("asked", "now")
	if _, _, calls, err = m.Run(timed(sender), "", ""); err != nil || !slices.Contains(did(calls), "backup") || !strings.Contains(strings.Join(calls, "\n"), "why=asked") || !strings.Contains(strings.Join(calls, "\n"), "answers=now") {
		t.Errorf("%v: called %v", err, calls)
	}
	if _, _, calls, err = m.Run(timed(sender), "", ""); err != nil || len(did(calls)) > 0 {
		t.Errorf("what was asked for once: %v: did %v", err, did(calls))
	}
}

// What doesn't get there is said, and tried again by the next run.
func TestSnapshotThatIsNotSent(t *testing.T) {
	t.Parallel()
	m := sending(t)
	m.Program("restic", `echo "no route"; exit 1`)
	for range 2 {
		_, stderr, calls, err := m.Run(timed(sender), "", "")
		if line := strings.Join(calls, "\n"); err == nil || !strings.Contains(stderr, "no route") || !strings.Contains(line, "--from-literal last=0 --from-literal error=no route") {
			t.Errorf("found %v, %s, called\n%s", err, stderr, line)
		}
		if slices.Contains(did(calls), "init") {
			t.Error("a bucket that doesn't answer was taken for an empty one")
		}
	}
	m.Program("restic", `case $* in *"cat config"*) echo "Fatal: unable to open config file: Stat: The specified key does not exist."; exit 1 ;; *"snapshots --json"*) echo '[]' ;; esac`)
	if _, stderr, calls, err := m.Run(timed(sender), "", ""); err != nil || !slices.Contains(did(calls), "init") {
		t.Errorf("an empty bucket: %v %s: did %v", err, stderr, did(calls))
	}
}

// Where the cluster can't be asked the next run sees to it, but an upgrade must not take that
// for a snapshot.
func TestSnapshotWithoutAPI(t *testing.T) {
	t.Parallel()
	m := sending(t)
	m.Program("kubectl", `echo "connection refused" >&2; exit 1`)
	if _, stderr, calls, err := m.Run(timed(sender), "", ""); err != nil || len(did(calls)) > 0 {
		t.Errorf("the timer: %v %s: did %v", err, stderr, did(calls))
	}
	if _, stderr, calls, err := m.Run(timed(sender), "upgrade", ""); err == nil || !strings.Contains(stderr, "no snapshot was made") || len(did(calls)) > 0 {
		t.Errorf("an upgrade: %v %s: did %v", err, stderr, did(calls))
	}
}

// A rehearsal that fails is told, and the snapshot is sent all the same.
func TestRehearsalFails(t *testing.T) {
	t.Parallel()
	for what, x := range map[string][2]string{
		"the bucket": {"restic", `case $* in *"snapshots --json"*) echo '[]' ;; *restore*) echo "ciphertext verification failed"; exit 1 ;; esac`},
		"a key":      {"restic", `case $* in *"snapshots --json"*) echo '[]' ;; esac`},
	} {
		m := sending(t)
		m.Program(x[0], x[1])
		_, stderr, calls, err := m.Run(timed(sender), "", "")
		line := strings.Join(calls, "\n")
		want := map[string]string{"the bucket": "unfit=ciphertext verification failed", "a key": "unfit=the snapshot lacks pki/ca.key"}[what]
		if err != nil || !strings.Contains(line, want) || !strings.Contains(line, "rehearsed=0") || strings.Contains(line, "last=0") {
			t.Errorf("%s: %v %s: called\n%s", what, err, stderr, line)
		}
	}
}

// comesBack is a machine in the place of a lost one, with what snapshots.sh is given.
func comesBack(t *testing.T) (*machine, map[string]string) {
	m := newMachine(t)
	m.Program("restic", "")
	m.Program("hybrid-snapshot", `[ "$1" = fetch ] || exit 1
		now=$2`+m.Dir+`/var/lib/hybrid/snapshots/now; mkdir -p $now/pki
		echo data >$now/etcd.db; echo federation >$now/federation.db; echo ca >$now/pki/ca.key; echo "the key" >$now/encryption.yaml`)
	m.Program("kubeadm", `[ "$1" != config ] || echo registry.k8s.io/etcd:3.6.6-0`)
	m.Program("ctr", `[ "$3" = run ] || exit 0
		while [ "$1" != etcdutl ]; do shift; done
		file=$4; while [ $# -gt 0 ]; do [ "$1" != --data-dir ] || dir=$2; shift; done; mkdir -p $dir/member; cp $file $dir/member/db`)
	return m, map[string]string{
		"SETTINGS": bucketSettings, "AUTHORITY": "", "SNAPSHOT": m.read("bin/hybrid-snapshot"), "NODE": "london-1", "ADDRESS": "10.10.0.9", "VERSION": "v1.35.4",
		"LIFE": "i-1", "MACHINE": "i-2",
	}
}

func TestControlPlaneComesBack(t *testing.T) {
	t.Parallel()
	m, params := comesBack(t)
	_, stderr, calls, err := m.run("snapshots", "create", params)
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, stderr, strings.Join(calls, "\n"))
	}
	for file, want := range map[string]string{
		"var/lib/hybrid/restored/etcd/member/db": "data\n", "var/lib/hybrid/restored/pki/ca.key": "ca\n",
		"var/lib/federation-etcd/data/member/db": "federation\n", "etc/kubernetes/hardening/encryption.yaml": "the key\n",
	} {
		if got := m.read(file); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
	}
	if line := strings.Join(calls, "\n"); !strings.Contains(line, "--bump-revision 1000000000 --mark-compacted --name london-1 --initial-cluster london-1=https://10.10.0.9:2380") || !strings.Contains(line, "registry.k8s.io/etcd:3.6.6-0 hybrid-restore-") || !strings.Contains(line, " etcdutl snapshot restore ") {
		t.Errorf("called\n%s", line)
	}
	// The same again does nothing: init goes on from what is there.
	if _, _, calls, err = m.run("snapshots", "create", params); err != nil || slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, "ctr") }) {
		t.Errorf("%v: called %v", err, calls)
	}
	_, calls, err = initialized(t, m, nil)
	if err != nil {
		t.Error(err)
	}
	called(t, calls, "kubeadm init --config /var/lib/hybrid/init.yaml --skip-token-print --ignore-preflight-errors=DirAvailable--var-lib-etcd",
		"kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 30s -n kube-system rollout restart daemonset/kube-proxy")
	if got := m.read("var/lib/etcd/member/db") + m.read("etc/kubernetes/pki/ca.key"); got != "data\nca\n" {
		t.Errorf("kubeadm finds %q", got)
	}
	if got := m.read("etc/kubernetes/hardening/encryption.yaml"); got != "the key\n" {
		t.Errorf("the Secrets' key is %q", got)
	}
	if _, err := os.Stat(m.Dir + "/var/lib/hybrid/restored"); err == nil {
		t.Error("what was restored is still there, with the keys")
	}
}

// Neither the first machine of a cluster nor one that is in use takes anything from the
// bucket, and one that finds nothing there makes no cluster.
func TestControlPlaneStays(t *testing.T) {
	t.Parallel()
	m, params := comesBack(t)
	m.File("var/lib/hybrid/initialized", "")
	if _, stderr, calls, err := m.run("snapshots", "create", params); err != nil || slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, "hybrid-snapshot") }) {
		t.Errorf("%v %s: called %v", err, stderr, calls)
	}
	m, params = comesBack(t)
	params["LIFE"] = "i-2"
	if _, stderr, calls, err := m.run("snapshots", "create", params); err != nil || slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, "hybrid-snapshot") }) {
		t.Errorf("%v %s: called %v", err, stderr, calls)
	}
	m, params = comesBack(t)
	m.Program("hybrid-snapshot", `echo "no snapshot found"; exit 1`)
	params["SNAPSHOT"] = m.read("bin/hybrid-snapshot")
	if _, stderr, _, err := m.run("snapshots", "create", params); err == nil || !strings.Contains(stderr, "no snapshot found") {
		t.Errorf("found %v, %s", err, stderr)
	}
	if _, err := os.Stat(m.Dir + "/var/lib/hybrid/restored"); err == nil {
		t.Error("there is something to go on from")
	}
}

// A worker follows a control plane that has come back at another address, and stays as it is
// otherwise.
func TestWorkerFollowsTheControlPlane(t *testing.T) {
	t.Parallel()
	cert, hash := authority(t)
	for was, follows := range map[string]bool{"https://10.10.0.2:6443": true, "https://10.10.0.9:6443": false} {
		m := newMachine(t)
		m.File("etc/kubernetes/pki/ca.crt", cert)
		m.File("etc/kubernetes/kubelet.conf", "clusters:\n- cluster:\n    server: "+was+"\n")
		m.File("var/lib/hybrid/kubelet", "x\n")
		_, stderr, calls, err := m.run("join", "create", map[string]string{
			"NODE": "london-2", "CA_HASH": hash, "TOKEN_URN": "urn:token", "KUBELET": "x", "CONFIG": "discovery:\n  bootstrapToken:\n    apiServerEndpoint: 10.10.0.9:6443\n",
		})
		if err != nil {
			t.Errorf("%v: %s", err, stderr)
		}
		if got := m.read("etc/kubernetes/kubelet.conf"); !strings.Contains(got, "    server: https://10.10.0.9:6443\n") {
			t.Errorf("the kubelet asks at\n%s", got)
		}
		if restarted := slices.Contains(calls, "systemctl restart kubelet"); restarted != follows {
			t.Errorf("of %s: called %v", was, calls)
		}
	}
}
