package servertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"hybrid/workloads/replication"
)

// cloud lets the promotion reach the pods, as kubectl would.
type cloud struct {
	w    *world
	pods []*pod
	lost map[string]bool // clusters whose API doesn't answer
}

func (c *cloud) List(_ context.Context, cluster, app string) (found []replication.Pod, err error) {
	if c.lost[cluster] {
		return nil, errors.New("connection refused")
	}
	for _, p := range c.pods {
		if name, _, _ := strings.Cut(p.node, "-"); name == cluster && "psql-"+p.script == app && p.process != nil {
			found = append(found, replication.Pod{Cluster: cluster, Name: p.folder, Node: p.node, Address: p.address})
		}
	}
	return found, nil
}

func (c *cloud) Exec(_ context.Context, at replication.Pod, stdin string, args ...string) (string, error) {
	for _, p := range c.pods {
		if p.folder != at.Name || c.lost[at.Cluster] {
			continue
		}
		if args[0] == "psql" {
			args = append([]string{p.bin + "/psql", "-h", p.at("sockets"), "-p", port}, args[1:]...)
		}
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "/etc/psql/scripts", p.path("scripts"))
		}
		return p.run(stdin, args...)
	}
	return "", fmt.Errorf("%s does not answer", at)
}

// fence is how long a master goes on that nobody votes for, with the tests' FENCE.
const fence = 15 * time.Second

// hybrid is what promotion tests begin with: a master and a replica in london, two
// in frankfurt. london's ways to all others lead through proxies.
type hybrid struct {
	*world
	*cloud
	topology              *replication.Topology
	witness, master       *pod
	london, first, second *pod
	away, abroad          *proxy // london's way to the witness; frankfurt's to the master
}

func newHybrid(t *testing.T, synchronous int) *hybrid {
	t.Helper()
	w := newWorld(t)
	h := &hybrid{world: w, topology: &replication.Topology{Master: "london", Witness: "america", Placement: map[string]int{"london": 1, "frankfurt": 2}, Synchronous: synchronous}}
	if synchronous > 0 {
		w.write("settings/synchronous", fmt.Sprintf(`ANY %d ("frankfurt")`, synchronous))
	}
	h.away, h.abroad = newProxy(t, "127.9.0.4"), newProxy(t, "127.9.0.5")
	h.witness = w.pod("witness", "america-2", 1).start()
	w.witness.lead(h.witness.address)
	h.away.lead(h.witness.address)
	fromLondon := "WITNESS=host=psql-witness hostaddr=" + h.away.address
	h.master = w.pod("master", "london-2", 2, fromLondon).start()
	w.service.lead(h.master.address)
	h.abroad.lead(h.master.address)
	h.london = w.pod("replica", "london-2", 10, fromLondon).start()
	fromFrankfurt := "MASTER=host=psql-master hostaddr=" + h.abroad.address
	h.first = w.pod("replica", "frankfurt-2", 11, fromFrankfurt).start()
	h.second = w.pod("replica", "frankfurt-3", 12, fromFrankfurt).start()
	h.cloud = &cloud{w: w, pods: []*pod{h.witness, h.master, h.london, h.first, h.second}, lost: map[string]bool{}}
	h.master.writable(30 * time.Second)
	w.streaming(h.master, h.london, h.first, h.second)
	h.master.must("CREATE TABLE rows (n integer PRIMARY KEY)")
	return h
}

// succeed promotes, and starts frankfurt's master as pulumi up would.
func (h *hybrid) succeed(opts replication.Options) (*replication.Promotion, *pod) {
	h.Helper()
	opts.Say, opts.Fence = h.Logf, fence
	result, err := replication.Promote(context.Background(), h, h.topology, "frankfurt", opts)
	if err != nil {
		h.Fatal(err)
	}
	h.Log(result.Loss())
	successor := h.pod("master", "frankfurt-2", 3).start()
	h.pods = append(h.pods, successor)
	h.service.lead(successor.address)
	h.abroad.lead(successor.address)
	successor.writable(60 * time.Second)
	return result, successor
}

