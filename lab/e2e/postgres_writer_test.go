package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// writer writes rows from the client in a cluster, one by one, each with a connection of
// its own by the service's name. It keeps what was acknowledged beside it: the cluster's API
// may be away meanwhile.
type writer struct {
	l       *lab
	cluster string
	since   time.Time // pauses before this moment are not of interest
}

// startWriter begins with a row's number, in america: no member is there.
func (l *lab) startWriter(from int) *writer { return l.startWriterIn("america", from) }

// row is one that was acknowledged, and when.
type row struct {
	n  int
	at time.Time
}

// stop ends the writer and returns what it has written.
func (w *writer) stop() []row {
	w.l.Helper()
	out, err := w.l.kube("", w.cluster, "exec", "client", "--", "sh", "-c", ": >/dev/shm/end; until [ -e /dev/shm/ended ]; do sleep 0.1; done; cat /dev/shm/acked")
	if err != nil {
		w.l.Fatal(err)
	}
	var acked []row
	for line := range strings.Lines(out) {
		r, err := parseRow(line)
		if err != nil {
			w.l.Fatal(err)
		}
		acked = append(acked, r)
	}
	if len(acked) == 0 {
		w.l.Fatal("no row was acknowledged")
	}
	return acked
}

// end is stop, with a look at the longest pause. One that goes on at w.since counts from then:
// what has passed is what a write takes anyway.
func (w *writer) end(what string, limit time.Duration) (numbers []int, pause time.Duration) {
	w.l.Helper()
	acked := w.stop()
	numbers = []int{acked[0].n}
	for i, r := range acked[1:] {
		numbers = append(numbers, r.n)
		pause = max(pause, min(r.at.Sub(acked[i].at), r.at.Sub(w.since)))
	}
	fmt.Printf("--- %s: %d rows were acknowledged, the longest pause was %s\n", what, len(acked), pause.Round(100*time.Millisecond))
	if pause > limit {
		w.l.Errorf("%s: writes paused for %s, want at most %s", what, pause.Round(100*time.Millisecond), limit)
	}
	return numbers, pause
}

// again waits until a row is acknowledged later than a moment.
func (w *writer) again(moment time.Time, within time.Duration) {
	w.l.Helper()
	w.l.eventually(within, func() error {
		out, err := w.l.kube("", w.cluster, "exec", "client", "--", "tail", "-n", "1", "/dev/shm/acked")
		if err != nil {
			return err
		}
		last, err := parseRow(out)
		if err == nil && !last.at.After(moment) {
			err = fmt.Errorf("row %d, of %s, is the last that was acknowledged", last.n, last.at.Format(time.TimeOnly))
		}
		return err
	})
}

// parseRow reads a line of what the writer keeps: a row's number and the seconds since 1970.
func parseRow(line string) (row, error) {
	var n int
	var seconds, nanoseconds int64
	if _, err := fmt.Sscanf(line, "%d %d.%d", &n, &seconds, &nanoseconds); err != nil {
		return row{}, fmt.Errorf("the writer says %q: %w", line, err)
	}
	return row{n, time.Unix(seconds, nanoseconds)}, nil
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
	const loop = `service=psql-master; n=$1
while [ ! -e /dev/shm/end ]; do
	echo "INSERT INTO acked VALUES ($n)" | ` + connect + ` && echo "$n $(date +%s.%N)" >>/dev/shm/acked || sleep 0.1
	n=$((n + 1))
done
: >/dev/shm/ended`
	const begin = `rm -f /dev/shm/end /dev/shm/ended; : >/dev/shm/acked; sh -c "$1" sh "$2" </dev/null >/dev/null 2>&1 &`
	if _, err := l.kube("", cluster, "exec", "client", "--", "sh", "-c", begin, "sh", loop, strconv.Itoa(from)); err != nil {
		l.Fatal(err)
	}
	return &writer{l: l, cluster: cluster}
}
