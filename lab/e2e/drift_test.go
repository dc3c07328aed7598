package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func drift(l *lab) {
	// A port is closed in AWS's console, and a worker dies. It isn't the API's: without
	// that, the cluster can't be reached, and nothing would be repaired.
	rule := l.resource("frankfurt-ssh-198.18.0.1-32")
	l.command("cloud", "rm", "aws", rule.ID)
	// A new connection: those that are established live on, as in a real firewall.
	if conn, err := net.DialTimeout("tcp", net.JoinHostPort(l.public("frankfurt-1"), "22"), 2*time.Second); err == nil {
		conn.Close()
		l.Error("SSH answers although its firewall rule is gone")
	}
	worker := l.machines("frankfurt")[1]
	if err := l.host.DeleteMachine(l.ctx, worker.ID); err != nil {
		l.Fatal(err)
	}
	out := l.must("refresh", "--yes", "--skip-preview")
	for _, name := range []string{"frankfurt-ssh-198.18.0.1-32", worker.Name} {
		if !strings.Contains(out, name) {
			l.Errorf("pulumi refresh doesn't show that %s is gone", name)
		}
	}
	l.up()
	l.allReady(want)
	l.must("preview", "--expect-no-changes")
}

// controlPlanesLost takes a member's control plane away, then the federation's host's.
// Nothing goes on before its user has said that the cluster is lost. The member leaves
// then, and is created again. The host stays: a new machine gets a new cluster, which the
// old worker joins, and the federation's API is created again with it. Other clusters
// aren't touched.
func controlPlanesLost(l *lab) {
	for _, cluster := range []string{"frankfurt", "america"} {
		before := l.ids()
		if err := l.host.DeleteMachine(l.ctx, l.machines(cluster)[0].ID); err != nil {
			l.Fatal(err)
		}
		l.refused(cluster, refreshing...)
		l.refused(cluster, updating...)
		l.up(lost(l, cluster))
		if cluster == "america" {
			l.must(append(refreshing, lost(l, cluster))...)
			l.up(lost(l, cluster))
		} else if err := errors.Join(l.meshed(remaining("frankfurt-1", "frankfurt-2")), l.membersReady("london", "america")); err != nil {
			l.Errorf("without %s: %v", cluster, err)
		}
		l.up()
		l.allReady(want)
		if err := errors.Join(l.meshed(want), l.membersReady("london", "frankfurt", "america")); err != nil {
			l.Errorf("after %s has lost its control plane: %v", cluster, err)
		}
		for urn, id := range l.ids() {
			lost := strings.Contains(urn, "::"+cluster) || strings.HasSuffix(urn, "-"+cluster) ||
				cluster == "america" && strings.Contains(urn, "hybrid:federation:Federation$") ||
				// With two clusters left the database's etcd has one member, in london.
				strings.Contains(urn, "::psql-psql-etcd-") && !strings.Contains(urn, "-london")
			if !lost && before[urn] != id {
				l.Errorf("%s was %q, now it is %s, although it was %s that has lost its control plane", urn, before[urn], id, cluster)
			}
		}
		l.must("preview", "--expect-no-changes")
	}
}

// resource finds one of the state by its name.
func (l *lab) resource(name string) resource {
	l.Helper()
	_, resources := l.export()
	for _, r := range resources {
		if r.name() == name && r.Custom {
			return r
		}
	}
	l.Fatalf("the state has no resource %s", name)
	return resource{}
}

// killed kills `pulumi up` from nothing at three points and lets it finish.
func killed(l *lab) {
	for _, point := range []struct {
		name    string
		reached func() bool
	}{
		{"networks are being made", func() bool { return len(l.docker()) > 3 }},
		{"machines boot", func() bool { return len(l.machines("london"))+len(l.machines("america")) >= 2 }},
		{"kubeadm runs", func() bool {
			for _, m := range l.machines("frankfurt") {
				if _, err := l.host.Exec(l.ctx, m.ID, "pgrep", "-x", "kubeadm"); err == nil {
					return true
				}
			}
			return false
		}},
	} {
		l.killAt(point.name, point.reached)
		l.wholeState()
		if out, err := l.pulumi("cancel", "--yes"); err != nil {
			l.Fatalf("pulumi cancel after a kill: %v\n%s", err, out)
		}
	}
	l.up()
	l.allReady(want)
	for cluster, nodes := range want {
		if got := l.machines(cluster); len(got) != len(nodes) {
			l.Errorf("%s has %d machines, want %d: killed runs have left orphans", cluster, len(got), len(nodes))
		}
	}
	l.must("preview", "--expect-no-changes")
	l.must("destroy", "--yes", "--skip-preview")
	l.empty()
}

// wholeState checks that there is nothing in the backend that a kill can leave
// half written: Pulumi replaces its own files, but not the metadata beside them.
func (l *lab) wholeState() {
	l.Helper()
	err := filepath.WalkDir(filepath.Join(l.stack.State, "backend"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".attrs" {
			err = fmt.Errorf("%s is not written as a whole", path)
		}
		return err
	})
	if err != nil {
		l.Error(err)
	}
}

// killAt starts `pulumi up` and kills it with SIGKILL at a point.
func (l *lab) killAt(name string, reached func() bool, args ...string) {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.ctx, 5*time.Minute)
	defer cancel()
	stands = false
	cmd := l.stack.Command(ctx, append([]string{"up", "--yes", "--skip-preview", "--non-interactive", "--color", "never"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// What pulumi has started may outlive it, and has its output.
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		l.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for !reached() {
		select {
		case err := <-ended:
			l.Fatalf("pulumi up ended before the point %q: %v\n%s", name, err, tail(out.String(), 60))
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		l.Fatal(err)
	}
	if err := <-ended; err == nil || errors.Is(err, context.DeadlineExceeded) {
		l.Fatalf("%s: %v", name, err)
	}
	fmt.Printf("--- killed: %s\n", name)
}
