package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

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
