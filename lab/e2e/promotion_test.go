package e2e

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestPostgresPromotions loses london eleven times; `make e2e-long` runs it.
func TestPostgresPromotions(t *testing.T) {
	l := openLong(t)
	l.steps(t, []part{
		{name: "up", run: postgresUp},
		{name: "london is lost", run: londonLost},
		{name: "london is lost, and nobody waited for replicas", run: londonLostAsynchronously},
	})
	l.leave()
}

// promotions is how often london is lost.
const promotions = 10

// londonLost loses london while somebody writes, promotes frankfurt, and gets
// london back, a number of times. Commits wait for frankfurt: nothing is lost.
func londonLost(l *lab) {
	synchronous := map[string]any{"synchronousReplicas": 1}
	l.up(l.postgres(synchronous))
	row := 1_000_000
	for run := range promotions {
		start := time.Now()
		rows, said, on := l.loseLondon(row)
		row = slices.Max(rows) + 1000
		fmt.Printf("--- run %d: frankfurt has the master after %s\n", run+1, time.Since(start).Round(time.Second))
		for _, want := range []string{"nothing that was confirmed is lost", "commits will wait: synchronousReplicas is 1"} {
			if !strings.Contains(said, want) {
				l.Errorf("it doesn't say %q: %s", want, said)
			}
		}
		if err := l.has("frankfurt", "psql-master-0", rows); err != nil {
			l.Error(err)
		}
		if _, err := l.psql("frankfurt", "psql-master-0", fmt.Sprintf("INSERT INTO acked VALUES (%d)", row)); err != nil {
			l.Error(err)
		}
		on()
		l.londonFollows("frankfurt")
		rows = append(rows, row)
		l.everywhere(rows)
		row++
		l.backToLondon(synchronous)
		l.everywhere(rows)
	}
	l.up()
}

// loseLondon loses london while somebody writes, and promotes frankfurt. It returns
// the rows that were acknowledged, what the promotion said, and how to switch london
// on. Nobody waits for replicas of london meanwhile.
func (l *lab) loseLondon(row int) (rows []int, said string, on func()) {
	l.Helper()
	w := l.startWriter(row)
	l.rest(10 * time.Second)
	on = l.off("london-1", "london-2")
	l.rest(time.Second)
	rows = w.end()
	return rows, l.promote("frankfurt", map[string]any{}), on
}

// promote makes a cluster's replica the master, and returns what that says.
func (l *lab) promote(cluster string, settings map[string]any) string {
	l.Helper()
	out, err := l.ask("postgres", "promote", "--cluster", cluster, "--no-up")
	if err != nil {
		l.Fatal(err)
	}
	fmt.Println(out)
	moved := maps.Clone(settings)
	moved["master"] = cluster
	l.up(l.postgres(moved))
	return out
}

// backToLondon promotes london, in good order.
func (l *lab) backToLondon(settings map[string]any) {
	l.Helper()
	if said := l.promote("london", settings); !strings.Contains(said, "nothing is lost: the old master ended at") {
		l.Errorf("it says: %s", said)
	}
	l.streamAgain("the master is back", "london", seeds)
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
	_, said, on := l.loseLondon(2_000_000)
	if !strings.Contains(said, "LOST") && !strings.Contains(said, "UNKNOWN") {
		l.Errorf("it says: %s", said)
	}
	on()
	l.londonFollows("frankfurt")
	l.must("preview", "--expect-no-changes", l.postgres(map[string]any{"master": "frankfurt"}))
	l.backToLondon(map[string]any{})
}