// writer writes rows until it is told to end, one by one, and counts the last that
// was confirmed.
type writer struct {
	stop      chan struct{}
	done      sync.WaitGroup
	confirmed int
}

func (h *hybrid) writer(address func() string) *writer {
	w := &writer{stop: make(chan struct{})}
	w.done.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-w.stop:
				return
			default:
			}
			if _, err := h.client(address(), "psql-master", fmt.Sprintf("INSERT INTO rows VALUES (%d)", n)); err == nil {
				w.confirmed = n
			}
		}
	})
	return w
}

func (w *writer) end() int {
	close(w.stop)
	w.done.Wait()
	return w.confirmed
}

// london is lost, with all its machines, while somebody writes: no confirmed row is
// lost if commits wait for frankfurt. When london comes back, it follows.
func TestPromotion(t *testing.T) {
	h := newHybrid(t, 1)
	rows := h.writer(func() string { return h.master.address })
	time.Sleep(3 * time.Second)
	h.master.kill()
	h.london.kill()
	h.lost["london"] = true
	confirmed := rows.end()
	if confirmed == 0 {
		t.Fatal("nothing was written")
	}
	// A master that nobody has promoted must not serve, and certainly not empty.
	early := h.pod("master", "frankfurt-2", 4).start()
	h.eventually(20*time.Second, "refuses", func() error { return early.log.has("hybrid postgres promote --cluster frankfurt") })
	early.kill()

	result, successor := h.succeed(replication.Options{})
	if !result.Confirmed || result.Retired || !strings.Contains(result.Loss(), "nothing that was confirmed is lost") {
		t.Errorf("it says: %s", result.Loss())
	}
	if got := successor.must(fmt.Sprintf("SELECT count(*) FROM rows WHERE n <= %d", confirmed)); got != fmt.Sprint(confirmed) {
		t.Errorf("%s rows of %d that were confirmed", got, confirmed)
	}
	h.streaming(successor, h.first, h.second)
	for _, r := range []*pod{h.first, h.second} {
		if n := strings.Count(r.log.String(), "the copy is complete"); n != 1 {
			t.Errorf("the replica on %s has taken %d copies: it should have followed", r.node, n)
		}
	}

	// London comes back: its master must end at once, its replica follow, even
	// where the service still leads to the old master.
	delete(h.lost, "london")
	h.service.lead(h.master.address)
	h.master.start()
	h.london.start()
	h.eventually(20*time.Second, "knows", func() error { return h.master.log.has("the master is frankfurt's, of epoch 2") })
	if strings.Count(h.master.log.String(), "accepting writes") != 1 {
		t.Error("the old master has accepted writes after the promotion")
	}
	h.streaming(successor, h.first, h.second, h.london)
	h.london.says(10*time.Second, "SELECT count(*) FROM rows", successor.must("SELECT count(*) FROM rows"))

	// And back again, in good order: nothing is lost.
	h.topology.Master = "frankfurt"
	h.pods = []*pod{h.witness, successor, h.london, h.first, h.second}
	n := successor.must("INSERT INTO rows VALUES (1000001); SELECT count(*) FROM rows")
	back, err := replication.Promote(context.Background(), h, h.topology, "london", replication.Options{Say: t.Logf, Fence: fence})
	if err != nil {
		t.Fatal(err)
	}
	if !back.Retired || !strings.Contains(back.Loss(), "nothing is lost") {
		t.Errorf("it says: %s", back.Loss())
	}
	h.abroad.lead(h.master.address)
	h.write("settings/synchronous", "")
	h.master.writable(60 * time.Second)
	if got := h.master.must("SELECT count(*) FROM rows"); got != n {
		t.Errorf("%s rows of %s", got, n)
	}
	h.streaming(h.master, h.london, h.first, h.second)
}

