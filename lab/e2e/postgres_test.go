package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Limits of what is promised of the database.
const (
	// streamLimit is from the end of an outage to all replicas following again.
	streamLimit = time.Minute
	// pauseLimit is how long writes may pause when the leader's cloud is lost.
	pauseLimit = 30 * time.Second
	// bystanderLimit is the same when another cloud is lost, plannedLimit when the
	// leader hands over.
	bystanderLimit, plannedLimit = 12 * time.Second, 5 * time.Second
)

// TestPostgres goes through the life of a database: each part needs the one before.
func TestPostgres(t *testing.T) {
	l := adopt(t)
	l.steps(t, []part{
		{name: "up", run: postgresUp},
		{name: "names from every cluster", run: postgresNames},
		{name: "wrong parameters change nothing", run: wrongParameters, long: true},
		{name: "the leader's cloud is cut off", run: leaderCut},
		{name: "another cloud is cut off", run: otherCut},
		{name: "the leader's node is drained", run: leaderDrained},
		{name: "the leader's cloud is powered off", run: leaderOff, long: true},
		{name: "a replica moves", run: moveReplica, long: true},
		{name: "etcd is away", run: etcdAway, long: true},
		{name: "disks are lost", run: disksLost, long: true},
		{name: "switched over to london", run: switchedOver},
	})
	l.leave()
}

// replication is what `hybrid postgres status --json` prints.
type replication struct {
	Healthy  bool
	Problems []struct{ Text string }
	Leader   *struct {
		Cluster, Pod string
	}
	Replicas []struct {
		Cluster, Pod, State string
	}
}

// ask runs `hybrid` and returns what it prints.
func (l *lab) ask(args ...string) (string, error) {
	cmd := l.hybrid(args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(&stderr, os.Stdout)
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("hybrid %q: %w: %s", args, err, stderr.String())
	}
	return out.String(), nil
}

// replication asks for it; what can't be asked is an error.
func (l *lab) replication() (*replication, error) {
	// Its status says whether all is well; what it prints says more.
	out, err := l.ask("postgres", "status", "--json")
	var r replication
	if json.Unmarshal([]byte(out), &r) != nil {
		return nil, err
	}
	return &r, nil
}

// follow checks that there is a leader, in a cluster if that matters, and that all other
// members follow it: as many of each cluster as are wanted, with psql-master's.
func (l *lab) follow(leader string, want map[string]int) error {
	r, err := l.replication()
	if err != nil {
		return err
	}
	if r.Leader == nil {
		return fmt.Errorf("there is no leader: %v", r.Problems)
	}
	got := map[string]int{r.Leader.Cluster: 1}
	for _, x := range r.Replicas {
		if x.State == "streaming" {
			got[x.Cluster]++
		}
	}
	members := maps.Clone(want)
	members["london"]++
	if leader != "" && r.Leader.Cluster != leader || fmt.Sprint(got) != fmt.Sprint(members) || !r.Healthy {
		return fmt.Errorf("%s leads %v; want %q and %v; %v", r.Leader.Cluster, got, leader, members, r.Problems)
	}
	return nil
}

// streamAgain waits until all is well, and says how long that took.
func (l *lab) streamAgain(what, leader string, want map[string]int) {
	l.Helper()
	start := time.Now()
	l.eventually(streamLimit, func() error { return l.follow(leader, want) })
	fmt.Printf("--- %s: all replicas stream again after %s\n", what, time.Since(start).Round(100*time.Millisecond))
}

// seeds are the replicas of the settings' default.
var seeds = map[string]int{"frankfurt": 4, "london": 2}

