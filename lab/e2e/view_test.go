package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hybrid/internal/observe"
	"hybrid/lab/browser"
)

const (
	// healthyLimit bounds `hybrid status` when all is well, deadLimit when a cluster
	// is dead.
	healthyLimit = 5 * time.Second
	deadLimit    = 5 * time.Second
	// shownLimit bounds the time until something new is shown.
	shownLimit = 15 * time.Second
	// settleLimit bounds the time until all is well again after an outage.
	settleLimit = 3 * time.Minute
)

// TestView looks at the whole while parts of it fail: each part needs the one before.
func TestView(t *testing.T) {
	l := adopt(t)
	l.standing()
	var page *browser.Page
	var seen *scraped
	// What goes wrong in the page is the part's failure.
	in := func(do func(*lab, *browser.Page)) func(*lab) {
		return func(l *lab) { page.TB = l.TB; do(l, page) }
	}
	outage := func(do func(*lab, *browser.Page, *scraped)) func(*lab) {
		return in(func(l *lab, page *browser.Page) { do(l, page, seen) })
	}
	l.steps(t, []part{
		{name: "all healthy", run: allHealthy},
		{name: "the page", run: func(l *lab) { page = viewPage(t, l, "--shell"); wholePage(l, page) }, long: true},
		{name: "the first walkthrough's commands", run: walkthrough, long: true},
		{name: "the first walkthrough's last step, in the page", run: in(walkthroughInThePage), long: true},
		{name: "terminals", run: in(terminals), long: true},
		{name: "others get no shell", run: in(othersGetNoShell), long: true},
		{name: "a viewer who may only look", run: mayOnlyLook, long: true},
		{name: "the picture", run: picture, long: true},
		{name: "the README's lines", run: readmeLines, long: true},
		{name: "the exporter in the federation's host", run: exporterInTheHost, long: true},
		{name: "the exporter", run: func(l *lab) { seen = scrape(t, l) }, long: true},
		{name: "a cluster cut off", run: outage(viewCut), long: true},
		{name: "a replica killed", run: outage(viewReplica), long: true},
		{name: "a node not ready", run: outage(viewNode), long: true},
		{name: "the leader's cluster cut off", run: outage(viewFailover), long: true},
		{name: "a cluster destroyed", run: viewDestroyed, long: true},
	})
	if !long() {
		l.leave()
	}
}

// hybrid is a command that isn't started yet.
func (l *lab) hybrid(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(l.ctx, filepath.Join(l.stack.Cache, "bin", "hybrid"), args...)
	cmd.Dir, cmd.Env = l.stack.Project, l.stack.Env()
	return cmd
}

