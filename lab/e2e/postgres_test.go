package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// streamLimit bounds the time from the end of an outage to all replicas following
// the master again.
const streamLimit = time.Minute

// TestPostgres goes through the life of a database: each part needs the one before.
func TestPostgres(t *testing.T) {
	l := adopt(t)
	l.steps(t, []part{
		{name: "up", run: postgresUp},
		{name: "names from every cluster", run: postgresNames},
		{name: "no acknowledged row is lost in outages", run: postgresOutages},
		{name: "a replica moves", run: moveReplica},
	})
}

// replication is what `hybrid postgres status --json` prints.
type replication struct {
	Cluster  string
	Writable bool
	Replicas []struct {
		Cluster, Name, Node, Address, State, Sync string
		LagBytes                                  int64
		LagSeconds                                float64
	}
	Unknown, Notes []string
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
	out, err := l.ask("postgres", "status", "--json")
	if err != nil {
		return nil, err
	}
	var r replication
	return &r, json.Unmarshal([]byte(out), &r)
}

// follow checks that the master of a cluster accepts writes, and that as many
// replicas follow it as are wanted, by the addresses of their pods.
func (l *lab) follow(master string, want map[string]int) error {
	r, err := l.replication()
	if err != nil {
		return err
	}
	got := map[string]int{}
	for _, x := range r.Replicas {
		if x.State == "streaming" {
			got[x.Cluster]++
		}
	}
	if r.Cluster != master || !r.Writable || fmt.Sprint(got) != fmt.Sprint(want) || len(r.Unknown) > 0 || len(r.Notes) > 0 {
		return fmt.Errorf("the master is %s's (writable: %v), followed by %v; want %s's and %v; %v %v", r.Cluster, r.Writable, got, master, want, r.Unknown, r.Notes)
	}
	return nil
}

// streamAgain waits until all is well, and says how long that took.
func (l *lab) streamAgain(what, master string, want map[string]int) {
	l.Helper()
	start := time.Now()
	l.eventually(streamLimit, func() error { return l.follow(master, want) })
	fmt.Printf("--- %s: all replicas stream again after %s\n", what, time.Since(start).Round(100*time.Millisecond))
}

// seeds are the replicas of the settings' default.
var seeds = map[string]int{"frankfurt": 4, "london": 2}

// psql runs SQL in a pod, as its superuser.
func (l *lab) psql(cluster, pod, sql string) (string, error) {
	cmd := exec.CommandContext(l.ctx, filepath.Join(l.stack.Bin(), "kubectl"), "--kubeconfig", l.stack.Kubeconfig(),
		"--context", cluster, "--request-timeout", "10s", "exec", "-i", pod, "-c", "postgres", "--", "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres")
	cmd.Env, cmd.Stdin = l.stack.Env(), strings.NewReader(sql)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s in %s: %s: %w: %s", pod, cluster, sql, err, stderr.String())
	}
	return strings.TrimSpace(out.String()), nil
}

