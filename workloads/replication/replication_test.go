package replication

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLSN(t *testing.T) {
	for text, want := range map[string]LSN{"0/0": 0, "0/1A2B3C4": 0x1a2b3c4, "2/10": 0x200000010, "FFFFFFFF/FFFFFFFF": 1<<64 - 1} {
		if got, err := ParseLSN(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %d (%s), %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "1", "0/", "/1", "0/G", "0/1/2", "100000000/0"} {
		if got, err := ParseLSN(text); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
}

// What is lost is said in every case, and never less than what is known.
func TestLoss(t *testing.T) {
	for name, c := range map[string]struct {
		Promotion
		want string
	}{
		"in good order":       {Promotion{Retired: true, Known: 100}, "nothing is lost"},
		"none had the end":    {Promotion{Retired: true, Known: 130}, "lost: 30 bytes"},
		"waited for replicas": {Promotion{Confirmed: true, Known: 130}, "nothing that was confirmed is lost"},
		"known to be more":    {Promotion{Known: 130}, "LOST: at least 30 bytes"},
		"not known":           {Promotion{Known: 90}, "UNKNOWN"},
	} {
		c.Position = &Position{LSN: 100}
		if got := c.Loss(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// A replica of an older timeline may have more bytes, of what was abandoned.
func TestBest(t *testing.T) {
	at := func(timeline int, lsn LSN) *Position { return &Position{Timeline: timeline, LSN: lsn} }
	for name, c := range map[string]struct {
		positions map[Pod]*Position
		want      string
	}{
		"furthest":            {map[Pod]*Position{{Cluster: "frankfurt", Name: "a"}: at(1, 10), {Cluster: "frankfurt", Name: "b"}: at(1, 20)}, "b"},
		"own cluster first":   {map[Pod]*Position{{Cluster: "america", Name: "a"}: at(1, 10), {Cluster: "frankfurt", Name: "b"}: at(1, 10)}, "b"},
		"elsewhere further":   {map[Pod]*Position{{Cluster: "america", Name: "a"}: at(1, 11), {Cluster: "frankfurt", Name: "b"}: at(1, 10)}, "a"},
		"an older timeline":   {map[Pod]*Position{{Cluster: "frankfurt", Name: "a"}: at(1, 99), {Cluster: "frankfurt", Name: "b"}: at(2, 10)}, "b"},
		"nobody has answered": {map[Pod]*Position{}, ""},
	} {
		var r Promotion
		err := (&promoter{to: "frankfurt", topology: &Topology{}}).best(c.positions, &r)
		if r.Seed.Name != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s: %v, %v", name, r.Seed, err)
		}
	}
}

// Commits that wait for a cluster that is lost are a surprise: it is said before.
func TestWaiting(t *testing.T) {
	here, there := Pod{Cluster: "frankfurt", Name: "a"}, Pod{Cluster: "america", Name: "b"}
	at := &Position{LSN: 10}
	for name, c := range map[string]struct {
		placement   map[string]int
		synchronous int
		positions   map[Pod]*Position
		want        string
	}{
		"the others are lost": {map[string]int{"frankfurt": 4, "london": 2}, 1, map[Pod]*Position{here: at}, "commits will wait: synchronousReplicas is 1, and of the replicas outside of frankfurt 0 answer. To go on without, until others are back:\n  pulumi config set --path hybrid:postgres.synchronousReplicas 0 && pulumi up"},
		"there is a third":    {map[string]int{"frankfurt": 4, "london": 2, "america": 1}, 1, map[Pod]*Position{here: at, there: at}, ""},
		"a third is too few":  {map[string]int{"frankfurt": 4, "london": 2, "america": 1}, 2, map[Pod]*Position{here: at, there: at}, "commits will wait: synchronousReplicas is 2, and of the replicas outside of frankfurt 1 answer. To go on without, until others are back:\n  pulumi config set --path hybrid:postgres.synchronousReplicas 1 && pulumi up"},
		"nobody waits":        {map[string]int{"frankfurt": 4, "london": 2}, 0, map[Pod]*Position{here: at}, ""},
		"its own are all":     {map[string]int{"frankfurt": 4, "london": 0}, 1, map[Pod]*Position{here: at}, ""},
	} {
		r := Promotion{To: "frankfurt"}
		p := promoter{to: "frankfurt", topology: &Topology{Placement: c.placement, Synchronous: c.synchronous}}
		if err := p.best(c.positions, &r); err != nil || r.Waiting() != c.want {
			t.Errorf("%s: %q, %v, want %q", name, r.Waiting(), err, c.want)
		}
	}
}

// fake answers as the pods would.
type fake struct {
	pods    map[string][]Pod
	answers map[string]string // by pod and a part of what is asked
}

func (f fake) List(_ context.Context, cluster, app string) ([]Pod, error) {
	if f.pods[cluster+" "+app] == nil {
		return nil, errors.New("no route to host")
	}
	return f.pods[cluster+" "+app], nil
}

func (f fake) Exec(_ context.Context, pod Pod, stdin string, args ...string) (string, error) {
	for key, answer := range f.answers {
		name, part, _ := strings.Cut(key, " ")
		if name == pod.Name && strings.Contains(stdin, part) {
			return answer, nil
		}
	}
	return "", fmt.Errorf("unexpected: %s %s %q", pod, stdin, args)
}

// lost is a fake whose cluster london answers nobody, after a while.
type lost struct {
	fake
	after time.Duration
}

func (l lost) List(ctx context.Context, cluster, app string) ([]Pod, error) {
	if cluster == "london" {
		time.Sleep(l.after)
	}
	return l.fake.List(ctx, cluster, app)
}

// The time that the lost cluster takes not to answer is part of the wait for its
// master's end.
func TestDetachAsksTheLostLast(t *testing.T) {
	pods := lost{fake{pods: map[string][]Pod{"paris psql-replica": {}, "frankfurt psql-replica": {}}}, 200 * time.Millisecond}
	p := promoter{pods: pods, to: "frankfurt", topology: &Topology{Placement: map[string]int{"frankfurt": 4, "london": 2, "paris": 1}}, opts: Options{Say: t.Logf}}
	_, released, err := p.detach(t.Context(), 2, "london")
	if took := time.Since(released); err != nil || took < pods.after {
		t.Errorf("%v, %s after the others had let go, want at least %s", err, took, pods.after)
	}
}

func TestStatus(t *testing.T) {
	f := fake{
		pods: map[string][]Pod{
			"america psql-witness":   {{"america", "witness", "america-2", "10.1"}},
			"frankfurt psql-master":  {{"frankfurt", "master", "frankfurt-2", "10.2"}},
			"frankfurt psql-replica": {{"frankfurt", "a", "frankfurt-2", "10.3"}, {"frankfurt", "b", "frankfurt-2", "10.4"}},
		},
		answers: map[string]string{
			"witness FROM state":       "2|frankfurt|t|77|0/10|2026-01-01 00:00:00 UTC|3\n",
			"master pg_is_in_recovery": "0/2000|t|1\n",
			"master application_name":  "frankfurt|10.3|streaming|quorum|16|0.0125\nfrankfurt|10.9|streaming|async|0|0\n",
		},
	}
	r, err := Status(t.Context(), f, &Topology{Master: "london", Witness: "america", Placement: map[string]int{"frankfurt": 4, "london": 2}, Synchronous: 1})
	if err == nil || !strings.Contains(err.Error(), `cluster "london": no route to host`) {
		t.Errorf("found %v", err)
	}
	var out bytes.Buffer
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	const want = `master: master in frankfurt, on frankfurt-2, epoch 2, at 0/2000

CLUSTER    POD  ADDRESS  STATE          SYNC    LAG (BYTES)  LAG (SECONDS)
frankfurt  a    10.3     streaming      quorum  16           0.013
frankfurt  b    10.4     not connected  -       -            -
the master has a client that is no replica's pod: frankfurt 10.9
the master of frankfurt has been promoted, and the settings still name london: pulumi config set --path hybrid:postgres.master frankfurt && pulumi up
commits wait: of the replicas outside of frankfurt, 1 too few follow. To go on without: pulumi config set --path hybrid:postgres.synchronousReplicas 0 && pulumi up
frankfurt has 2 replicas, 4 are wanted
`
	if out.String() != want || r.Streaming() != 1 {
		t.Errorf("found:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestKubectl(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "kubectl")
	const script = `#!/bin/sh
echo "$@" >>%[1]s/calls
case "$*" in
"config get-contexts -o name") echo london; echo america ;;
*"--context london"*) echo "connection refused" >&2; exit 1 ;;
*"get configmap"*) echo '{"master":"london","witness":"america","placement":{"london":2}}' ;;
*"get pods"*) echo '{"items":[{"metadata":{"name":"a"},"spec":{"nodeName":"america-2"},"status":{"phase":"Running","podIP":"10.0.0.1"}},{"metadata":{"name":"b"},"status":{"phase":"Pending"}},{"metadata":{"name":"c"},"status":{"phase":"Failed","podIP":"10.0.0.2"}}]}' ;;
*exec*) cat ;;
esac
`
	if err := os.WriteFile(path, fmt.Appendf(nil, script, dir), 0o755); err != nil {
		t.Fatal(err)
	}
	k := Kubectl{Command: []string{path}}
	topology, err := k.Topology(t.Context())
	if err != nil || topology.Witness != "america" || topology.Placement["london"] != 2 {
		t.Errorf("%+v, %v", topology, err)
	}
	pods, err := k.List(t.Context(), "america", ReplicaApp)
	if err != nil || fmt.Sprint(pods) != "[a in america]" {
		t.Errorf("%v, %v", pods, err)
	}
	if _, err := k.List(t.Context(), "london", ReplicaApp); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("found %v", err)
	}
	if out, err := k.Exec(t.Context(), pods[0], "SELECT 1", "psql"); err != nil || out != "SELECT 1" {
		t.Errorf("%q, %v", out, err)
	}
	calls, _ := os.ReadFile(dir + "/calls")
	if want := "--context america -n default --request-timeout 10s exec -i a -c postgres -- psql\n"; !strings.HasSuffix(string(calls), want) {
		t.Errorf("called:\n%s\nwant %s", calls, want)
	}
}