// begin starts a command of hybrid, and doesn't wait for its end: the returned function
// makes one.
func (l *lab) begin(args ...string) (end func()) {
	l.Helper()
	cmd := l.hybrid(args...)
	if err := cmd.Start(); err != nil {
		l.Fatal(err)
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// status runs `hybrid status`, and returns what it says, its exit status, and how
// long it took.
func (l *lab) status() (*observe.Snapshot, int, time.Duration, error) {
	cmd := l.hybrid("status", "--output", "json")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	out, err := cmd.Output()
	took := time.Since(start)
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return nil, 0, took, fmt.Errorf("hybrid status: %w: %s", err, stderr.String())
	}
	var s observe.Snapshot
	if err := json.Unmarshal(out, &s); err != nil {
		return nil, 0, took, err
	}
	return &s, cmd.ProcessState.ExitCode(), took, nil
}

// shows waits until `hybrid status` shows something, and returns all that it shows then.
func (l *lab) shows(within time.Duration, what string, is func(*observe.Snapshot) bool) (s *observe.Snapshot) {
	l.Helper()
	start := time.Now()
	l.eventually(within, func() (err error) {
		s, _, _, err = l.status()
		if err == nil && !is(s) {
			err = fmt.Errorf("status doesn't show %s; its problems: %+v", what, s.Problems)
		}
		return err
	})
	fmt.Printf("--- status shows %s after %s\n", what, time.Since(start).Round(100*time.Millisecond))
	return s
}

func isHealthy(s *observe.Snapshot) bool { return s.Healthy }

// hasProblem says whether a problem begins like this.
func hasProblem(prefix string) func(*observe.Snapshot) bool {
	return func(s *observe.Snapshot) bool {
		return slices.ContainsFunc(s.Problems, func(p observe.Problem) bool { return strings.HasPrefix(p.Text, prefix) })
	}
}

func allHealthy(l *lab) {
	l.shows(time.Minute, "all healthy", isHealthy)
	for range 3 {
		s, code, took, err := l.status()
		if err != nil {
			l.Fatal(err)
		}
		if !s.Healthy || code != 0 || took > healthyLimit {
			l.Errorf("healthy %v, exit status %d, after %s, want healthy with 0 within %s: %+v", s.Healthy, code, took, healthyLimit, s.Problems)
		}
		replicas := map[string]int{}
		for _, r := range s.PostgreSQL.Replicas {
			replicas[r.Cluster]++
		}
		if len(s.Clusters) != 3 || s.PostgreSQL.Leader == nil || s.PostgreSQL.Leader.Cluster != "london" || replicas["frankfurt"] != 4 || replicas["london"] != 2 {
			l.Errorf("clusters %d, master %+v, replicas %v", len(s.Clusters), s.PostgreSQL.Leader, replicas)
		}
	}
	out, err := l.hybrid("status").CombinedOutput()
	if err != nil {
		l.Errorf("hybrid status: %v", err)
	}
	fmt.Printf("%s", out)
}

// viewPage starts `hybrid view` and opens its page, until the test t ends.
func viewPage(t testing.TB, l *lab, flags ...string) *browser.Page {
	l.Helper()
	return browser.Open(t, startServer(t, l, append([]string{"view"}, flags...)...))
}

// startServer starts a command of hybrid that serves something, until the test t ends, and
// returns the address that it prints.
func startServer(t testing.TB, l *lab, args ...string) string {
	l.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(l.stack.Cache, "bin", "hybrid"), args...)
	cmd.Dir, cmd.Env = l.stack.Project, l.stack.Env()
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		l.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it has been killed
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(address, "http://127.0.0.1:") {
		l.Fatalf("hybrid %s prints %q, %v: want an address on the loopback interface", args[0], address, err)
	}
	return strings.TrimSpace(address)
}

// count is a JavaScript expression.
func count(selector string, n int) string {
	return fmt.Sprintf("document.querySelectorAll(%q).length === %d", "#picture "+selector, n)
}

const pageHealthy = `document.getElementById("health").textContent === "✓ all healthy"`

func wholePage(l *lab, page *browser.Page) {
	page.Within(20*time.Second, pageHealthy)
	for selector, n := range map[string]int{
		".region": 3, ".node": 6, ".pod.leader": 1, ".pod.replica": 6, ".stream.well": 6, "line.link.up": 15,
	} {
		if found := page.Count("#picture " + selector); found != n {
			l.Errorf("the page has %d of %s, want %d", found, selector, n)
		}
	}
	if errs := page.Errors(); len(errs) > 0 {
		l.Errorf("the page's errors: %q", errs)
	}
}