// kube runs kubectl in a cluster.
func (l *lab) kube(stdin, cluster string, args ...string) (string, error) {
	cmd := exec.CommandContext(l.ctx, filepath.Join(l.stack.Bin(), "kubectl"),
		append([]string{"--kubeconfig", l.stack.Kubeconfig(), "--context", cluster, "--request-timeout", "30s"}, args...)...)
	cmd.Env, cmd.Stdin = l.stack.Env(), strings.NewReader(stdin)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %q in %s: %w: %s", args, cluster, err, stderr.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// psql runs SQL in a member, as its superuser.
func (l *lab) psql(cluster, pod, sql string) (string, error) {
	return l.kube(sql, cluster, "exec", "-i", pod, "-c", "postgres", "--", "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres")
}

// leader is who leads.
func (l *lab) leader() (cluster, pod string) {
	l.Helper()
	l.eventually(pauseLimit, func() error {
		r, err := l.replication()
		if err == nil && r.Leader == nil {
			err = fmt.Errorf("there is no leader: %v", r.Problems)
		}
		if err == nil {
			cluster, pod = r.Leader.Cluster, r.Leader.Pod
		}
		return err
	})
	return cluster, pod
}

func postgresUp(l *lab) {
	l.up()
	// pulumi up has waited for it. Who asks while six machines still start something has
	// to ask more than once.
	l.eventually(time.Minute, func() error { return l.follow("london", seeds) })
	for cluster, table := range map[string]string{
		"london":    "daemonset.apps/psql-proxy\nreplicaset.apps/psql-replica 2\nstatefulset.apps/psql-etcd-london 1/1\nstatefulset.apps/psql-master 1/1",
		"frankfurt": "daemonset.apps/psql-proxy\nreplicaset.apps/psql-replica 4\nstatefulset.apps/psql-etcd-frankfurt 1/1",
		"america":   "daemonset.apps/psql-proxy\nstatefulset.apps/psql-etcd-america 1/1",
	} {
		l.eventually(30*time.Second, func() error {
			out, err := l.kube("", cluster, "get", "ds,rs,sts", "--no-headers")
			var lines []string
			for line := range strings.Lines(out) {
				f := strings.Fields(line)
				if len(f) < 2 || !strings.Contains(f[0], "psql-") {
					continue
				}
				if strings.Contains(f[0], "daemonset") {
					f = f[:1]
				}
				lines = append(lines, strings.Join(f[:min(2, len(f))], " "))
			}
			slices.Sort(lines)
			if got := strings.Join(lines, "\n"); err == nil && got != table {
				err = fmt.Errorf("%s has\n%s\nwant\n%s", cluster, got, table)
			}
			return err
		})
	}
	if _, err := l.psql("london", "psql-master-0", "CREATE TABLE IF NOT EXISTS acked (n integer PRIMARY KEY); INSERT INTO acked VALUES (0)"); err != nil {
		l.Fatal(err)
	}
	l.everywhere([]int{0})
	l.must("preview", "--expect-no-changes")
}

// everywhere checks that all members have all of these rows.
func (l *lab) everywhere(rows []int) {
	l.Helper()
	r, err := l.replication()
	if err != nil || r.Leader == nil {
		l.Fatal(r, err)
	}
	l.eventually(20*time.Second, func() error { return l.has(r.Leader.Cluster, r.Leader.Pod, rows) })
	for _, x := range r.Replicas {
		l.eventually(20*time.Second, func() error { return l.has(x.Cluster, x.Pod, rows) })
	}
}

// has checks that a server has all of these rows.
func (l *lab) has(cluster, pod string, rows []int) error {
	out, err := l.psql(cluster, pod, "SELECT n FROM acked")
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, n := range strings.Fields(out) {
		found[n] = true
	}
	var missing []int
	for _, n := range rows {
		if !found[strconv.Itoa(n)] {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s in %s lacks %d of %d acknowledged rows: %v", pod, cluster, len(missing), len(rows), missing[:min(10, len(missing))])
	}
	return nil
}

// client is a pod of a cluster that knows the database by its names only.
func (l *lab) client(cluster string) {
	l.Helper()
	set, err := l.cluster("london").AppsV1().StatefulSets("default").Get(l.ctx, "psql-master", metav1.GetOptions{})
	if err != nil {
		l.Fatal(err)
	}
	user, zero, mode := int64(26), int64(0), int32(0o440)
	mount := func(name string) corev1.VolumeMount { return corev1.VolumeMount{Name: name, MountPath: "/etc/" + name} }
	volume := func(name, secret string) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret, DefaultMode: &mode}}}
	}
	pods := l.cluster(cluster).CoreV1().Pods("default")
	_, err = pods.Create(l.ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "client"},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &zero,
			SecurityContext:               &corev1.PodSecurityContext{RunAsUser: &user, RunAsGroup: &user, FSGroup: &user},
			Containers: []corev1.Container{{
				Name: "client", Image: set.Spec.Template.Spec.Containers[0].Image, Command: []string{"sh", "-c", "while :; do sleep 3600; done"},
				VolumeMounts: []corev1.VolumeMount{mount("tls"), mount("password")},
			}},
			Volumes: []corev1.Volume{volume("tls", "psql-tls"), volume("password", "psql-password")},
		},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		l.Fatal(err)
	}
	l.eventually(2*time.Minute, func() error {
		p, err := pods.Get(l.ctx, "client", metav1.GetOptions{})
		if err == nil && p.Status.Phase != corev1.PodRunning {
			err = fmt.Errorf("the client in %s is %s", cluster, p.Status.Phase)
		}
		return err
	})
}

