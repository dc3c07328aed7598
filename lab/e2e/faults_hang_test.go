package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// hungFor is longer than a leader has its key after it was last heard of: another leads when
// it goes on.
const hungFor = 22 * time.Second

// fencedIn bounds the time from the moment that a leader's Patroni hangs to the end of its
// PostgreSQL: another may lead 20 s after Patroni was last heard of.
const fencedIn = 20 * time.Second

// hungLeaders freezes a cloud right after its member has got the lead: before it is promoted,
// while it is, and after. When it goes on where it was it may confirm nothing, and what it
// has alone must be undone.
func hungLeaders(l *lab) {
	underClients(l, "a leader that hung", func() error {
		for _, after := range []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, time.Second} {
			if err := hungLeader(l, after); err != nil {
				return fmt.Errorf("frozen %s after it had got the lead: %w", after, err)
			}
		}
		return nil
	})
}

func hungLeader(l *lab, after time.Duration) error {
	if now, _ := l.leader(); now == "london" {
		// A replica that has just come back may not lead yet.
		l.eventually(streamLimit, func() error {
			_, err := l.ask("postgres", "switchover", "--to", "frankfurt")
			return err
		})
	}
	l.eventually(streamLimit, func() error { return l.follow("frankfurt", seeds) })
	leads, err := l.getsLead("london")
	if err != nil {
		return err
	}
	// It waits for what doesn't come.
	defer l.begin("postgres", "switchover", "--to", "london")()
	select {
	case err = <-leads:
	case <-time.After(pauseLimit):
		err = fmt.Errorf("no member in london became the leader within %s", pauseLimit)
	}
	if err != nil {
		return err
	}
	l.rest(after)
	machines := l.machines("london")
	if err := each(l.host.PauseMachine, machines...)(l.ctx); err != nil {
		return err
	}
	l.rest(hungFor)
	now, _ := l.leader()
	if err := each(l.host.ResumeMachine, machines...)(l.ctx); err != nil {
		return err
	}
	say("frozen %s after it had got the lead: %s leads after %s", after, now, hungFor)
	if now != "frankfurt" {
		return fmt.Errorf("%s leads after %s, want frankfurt", now, hungFor)
	}
	l.eventually(wellIn, func() error { return l.follow("", seeds) })
	return nil
}

// getsLead tells when a member of a cluster gets the key of who leads. It asks etcd in
// america to say so: a question would come too late.
func (l *lab) getsLead(cluster string) (<-chan error, error) {
	var members []string
	for at := range l.databasePods() {
		if at[0] == cluster {
			members = append(members, at[1])
		}
	}
	cmd := exec.CommandContext(l.ctx, filepath.Join(l.stack.Bin(), "kubectl"), "--kubeconfig", l.stack.Kubeconfig(), "--context", "america",
		"exec", "psql-etcd-america-0", "--", "etcdctl", "watch", "/service/psql/leader")
	cmd.Env = l.stack.Env()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	gets := make(chan error, 1)
	go func() {
		found := errors.New("etcd's watch of the leader ended")
		for lines := bufio.NewScanner(out); found != nil && lines.Scan(); {
			for _, name := range members {
				if strings.TrimSpace(lines.Text()) == name {
					found = nil
				}
			}
		}
		gets <- found
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	return gets, nil
}

// hungPatroni stops the leader's Patroni, and nothing else: its PostgreSQL may not go on.
func hungPatroni(l *lab) {
	underClients(l, "a leader whose Patroni hung", func() error {
		cluster, name := l.leader()
		before := l.restarts(cluster, name)
		// Its arguments end so, and those of this script don't.
		const stop = `for p in /proc/[0-9]*; do case $(tr '\0' ' ' <$p/cmdline) in *" /run/psql/patroni ") kill -STOP ${p#/proc/};; esac; done`
		if _, err := l.in(pod{cluster: cluster, node: name, name: name}, stop); err != nil {
			return err
		}
		hung := time.Now()
		l.eventually(fencedIn, func() error {
			if l.restarts(cluster, name) == before {
				return fmt.Errorf("%s in %s goes on, and its Patroni hangs", name, cluster)
			}
			return nil
		})
		say("Patroni hung, and its container ended after %s", time.Since(hung).Round(100*time.Millisecond))
		return nil
	})
}

// restarts is how often a member's container has been started again.
func (l *lab) restarts(cluster, name string) int32 {
	l.Helper()
	p, err := l.cluster(cluster).CoreV1().Pods("default").Get(l.ctx, name, metav1.GetOptions{})
	if err != nil {
		l.Fatal(err)
	}
	for _, c := range p.Status.ContainerStatuses {
		if c.Name == "postgres" {
			return c.RestartCount
		}
	}
	return 0
}

// copyCut cuts a replica off while it copies the leader's database. What the leader says
// meanwhile, and that it gives up, never arrives: the copy has to find that out by itself.
func copyCut(l *lab) {
	cluster := elsewhere(l)
	name := l.replicaPods(cluster)[0]
	p, err := l.cluster(cluster).CoreV1().Pods("default").Get(l.ctx, name, metav1.GetOptions{})
	if err != nil {
		l.Fatal(err)
	}
	machine, err := l.machine(p.Spec.NodeName)
	if err != nil {
		l.Fatal(err)
	}
	on := func(command string) {
		l.Helper()
		if out, err := l.host.Exec(l.ctx, machine, "sh", "-c", command); err != nil {
			l.Fatalf("%v: %s", err, out)
		}
	}
	defer l.begin("postgres", "reinit", name)()
	on("timeout 60 sh -c 'until pkill -STOP -x pg_basebackup; do sleep 0.02; done'")
	end := cut(l, cluster)
	on("pkill -CONT -x pg_basebackup")
	l.rest(30 * time.Second) // the leader has given up by then
	end()
	l.streamAgain("a copy was cut off", "", seeds)
}