func picture(l *lab) {
	path := filepath.Join(l.TempDir(), "picture.svg")
	if out, err := l.hybrid("view", "--svg", path).CombinedOutput(); err != nil {
		l.Fatalf("hybrid view --svg: %v\n%s", err, out)
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Count(text, []byte(`class="pick pod well replica"`)) != 6 {
		l.Errorf("the picture (%v) hasn't six replicas:\n%.500s", err, text)
	}
}

// readmeLines runs the lines of the README between the test's mark and the end of
// the block, as a user does who copies them.
func readmeLines(l *lab) {
	text, err := os.ReadFile(filepath.Join(l.stack.Project, "README.md"))
	if err != nil {
		l.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "run by a test (lab/e2e/view_test.go). -->\n```sh\n")
	lines, _, closed := strings.Cut(rest, "```\n")
	if !ok || !closed {
		l.Fatal("the README has no block of commands after the mark")
	}
	cmd := exec.CommandContext(l.ctx, "bash", "-euc", lines)
	cmd.Dir, cmd.Env = l.stack.Project, l.stack.Env()
	out, err := cmd.CombinedOutput()
	fmt.Printf("%s", out)
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "(3 rows)") || !strings.Contains(string(out), "  3 | to cloud") {
		l.Errorf("the README's lines: %v\n%s", err, out)
	}
}