// connect is shell that connects to a service as clients should, standard input is SQL.
const connect = `PGPASSWORD=$(cat /etc/password/postgres) timeout 10 psql -X -q -A -t -v ON_ERROR_STOP=1 "host=$service user=postgres dbname=postgres sslmode=verify-full sslrootcert=/etc/tls/ca.crt connect_timeout=2"`

// postgresNames writes and reads by the services' names, from a pod of each cluster.
// Reads go to replicas, of the own cluster where there are any.
func postgresNames(l *lab) {
	for cluster, near := range map[string]string{"london": "10.", "frankfurt": "10.", "america": "10."} {
		l.client(cluster)
		l.eventually(30*time.Second, func() error {
			for service, want := range map[string]string{"psql-master": "f", "psql-replica": "t"} {
				out, err := l.kube("SELECT pg_is_in_recovery(), inet_server_addr()", cluster, "exec", "-i", "client", "--", "sh", "-c", "service="+service+"; "+connect)
				if err != nil {
					return err
				}
				if recovery, address, _ := strings.Cut(out, "|"); recovery != want || !strings.HasPrefix(address, near) {
					return fmt.Errorf("from %s %s leads to %s", cluster, service, out)
				}
			}
			return nil
		})
	}
}

// wrongParameters are errors of pulumi up that say what PostgreSQL says, and nothing
// that runs is the worse for them.
func wrongParameters(l *lab) {
	for name, c := range map[string][2]string{
		"shared_bufers":            {"1GB", "unrecognized configuration parameter"},
		"work_mem":                 {"64mb", "Valid units for this parameter are"},
		"shared_preload_libraries": {"nosuch", "could not access file"},
	} {
		out, err := l.pulumi("up", "--yes", "--skip-preview", l.postgres(map[string]any{"parameters": map[string]any{
			"max_wal_senders": "40", "wal_keep_size": "64MB", "shared_buffers": "16MB", "fsync": "off", name: c[0],
		}}))
		if err == nil || !strings.Contains(out, c[1]) {
			l.Errorf("%s: found %v, want one with %q:\n%s", name, err, c[1], tail(out, 20))
		}
	}
	if err := l.follow("", seeds); err != nil {
		l.Error(err)
	}
	l.up(l.postgres(map[string]any{"parameters": map[string]any{
		"max_wal_senders": "40", "wal_keep_size": "64MB", "shared_buffers": "16MB", "fsync": "off", "TimeZone": "Europe/Berlin",
	}}))
	l.eventually(30*time.Second, func() error {
		zone, err := l.psql("london", "psql-master-0", "SHOW TimeZone")
		if err == nil && zone != "Europe/Berlin" {
			err = fmt.Errorf("TimeZone is %s", zone)
		}
		return err
	})
	l.up()
}

// writer writes rows from the client in a cluster, one by one, each with a connection of
// its own by the service's name.
type writer struct {
	l       *lab
	cluster string
	cancel  context.CancelFunc
	done    sync.WaitGroup
	acked   []int
	at      []time.Time
	err     error
}

