package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// replication is what `hybrid postgres status --json` prints.
type replication struct {
	Healthy  bool
	Problems []struct{ Text string }
	Leader   *struct {
		Cluster, Pod string
		Timeline     int
	}
	Replicas []replica
	Losses   []struct {
		Cluster, Pod string
		Commits      int
	}
}

// replica is one that follows the leader, or should.
type replica struct {
	Cluster, Pod, State string
	LagBytes            *int
	LagSeconds          *float64
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

// everywhere checks that all members have all of these rows. Who they are is asked each
// time: for a moment a cluster may not answer, or a stream have no name yet.
func (l *lab) everywhere(rows []int) {
	l.Helper()
	l.eventually(pauseLimit, func() error {
		r, err := l.replication()
		if err != nil {
			return err
		}
		if r.Leader == nil {
			return fmt.Errorf("there is no leader: %v", r.Problems)
		}
		if err := l.has(r.Leader.Cluster, r.Leader.Pod, rows); err != nil {
			return err
		}
		for _, x := range r.Replicas {
			if x.Pod == "" {
				return fmt.Errorf("a replica of %s is not known by its name: %v", x.Cluster, r.Problems)
			}
			if err := l.has(x.Cluster, x.Pod, rows); err != nil {
				return err
			}
		}
		return nil
	})
}

// has checks that a server has all of these rows.
func (l *lab) has(cluster, pod string, rows []int) error {
	missing, err := l.lacks(cluster, pod, rows)
	if len(missing) > 0 {
		return fmt.Errorf("%s in %s lacks %d of %d acknowledged rows: %v", pod, cluster, len(missing), len(rows), missing[:min(10, len(missing))])
	}
	return err
}

// lacks are those of the rows that a server doesn't have.
func (l *lab) lacks(cluster, pod string, rows []int) (missing []int, err error) {
	out, err := l.psql(cluster, pod, "SELECT n FROM acked")
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, n := range strings.Fields(out) {
		found[n] = true
	}
	for _, n := range rows {
		if !found[strconv.Itoa(n)] {
			missing = append(missing, n)
		}
	}
	return missing, nil
}

// client is a pod of a cluster that knows the database by its names only. It is on the
// control plane, which no one drains.
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
			NodeSelector:                  map[string]string{"node-role.kubernetes.io/control-plane": ""},
			Tolerations:                   []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
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

// parameter is a settings file in which one of PostgreSQL's parameters differs.
func (l *lab) parameter(name, value string) string {
	return l.config(func(all map[string]any) {
		all["hybrid:postgres"].(map[string]any)["parameters"].(map[string]any)[name] = value
	})
}

// databasePods are the addresses of the database's servers, by cluster and pod.
func (l *lab) databasePods() map[[2]string]string {
	l.Helper()
	found := map[[2]string]string{}
	for _, cluster := range []string{"london", "frankfurt"} {
		out, err := l.kube("", cluster, "get", "pods", "-l", "app in (psql-master, psql-replica)", "-o", `jsonpath={range .items[*]}{.metadata.name}={.status.podIP}{"\n"}{end}`)
		if err != nil {
			l.Fatal(err)
		}
		for line := range strings.Lines(out) {
			if pod, address, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
				found[[2]string{cluster, pod}] = address
			}
		}
	}
	return found
}

// ofMembers asks each of the database's servers, and returns the answers by pod.
func (l *lab) ofMembers(ask func(cluster, pod string) (string, error)) map[string]string {
	l.Helper()
	answers := map[string]string{}
	for at := range l.databasePods() {
		out, err := ask(at[0], at[1])
		if err != nil {
			l.Fatal(err)
		}
		answers[at[1]] = out
	}
	return answers
}

// numbers are what each of the database's servers answers to a query, by pod.
func (l *lab) numbers(sql string) map[string]int {
	l.Helper()
	found := map[string]int{}
	for pod, text := range l.ofMembers(func(cluster, pod string) (string, error) { return l.psql(cluster, pod, sql) }) {
		var err error
		if found[pod], err = strconv.Atoi(text); err != nil {
			l.Fatalf("%s: want a number, found %q", pod, text)
		}
	}
	return found
}

// copies identify the copy of the database that each member has: a new one has a new
// PG_VERSION, and neither PostgreSQL nor pg_rewind writes that file again.
func (l *lab) copies() map[string]string {
	l.Helper()
	return l.ofMembers(func(cluster, pod string) (string, error) {
		return l.kube("", cluster, "exec", pod, "-c", "postgres", "--", "ls", "-il", "--full-time", "/var/lib/psql/data/PG_VERSION")
	})
}