func postgresUp(l *lab) {
	l.up()
	// Not eventually: pulumi up has waited for it.
	if err := l.follow("london", seeds); err != nil {
		l.Error(err)
	}
	for cluster, table := range map[string]string{
		"london": "replicaset.apps/psql-replica 2 2\nstatefulset.apps/psql-master 1/1", "frankfurt": "replicaset.apps/psql-replica 4 4", "america": "statefulset.apps/psql-witness 1/1",
	} {
		l.eventually(30*time.Second, func() error {
			cmd := exec.CommandContext(l.ctx, filepath.Join(l.stack.Bin(), "kubectl"), "--kubeconfig", l.stack.Kubeconfig(), "--context", cluster, "get", "rs,sts", "--no-headers")
			cmd.Env = l.stack.Env()
			out, err := cmd.CombinedOutput()
			var lines []string
			for line := range strings.Lines(string(out)) {
				if f := strings.Fields(line); len(f) > 2 && strings.Contains(f[0], "replicaset") {
					lines = append(lines, strings.Join(f[:3], " "))
				} else if len(f) > 2 {
					lines = append(lines, strings.Join(f[:2], " "))
				}
			}
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
	noChanges(l)
}

// everywhere checks that all replicas have all of these rows.
func (l *lab) everywhere(rows []int) {
	l.Helper()
	r, err := l.replication()
	if err != nil {
		l.Fatal(err)
	}
	for _, x := range r.Replicas {
		l.eventually(20*time.Second, func() error { return l.has(x.Cluster, x.Name, rows) })
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

// postgresNames writes and reads by the services' names, from a pod of each cluster.
func postgresNames(l *lab) {
	for _, at := range []struct{ cluster, pod string }{{"london", "rs/psql-replica"}, {"frankfurt", "rs/psql-replica"}, {"america", "psql-witness-0"}} {
		l.eventually(30*time.Second, func() error {
			// Only the master's pods have the superuser's password; all have a way.
			for _, service := range []string{"psql-master", "psql-replica"} {
				cmd := exec.CommandContext(l.ctx, filepath.Join(l.stack.Bin(), "kubectl"), "--kubeconfig", l.stack.Kubeconfig(), "--context", at.cluster,
					"exec", at.pod, "-c", "postgres", "--", "pg_isready", "-t", "5", "-h", service)
				cmd.Env = l.stack.Env()
				if out, err := cmd.CombinedOutput(); err != nil {
					return fmt.Errorf("from %s to %s: %w: %s", at.cluster, service, err, out)
				}
			}
			return nil
		})
	}
}

// writer writes rows from a pod in america, one by one, each with a connection of
// its own by the service's name.
type writer struct {
	l      *lab
	cancel context.CancelFunc
	done   sync.WaitGroup
	acked  []int
	err    error
}

// startWriter begins with a row's number.
func (l *lab) startWriter(from int) *writer {
	l.Helper()
	const loop = `n=$1; rm -f /tmp/end
while [ ! -e /tmp/end ]; do
	echo "INSERT INTO acked VALUES ($n)" | PGPASSFILE=/run/psql/pass timeout 10 psql -X -q -v ON_ERROR_STOP=1 "host=psql-master user=postgres dbname=postgres sslmode=verify-full sslrootcert=/etc/psql/tls/ca.crt connect_timeout=3" >/dev/null 2>&1 && echo $n || sleep 0.2
	n=$((n + 1))
done`
	ctx, cancel := context.WithCancel(l.ctx)
	cmd := exec.CommandContext(ctx, filepath.Join(l.stack.Bin(), "kubectl"), "--kubeconfig", l.stack.Kubeconfig(), "--context", "america",
		"exec", "psql-witness-0", "-c", "postgres", "--", "sh", "-c", loop, "sh", strconv.Itoa(from))
	cmd.Env = l.stack.Env()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		l.Fatal(err)
	}
	w := &writer{l: l, cancel: cancel}
	w.done.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				w.acked = append(w.acked, n)
			}
		}
		w.err = cmd.Wait()
	})
	return w
}

// end returns the rows that were acknowledged.
func (w *writer) end() []int {
	w.l.Helper()
	defer w.cancel()
	if _, err := w.l.psql("america", "psql-witness-0", "\\! : >/tmp/end"); err != nil {
		w.l.Fatal(err)
	}
	w.done.Wait()
	if w.err != nil || len(w.acked) == 0 {
		w.l.Fatalf("the writer ended after %d rows: %v", len(w.acked), w.err)
	}
	fmt.Printf("--- %d rows were acknowledged\n", len(w.acked))
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

func postgresOutages(l *lab) {
	w := l.startWriter(1)
	l.rest(5 * time.Second)
	if err := l.cluster("london").CoreV1().Pods("default").Delete(l.ctx, "psql-master-0", metav1.DeleteOptions{}); err != nil {
		l.Fatal(err)
	}
	l.streamAgain("the master's pod was deleted", "london", seeds)

	on := l.off("london-2")
	l.rest(10 * time.Second)
	on()
	l.streamAgain("the master's machine was rebooted", "london", seeds)

	network := l.machines("frankfurt")[0].NetworkID
	if err := l.host.Cut(l.ctx, network); err != nil {
		l.Fatal(err)
	}
	l.rest(2 * time.Minute)
	if err := l.host.Mend(l.ctx, network); err != nil {
		l.Fatal(err)
	}
	l.streamAgain("frankfurt was cut off", "london", seeds)

	on = l.off("frankfurt-2")
	l.rest(20 * time.Second)
	on()
	l.streamAgain("the replicas' machine was killed", "london", seeds)
	rows := w.end()
	if err := l.has("london", "psql-master-0", rows); err != nil {
		l.Error(err)
	}
	l.everywhere(rows)
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
	l.streamAgain("3/3", "london", map[string]int{"frankfurt": 3, "london": 3})
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
	l.streamAgain("4/2", "london", seeds)
}