// startWriter begins with a row's number, in america: no member is there.
func (l *lab) startWriter(from int) *writer { return l.startWriterIn("america", from) }

func (l *lab) startWriterIn(cluster string, from int) *writer {
	l.Helper()
	l.client(cluster)
	const loop = `service=psql-master; n=$1; rm -f /dev/shm/end
while [ ! -e /dev/shm/end ]; do
	echo "INSERT INTO acked VALUES ($n)" | ` + connect + ` >/dev/null 2>&1 && echo $n || sleep 0.1
	n=$((n + 1))
done`
	ctx, cancel := context.WithCancel(l.ctx)
	cmd := exec.CommandContext(ctx, filepath.Join(l.stack.Bin(), "kubectl"), "--kubeconfig", l.stack.Kubeconfig(), "--context", cluster,
		"exec", "client", "--", "sh", "-c", loop, "sh", strconv.Itoa(from))
	cmd.Env = l.stack.Env()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		l.Fatal(err)
	}
	w := &writer{l: l, cluster: cluster, cancel: cancel}
	w.done.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				w.acked, w.at = append(w.acked, n), append(w.at, time.Now())
			}
		}
		w.err = cmd.Wait()
	})
	return w
}

// end returns the rows that were acknowledged, after a look at the longest pause.
func (w *writer) end(what string, limit time.Duration) []int {
	w.l.Helper()
	defer w.cancel()
	if _, err := w.l.kube("", w.cluster, "exec", "client", "--", "sh", "-c", ": >/dev/shm/end"); err != nil {
		w.l.Fatal(err)
	}
	w.done.Wait()
	if w.err != nil || len(w.acked) == 0 {
		w.l.Fatalf("the writer ended after %d rows: %v", len(w.acked), w.err)
	}
	var pause time.Duration
	for i := 1; i < len(w.at); i++ {
		pause = max(pause, w.at[i].Sub(w.at[i-1]))
	}
	fmt.Printf("--- %s: %d rows were acknowledged, the longest pause was %s\n", what, len(w.acked), pause.Round(100*time.Millisecond))
	if pause > limit {
		w.l.Errorf("%s: writes paused for %s, want at most %s", what, pause.Round(100*time.Millisecond), limit)
	}
	return w.acked
}

// off switches machines off, and returns how to switch them on.
func (l *lab) off(nodes ...string) (on func()) {
	l.Helper()
	each := func(do func(context.Context, string) error) {
		l.Helper()
		for _, node := range nodes {
			id, err := l.machine(node)
			if err == nil {
				err = do(l.ctx, id)
			}
			if err != nil {
				l.Fatal(err)
			}
		}
	}
	each(l.host.StopMachine)
	return func() { each(l.host.StartMachine) }
}

// rest lets an outage last.
func (l *lab) rest(d time.Duration) {
	select {
	case <-time.After(d):
	case <-l.ctx.Done():
		l.Fatal(l.ctx.Err())
	}
}

// written says from which number on rows are free.
func (l *lab) written() int {
	l.Helper()
	cluster, pod := l.leader()
	out, err := l.psql(cluster, pod, "SELECT max(n) + 1000 FROM acked")
	n, wrong := strconv.Atoi(out)
	if err != nil || wrong != nil {
		l.Fatal(out, err)
	}
	return n
}

// leaderCut cuts the leader's cloud off: another leads, nothing is lost, and what comes
// back follows without a copy.
func leaderCut(l *lab) {
	old, _ := l.leader()
	l.leaderLost("the leader's cloud was cut off", func() (end func()) {
		network := l.machines(old)[0].NetworkID
		if err := l.host.Cut(l.ctx, network); err != nil {
			l.Fatal(err)
		}
		return func() {
			if err := l.host.Mend(l.ctx, network); err != nil {
				l.Fatal(err)
			}
		}
	})
}

// leaderOff powers it off.
func leaderOff(l *lab) {
	old, _ := l.leader()
	l.leaderLost("the leader's cloud was powered off", func() (end func()) { return l.off(old+"-1", old+"-2") })
}

