package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// etcdLimit is how long writes may pause for what has no member of PostgreSQL: it is
// less than the time in which etcd elects.
const etcdLimit = time.Second

// etcdAway takes away what holds who leads, while all members see each other: first the
// cloud that has nothing else of the database, then a majority.
func etcdAway(l *lab) {
	write := func(what string, away func() (back func())) {
		w := l.startWriterIn("london", l.written())
		l.rest(5 * time.Second)
		back := away()
		l.rest(20 * time.Second)
		rows, _ := w.end(what, etcdLimit)
		back()
		l.streamAgain(what, "", seeds)
		l.everywhere(rows)
	}
	write("america was cut off", func() func() {
		network := l.machines("america")[0].NetworkID
		if err := l.host.Cut(l.ctx, network); err != nil {
			l.Fatal(err)
		}
		return func() {
			if err := l.host.Mend(l.ctx, network); err != nil {
				l.Fatal(err)
			}
		}
	})
	write("two of three members of etcd were away", func() func() {
		both := []string{"america-2", "frankfurt-2"}
		for _, node := range both {
			// Stopped, it is neither well nor ended: kubelet sees that after a minute.
			l.run(node, "sudo pkill -STOP -x etcd")
		}
		return func() {
			for _, node := range both {
				l.run(node, "sudo pkill -CONT -x etcd")
			}
		}
	})
}

// timelineTaken switches over while the numbers of the next timelines are reserved, as by
// leaders that were lost right after their promotion. The new leader takes the number after them,
// none of them is among its ancestors, and all replicas follow without a new copy.
func timelineTaken(l *lab) {
	const taken = 3 // numbers: each is a question to etcd more
	copies := l.copies()
	r, err := l.replication()
	if err != nil {
		l.Fatal(err)
	}
	before := r.Leader.Timeline
	for n := range taken {
		if out, err := l.kube("", "london", "exec", "psql-etcd-london-0", "-c", "etcd", "--", "etcdctl", "put", fmt.Sprint("/psql/timelines/", before+1+n), "a lost leader"); err != nil {
			l.Fatal(err, out)
		}
	}
	switchOver(l, elsewhere(l))
	if r, err = l.replication(); err != nil {
		l.Fatal(err)
	}
	if want := before + taken + 1; r.Leader.Timeline != want {
		l.Errorf("the new leader is on timeline %d, want %d", r.Leader.Timeline, want)
	}
	history, err := l.kube("", r.Leader.Cluster, "exec", r.Leader.Pod, "-c", "postgres", "--", "cat", fmt.Sprintf("/var/lib/psql/data/pg_wal/%08X.history", r.Leader.Timeline))
	if err != nil {
		l.Fatal(err)
	}
	if lines := strings.Split(history, "\n"); !strings.HasPrefix(lines[len(lines)-1], fmt.Sprint(before, "\t")) {
		l.Errorf("the new leader's timeline comes from %q, want timeline %d", lines[len(lines)-1], before)
	}
	if after := l.copies(); !maps.Equal(after, copies) {
		l.Errorf("a member has taken a copy: the members' files are\n%v, want\n%v", after, copies)
	}
}

// disksLost takes etcd's data away, then psql-master's, then both at once. There is one
// database before and after, with all its rows.
func disksLost(l *lab) {
	rows := []int{l.written()}
	cluster, pod := l.leader()
	if _, err := l.psql(cluster, pod, fmt.Sprintf("INSERT INTO acked VALUES (%d)", rows[0])); err != nil {
		l.Fatal(err)
	}
	before := l.systems()
	// Patroni passes over an etcd that has had fewer leaders than the one before.
	for range 4 {
		l.etcdLeaderMoves()
	}
	for _, what := range []string{"etcd", "master", "etcd and master"} {
		if strings.Contains(what, "etcd") {
			for cluster := range want {
				l.lose(cluster, "psql-etcd-"+cluster)
			}
		}
		if strings.Contains(what, "master") {
			l.lose("london", "psql-master")
		}
		l.eventually(2*streamLimit, func() error { return l.follow("", seeds) })
		l.everywhere(rows)
		if after := l.systems(); after != before {
			l.Errorf("%s was lost: the members' databases are %s, want %s as before", what, after, before)
		}
		fmt.Printf("--- %s was lost: all members have the database\n", what)
	}
}

// etcdLeaderMoves has another member of etcd lead.
func (l *lab) etcdLeaderMoves() {
	l.Helper()
	etcdctl := func(cluster string, args ...string) string {
		out, err := l.kube("", cluster, append([]string{"exec", "psql-etcd-" + cluster + "-0", "-c", "etcd", "--", "etcdctl"}, args...)...)
		if err != nil {
			l.Fatal(err, out)
		}
		return out
	}
	type member struct {
		Endpoint string
		Status   struct {
			Header struct {
				ID uint64 `json:"member_id"`
			}
			Leader uint64
		}
	}
	var members []member
	if err := json.Unmarshal([]byte(etcdctl("london", "endpoint", "status", "--cluster", "--write-out", "json")), &members); err != nil {
		l.Fatal(err)
	}
	leads := func(m member) bool { return m.Status.Header.ID == m.Status.Leader }
	from, to := slices.IndexFunc(members, leads), slices.IndexFunc(members, func(m member) bool { return !leads(m) })
	if from < 0 || to < 0 {
		l.Fatalf("etcd has no leader and another: %+v", members)
	}
	u, err := url.Parse(members[from].Endpoint)
	if err != nil {
		l.Fatal(err)
	}
	etcdctl(strings.TrimPrefix(u.Hostname(), "psql-etcd-"), "move-leader", fmt.Sprintf("%x", members[to].Status.Header.ID))
}

// lose deletes the data of a StatefulSet's pod, and the pod, without a word before.
func (l *lab) lose(cluster, set string) {
	l.Helper()
	l.run(cluster+"-2", "sudo find /var/lib/"+set+" -mindepth 1 -delete")
	if _, err := l.kube("", cluster, "delete", "pod", set+"-0", "--grace-period=0", "--force"); err != nil {
		l.Fatal(err)
	}
}

// systems are the identifiers of the members' databases, each one once: PostgreSQL gives
// each one that is made another.
func (l *lab) systems() string {
	l.Helper()
	r, err := l.replication()
	if err != nil || r.Leader == nil {
		l.Fatalf("%+v, %v", r, err)
	}
	seen := map[string]bool{}
	members := append(r.Replicas, replica{Cluster: r.Leader.Cluster, Pod: r.Leader.Pod})
	for _, m := range members {
		out, err := l.psql(m.Cluster, m.Pod, "SELECT system_identifier FROM pg_control_system()")
		if err != nil {
			l.Fatal(err)
		}
		seen[strings.TrimSpace(out)] = true
	}
	var all []string
	for id := range seen {
		all = append(all, id)
	}
	return strings.Join(all, " ")
}