// viewCut cuts frankfurt off, until the federation has noticed, too.
func viewCut(l *lab, page *browser.Page, seen *scraped) {
	openPane(page, "frankfurt", "default", l.replicaPods("frankfurt")[0], "postgres", "shell")
	says(page, "$ ")
	page.Keys("echo here it''s\r")
	says(page, "here its")
	network := l.machines("frankfurt")[0].NetworkID
	if err := l.host.Cut(l.ctx, network); err != nil {
		l.Fatal(err)
	}
	start := time.Now()
	page.Within(shownLimit, state+` === "✕ cluster frankfurt does not answer any more"`)
	fmt.Printf("--- the shell in frankfurt has ended after %s\n", time.Since(start).Round(100*time.Millisecond))
	closePane(page)
	seen.within(l, start, "ClusterUnreachable", "MeshClusterCutOff", "PostgreSQLReplicasUnreachable")
	l.shows(shownLimit, "frankfurt's lost links and lagging replicas", func(s *observe.Snapshot) bool {
		lagging := 0
		for _, r := range s.PostgreSQL.Replicas {
			if !r.OK && r.Cluster == "frankfurt" {
				lagging++
			}
		}
		return lagging == 4 && hasProblem("mesh: the 8 links from frankfurt to america and london")(s)
	})
	page.Within(max(time.Second, shownLimit-time.Since(start)),
		count(".region.bad", 1)+" && "+count(".pod.replica.bad", 4)+" && "+count("g.link.down", 2)+" && "+count("line.link.down", 9))
	// How long Karmada takes is its own affair.
	l.eventually(settleLimit, func() error {
		out, err := l.kubectl("get", "cluster", "frankfurt", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if err == nil && out == "True" {
			err = errors.New("the federation still holds frankfurt for ready")
		}
		return err
	})
	start = time.Now()
	l.shows(shownLimit, "the member lost", hasProblem("federation: member frankfurt is not ready"))
	seen.within(l, start, "MemberNotReady")
	page.Within(shownLimit, `document.getElementById("problems").textContent.includes("member frankfurt is not ready")`)
	if err := l.host.Mend(l.ctx, network); err != nil {
		l.Fatal(err)
	}
	l.shows(settleLimit, "all healthy after the outage", isHealthy)
	page.Within(shownLimit, pageHealthy)
	seen.healthy(l)
}

func viewReplica(l *lab, page *browser.Page, seen *scraped) {
	pods := l.cluster("frankfurt").CoreV1().Pods("default")
	list, err := pods.List(l.ctx, metav1.ListOptions{LabelSelector: "app=psql-replica"})
	if err != nil || len(list.Items) == 0 {
		l.Fatalf("frankfurt's replicas: %v, %v", list, err)
	}
	// It is back in seconds, so who looks only now and then would miss it.
	page.Text(`(window.missed = false, new MutationObserver(() => { missed ||= document.querySelectorAll("#picture .stream.well").length < 6; }).observe(document.getElementById("picture"), {subtree: true, childList: true, attributes: true}))`)
	zero, start := int64(0), time.Now()
	if err := pods.Delete(l.ctx, list.Items[0].Name, metav1.DeleteOptions{GracePeriodSeconds: &zero}); err != nil {
		l.Fatal(err)
	}
	l.shows(shownLimit, "a replica killed", func(s *observe.Snapshot) bool {
		gone := !slices.ContainsFunc(s.PostgreSQL.Replicas, func(r observe.Stream) bool { return r.Pod == list.Items[0].Name && r.OK })
		return gone && !s.Healthy
	})
	page.Within(shownLimit, "missed")
	seen.within(l, start, "PostgreSQLReplicaNotWell")
	l.shows(settleLimit, "all healthy with another replica", isHealthy)
	page.Within(shownLimit, pageHealthy)
	seen.healthy(l)
}

func viewNode(l *lab, page *browser.Page, seen *scraped) {
	const node = "america-2"
	l.run(node, "sudo systemctl stop kubelet")
	// Kubernetes waits for a while before it says so.
	l.eventually(2*time.Minute, func() error {
		if l.nodes("america")[node] {
			return fmt.Errorf("%s is still ready", node)
		}
		return nil
	})
	start := time.Now()
	l.shows(shownLimit, "a node not ready", hasProblem("node "+node+" of america is not ready"))
	page.Within(shownLimit, count(".node.bad", 1))
	seen.within(l, start, "NodeNotReady")
	l.run(node, "sudo systemctl start kubelet")
	l.shows(settleLimit, "all healthy with the node", isHealthy)
	page.Within(shownLimit, pageHealthy)
	seen.healthy(l)
}

// viewFailover cuts the leader's cluster off, until another one leads, and has the first one
// lead again afterwards.
func viewFailover(l *lab, page *browser.Page, seen *scraped) {
	before := seen.leader()
	network := l.machines("london")[0].NetworkID
	if err := l.host.Cut(l.ctx, network); err != nil {
		l.Fatal(err)
	}
	start := time.Now()
	seen.within(l, start, "ClusterUnreachable", "PostgreSQLLeaderNotWell")
	l.shows(settleLimit, "another leader", func(s *observe.Snapshot) bool {
		p := &s.PostgreSQL
		return p.Leader != nil && p.Leader.Cluster != "london" && p.Error == ""
	})
	l.eventually(shownLimit, func() error {
		if now := seen.leader(); now == before || now == "" {
			return fmt.Errorf("the exporter shows the leader %q, want another one than %q", now, before)
		}
		return nil
	})
	if err := l.host.Mend(l.ctx, network); err != nil {
		l.Fatal(err)
	}
	l.shows(settleLimit, "all healthy after the failover", isHealthy)
	page.Within(shownLimit, pageHealthy)
	if _, err := l.ask("postgres", "switchover", "--to", "london"); err != nil {
		l.Fatal(err)
	}
	l.shows(settleLimit, "all healthy after the way back", isHealthy)
}

func viewDestroyed(l *lab) {
	for _, m := range l.machines("frankfurt") {
		if err := l.host.DeleteMachine(l.ctx, m.ID); err != nil {
			l.Fatal(err)
		}
	}
	for range 3 {
		s, code, took, err := l.status()
		if err != nil {
			l.Fatal(err)
		}
		if code != 1 || took > deadLimit {
			l.Errorf("exit status %d after %s, want 1 within %s", code, took, deadLimit)
		}
		if !hasProblem("cluster frankfurt: its API at")(s) {
			l.Errorf("frankfurt isn't named: %+v", s.Problems)
		}
		for _, c := range s.Clusters {
			if rest := c.Name != "frankfurt"; c.Reachable != rest || rest && (len(c.Nodes) != 2 || !c.Nodes[0].Ready) {
				l.Errorf("%s: %+v", c.Name, c)
			}
		}
		streaming := 0
		for _, r := range s.PostgreSQL.Replicas {
			if r.OK {
				streaming++
			}
		}
		if streaming != 2 {
			l.Errorf("%d replicas are well, want london's 2: %+v", streaming, s.PostgreSQL.Replicas)
		}
	}
}