func (l *lab) leaderLost(what string, lose func() (end func())) {
	l.Helper()
	old, _ := l.leader()
	w := l.startWriter(l.written())
	l.rest(5 * time.Second)
	end := lose()
	l.rest(pauseLimit + 10*time.Second)
	rows := w.end(what, pauseLimit)
	now, pod := l.leader()
	if now == old {
		l.Errorf("%s leads still", now)
	}
	if err := l.has(now, pod, rows); err != nil {
		l.Error(err)
	}
	end()
	l.streamAgain(what, "", seeds)
	l.everywhere(rows)
	// A failover is no change of settings.
	l.must("preview", "--expect-no-changes")
}

// otherCut cuts a cloud off in which nobody leads.
func otherCut(l *lab) {
	old, _ := l.leader()
	for _, cluster := range []string{"london", "frankfurt"} {
		if cluster == old {
			continue
		}
		w := l.startWriter(l.written())
		l.rest(5 * time.Second)
		network := l.machines(cluster)[0].NetworkID
		if err := l.host.Cut(l.ctx, network); err != nil {
			l.Fatal(err)
		}
		l.rest(20 * time.Second)
		if err := l.host.Mend(l.ctx, network); err != nil {
			l.Fatal(err)
		}
		l.streamAgain(cluster+" was cut off", old, seeds)
		l.everywhere(w.end(cluster+" was cut off", bystanderLimit))
	}
}

// leaderDrained evicts the leader: it hands over first.
func leaderDrained(l *lab) {
	cluster, pod := l.leader()
	w := l.startWriter(l.written())
	l.rest(5 * time.Second)
	if _, err := l.kube("", cluster, "delete", "pod", pod, "--wait=false"); err != nil {
		l.Fatal(err)
	}
	l.rest(15 * time.Second)
	rows := w.end("the leader's pod was drained", plannedLimit)
	l.streamAgain("the leader's pod was drained", "", seeds)
	l.everywhere(rows)
}

// switchedOver lets london lead, as it did at first, and frankfurt before if need be:
// writes pause for seconds.
func switchedOver(l *lab) {
	for _, to := range []string{"frankfurt", "london"} {
		if now, _ := l.leader(); now == to {
			continue
		}
		w := l.startWriter(l.written())
		l.rest(5 * time.Second)
		if _, err := l.ask("postgres", "switchover", "--to", to); err != nil {
			l.Fatal(err)
		}
		rows := w.end("switched over to "+to, plannedLimit)
		l.streamAgain("switched over to "+to, to, seeds)
		l.everywhere(rows)
	}
}

// replicaPods are the names of a cluster's.
func (l *lab) replicaPods(cluster string) []string {
	l.Helper()
	list, err := l.cluster(cluster).CoreV1().Pods("default").List(l.ctx, metav1.ListOptions{LabelSelector: "app=psql-replica"})
	if err != nil {
		l.Fatal(err)
	}
	var names []string
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil && p.Status.Phase == corev1.PodRunning {
			names = append(names, p.Name)
		}
	}
	return names
}

// postgres writes settings of hybrid:postgres over the lab's.
func (l *lab) postgres(settings map[string]any) string {
	return l.config(func(all map[string]any) {
		merged := map[string]any{}
		for k, v := range all["hybrid:postgres"].(map[string]any) {
			merged[k] = v
		}
		for k, v := range settings {
			merged[k] = v
		}
		all["hybrid:postgres"] = merged
	})
}

// moveReplica changes 4/2 to 3/3: one pod goes, one comes, all others stay.
func moveReplica(l *lab) {
	before := append(l.replicaPods("frankfurt"), l.replicaPods("london")...)
	l.up(l.postgres(map[string]any{"placement": map[string]any{"frankfurt": 3, "london": 3}}))
	l.streamAgain("3/3", "", map[string]int{"frankfurt": 3, "london": 3})
	kept := 0
	for _, name := range append(l.replicaPods("frankfurt"), l.replicaPods("london")...) {
		if slices.Contains(before, name) {
			kept++
		}
	}
	if kept != 5 {
		l.Errorf("%d of %v are still there, want 5", kept, before)
	}
	l.up()
	l.streamAgain("4/2", "", seeds)
}