// london is cut off with its clients: its master must end its writes before another
// accepts any.
func TestFencing(t *testing.T) {
	h := newHybrid(t, 0)
	h.abroad.sever(true)
	h.away.sever(true)
	h.lost["london"] = true
	rows := h.writer(func() string { return h.master.address })
	result, successor := h.succeed(replication.Options{})
	if err := h.master.log.has("no more writes: neither the witness"); err != nil {
		t.Error(err)
	}
	before := rows.end()
	if before == 0 {
		t.Error("the old master never accepted a write: the test tests nothing")
	}
	if result.Confirmed || result.Retired || !(strings.HasPrefix(result.Loss(), "LOST") || strings.HasPrefix(result.Loss(), "UNKNOWN")) {
		t.Errorf("%d rows are lost, and it says: %s", before, result.Loss())
	}
	if _, err := h.client(h.master.address, "psql-master", "INSERT INTO rows VALUES (-1)"); err == nil {
		t.Error("the old master still accepts writes")
	}
	if _, err := h.master.query("INSERT INTO rows VALUES (-2)"); err == nil {
		t.Error("the old master still accepts writes from within its pod")
	}
	// The way is open again. London's rows are on another branch: its replica
	// must take a new copy.
	h.abroad.sever(false)
	h.away.sever(false)
	h.eventually(20*time.Second, "ends", func() error { return h.master.log.has("another master has been promoted") })
	h.streaming(successor, h.first, h.second, h.london)
	h.london.says(10*time.Second, "SELECT count(*) FROM rows", successor.must("SELECT count(*) FROM rows"))
	if n := strings.Count(h.london.log.String(), "the copy is complete"); n != 2 {
		t.Errorf("london's replica has taken %d copies, want 2", n)
	}
}

// Each of the two kinds of votes alone keeps the master going; when none is left it
// ends its writes, and takes them up again by itself.
func TestVotes(t *testing.T) {
	h := newHybrid(t, 0)
	still := func(what string) {
		t.Helper()
		time.Sleep(12 * time.Second)
		if _, err := h.client(h.master.address, "psql-master", "SELECT 1"); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	h.away.sever(true)
	still("without the witness")
	h.away.sever(false)
	h.first.kill()
	h.second.kill()
	still("without frankfurt")
	h.away.sever(true)
	h.eventually(20*time.Second, "ends its writes", func() error { return h.master.log.has("no more writes") })
	// One replica is enough, and can come although the master is closed.
	h.first.start()
	h.master.writable(30 * time.Second)
}

// What a promotion must not do.
func TestPromotionRefuses(t *testing.T) {
	h := newHybrid(t, 0)
	promote := func(to string) error {
		_, err := replication.Promote(context.Background(), h, h.topology, to, replication.Options{Say: t.Logf, Fence: fence})
		return err
	}
	if err := promote("london"); err == nil || !strings.Contains(err.Error(), "has the master already") {
		t.Errorf("to where it is: %v", err)
	}
	h.lost["frankfurt"] = true
	if err := promote("america"); err == nil || !strings.Contains(err.Error(), "may still follow the old master") {
		t.Errorf("with frankfurt out of sight: %v", err)
	}
	h.lost["america"] = true
	if err := promote("frankfurt"); err == nil || !strings.Contains(err.Error(), "needs the witness") {
		t.Errorf("without the witness: %v", err)
	}
	clear(h.lost)
	if got := h.witness.must("SELECT epoch, phase FROM state"); got != "1|active" {
		t.Errorf("a refusal has changed the state: %s", got)
	}
	h.master.writable(time.Second)
	// The master's data are lost with its disk: it must not begin anew, empty.
	h.master.must("INSERT INTO rows VALUES (1)")
	h.first.says(5*time.Second, "SELECT count(*) FROM rows", "1")
	h.master.kill()
	if _, err := h.master.run("", "rm", "-rf", h.master.at("data/pgdata"), h.master.at("data/epoch")); err != nil {
		t.Fatal(err)
	}
	h.master.start()
	h.eventually(10*time.Second, "asks for a promotion", func() error { return h.master.log.has("run \"hybrid postgres promote --cluster london\"") })
	if err := promote("london"); err != nil {
		t.Fatal(err)
	}
	h.master.writable(60 * time.Second)
	if got := h.master.must("SELECT count(*) FROM rows"); got != "1" {
		t.Errorf("found %s rows, want 1", got)
	}
	report, err := replication.Status(context.Background(), h, h.topology)
	if err != nil || report.Epoch != 2 || !report.Writable {
		t.Errorf("status: %+v, %v", report, err)
	}
}
