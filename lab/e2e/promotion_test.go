package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestPostgresPromotions loses london ten times; `make e2e-long` runs it.
func TestPostgresPromotions(t *testing.T) {
	l := open(t)
	postgresUp(l)
	londonLost(l, 10)
	l.leave()
}

// londonLost loses london while somebody writes, promotes frankfurt, and gets
// london back, a number of times. Commits wait for frankfurt: nothing is lost.
func londonLost(l *lab, runs int) {
	synchronous := func(master string) string {
		return l.postgres(map[string]any{"synchronousReplicas": 1, "master": master})
	}
	l.up(synchronous("london"))
	row := 1_000_000
	for run := range runs {
		w := l.startWriter(row)
		l.rest(10 * time.Second)
		on := l.off("london-1", "london-2")
		l.rest(time.Second)
		rows := w.end()
		row = slices.Max(rows) + 1000
		start := time.Now()
		out, err := l.ask("postgres", "promote", "--cluster", "frankfurt", "--no-up")
		if err != nil {
			l.Fatal(err)
		}
		fmt.Println(out)
		if !strings.Contains(out, "nothing that was confirmed is lost") {
			l.Errorf("it says: %s", out)
		}
		l.up(synchronous("frankfurt"))
		fmt.Printf("--- run %d: frankfurt has the master after %s\n", run+1, time.Since(start).Round(time.Second))
		if err := l.has("frankfurt", "psql-master-0", rows); err != nil {
			l.Error(err)
		}
		if _, err := l.psql("frankfurt", "psql-master-0", fmt.Sprintf("INSERT INTO acked VALUES (%d)", row)); err != nil {
			l.Error(err)
		}
		on()
		l.londonFollows("frankfurt")
		l.everywhere(append(rows, row))
		row++
		// Back, in good order.
		if out, err = l.ask("postgres", "promote", "--cluster", "london", "--no-up"); err != nil {
			l.Fatal(err)
		}
		if !strings.Contains(out, "nothing is lost: the old master ended at") {
			l.Errorf("it says: %s", out)
		}
		l.up(synchronous("london"))
		l.streamAgain("the master is back", "london", seeds)
		l.everywhere(rows)
	}
}

// londonFollows waits for a cluster that has come back: its machines boot, the
// federation finds it, and its old master goes.
func (l *lab) londonFollows(master string) {
	l.Helper()
	l.eventually(5*time.Minute, func() error {
		if err := l.follow(master, seeds); err != nil {
			return err
		}
		_, err := l.cluster("london").AppsV1().StatefulSets("default").Get(l.ctx, "psql-master", metav1.GetOptions{})
		if err == nil {
			return errors.New("london still has a master")
		}
		return nil
	})
}

// londonLostAsynchronously says what may be lost, and the old master doesn't come
// back.
func londonLostAsynchronously(l *lab) {
	w := l.startWriter(2_000_000)
	l.rest(10 * time.Second)
	on := l.off("london-1", "london-2")
	l.rest(time.Second)
	w.end()
	out, err := l.ask("postgres", "promote", "--cluster", "frankfurt", "--no-up")
	if err != nil {
		l.Fatal(err)
	}
	if !strings.Contains(out, "LOST") && !strings.Contains(out, "UNKNOWN") {
		l.Errorf("it says: %s", out)
	}
	moved := l.postgres(map[string]any{"master": "frankfurt"})
	l.up(moved)
	on()
	l.londonFollows("frankfurt")
	if out := l.must("preview", "--expect-no-changes", moved); strings.Contains(out, "to update") {
		l.Errorf("%s", out)
	}
}
