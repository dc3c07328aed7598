package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// scraped is what the metrics of `hybrid exporter` have shown, and when.
type scraped struct {
	mu sync.Mutex
	// problems are of the moment, with the time since when they are there; those that are
	// over are in ended.
	problems map[string]time.Time
	ended    map[string]time.Time // when the last problem of a kind began that is over
	text     string
}

var problemKind = regexp.MustCompile(`(?m)^hybrid_problem\{.*kind="(\w+)".*\} 1$`)

// scrape starts `hybrid exporter`, and reads its metrics five times a second until the whole
// test ends.
func scrape(t *testing.T, l *lab) *scraped {
	l.Helper()
	address := startServer(t, l, "exporter", "--listen", "127.0.0.1:0")
	s := &scraped{problems: map[string]time.Time{}, ended: map[string]time.Time{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			s.read(ctx, address)
			time.Sleep(200 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	s.healthy(l)
	return s
}

func (s *scraped) read(ctx context.Context, address string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return // who waits for something will say that it isn't there
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = string(text)
	now := map[string]bool{}
	for _, found := range problemKind.FindAllStringSubmatch(s.text, -1) {
		now[found[1]] = true
		if _, ok := s.problems[found[1]]; !ok {
			s.problems[found[1]] = time.Now()
		}
	}
	for kind, began := range s.problems {
		if !now[kind] {
			s.ended[kind] = began
			delete(s.problems, kind)
		}
	}
}

// within checks that problems of these kinds are shown within 15 s from start, also if they
// are over soon.
func (s *scraped) within(l *lab, start time.Time, kinds ...string) {
	l.Helper()
	for _, kind := range kinds {
		l.eventually(max(time.Second, shownLimit-time.Since(start)), func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			began, ok := s.problems[kind]
			if !ok {
				began, ok = s.ended[kind], s.ended[kind].After(start)
			}
			if !ok || began.Sub(start) > shownLimit {
				return fmt.Errorf("the exporter shows no %s within %s: %v", kind, shownLimit, s.problems)
			}
			fmt.Printf("--- the exporter shows %s after %s\n", kind, max(0, began.Sub(start)).Round(100*time.Millisecond))
			return nil
		})
	}
}

// healthy waits until nothing is wrong.
func (s *scraped) healthy(l *lab) {
	l.Helper()
	l.eventually(shownLimit, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !strings.Contains(s.text, "\nhybrid_healthy 1\n") {
			return fmt.Errorf("the exporter shows problems: %v", s.problems)
		}
		return nil
	})
}

var leaderMetric = regexp.MustCompile(`(?m)^hybrid_postgresql_leader_info\{cluster="(\w+)".*version="[^"]+"\} 1$`)

// leader is the cluster of the leader that answers; empty if there is none.
func (s *scraped) leader() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := leaderMetric.FindStringSubmatch(s.text); found != nil {
		return found[1]
	}
	return ""
}

// exporterInTheHost switches hybrid:monitoring on, asks the exporter as a Prometheus in the
// cluster would, and tries what its accounts may do.
func exporterInTheHost(l *lab) {
	config := l.config(func(settings map[string]any) {
		settings["hybrid:monitoring"].(map[string]any)["enabled"] = true
	})
	l.must("preview", config)
	l.up(config)
	l.must("preview", "--expect-no-changes", config)
	l.eventually(time.Minute, func() error {
		text, err := l.kube("", "america", "get", "--raw", "/api/v1/namespaces/hybrid-monitoring/services/hybrid-exporter:9939/proxy/metrics")
		if err != nil {
			return err
		}
		// The zone's name servers are known by their names nowhere in the lab: it misses
		// the four, and nothing else.
		for _, p := range problemKind.FindAllStringSubmatch(text, -1) {
			if p[1] != "NameServerSilent" {
				err = errors.Join(err, errors.New(p[0]))
			}
		}
		for metric, want := range map[string]int{"zone_name_server_up": 4, "node_ready": 6, "mesh_peer_up": 6, "postgresql_replica_ok": 6} {
			if n := strings.Count(text, "\nhybrid_"+metric+"{"); n != want {
				err = errors.Join(err, fmt.Errorf("found %d of hybrid_%s, want %d", n, metric, want))
			}
		}
		return err
	})
	onlyLooks(l)
	imageOfTheCheckout(l)
}

// onlyLooks tries the accounts in the exporter's file.
func onlyLooks(l *lab) {
	encoded, err := l.kube("", "america", "-n", "hybrid-monitoring", "get", "secret", "hybrid-exporter", "-o", `jsonpath={.data.outputs\.json}`)
	if err != nil {
		l.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		l.Fatal(err)
	}
	var outputs struct{ Kubeconfig string }
	if err := json.Unmarshal(text, &outputs); err != nil {
		l.Fatal(err)
	}
	kubeconfig, err := clientcmd.Load([]byte(outputs.Kubeconfig))
	if err != nil {
		l.Fatal(err)
	}
	for name, context := range kubeconfig.Contexts {
		// From here the public addresses are the way; the names are those of the certificates.
		kubeconfig.Clusters[context.Cluster].Server = l.connection(name).Host
		access, err := clientcmd.NewNonInteractiveClientConfig(*kubeconfig, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
		if err != nil {
			l.Fatal(err)
		}
		client, err := kubernetes.NewForConfig(access)
		if err != nil {
			l.Fatal(err)
		}
		core := client.CoreV1()
		if name == federation {
			_, err = client.RESTClient().Get().AbsPath("/apis/cluster.karmada.io/v1alpha1/clusters").DoRaw(l.ctx)
		} else {
			_, err = core.Nodes().List(l.ctx, metav1.ListOptions{})
		}
		if err != nil {
			l.Errorf("the exporter's account can't look at %s: %v", name, err)
		}
		if _, err := core.Secrets("kube-system").List(l.ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
			l.Errorf("%s: the exporter's account lists Secrets: %v", name, err)
		}
		if err := core.Pods("kube-system").Delete(l.ctx, "none", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
			l.Errorf("%s: the exporter's account deletes pods: %v", name, err)
		}
		if _, err := core.ConfigMaps("default").Create(l.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "none"}}, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
			l.Errorf("%s: the exporter's account makes objects: %v", name, err)
		}
	}
}

// imageOfTheCheckout makes the image as a user does for a real cloud, and runs it.
func imageOfTheCheckout(l *lab) {
	const name = "hybrid-lab-exporter:test"
	run := func(argv ...string) string {
		cmd := exec.CommandContext(l.ctx, argv[0], argv[1:]...)
		cmd.Dir, cmd.Stderr = l.stack.Project, os.Stderr
		out, err := cmd.Output()
		if err != nil {
			l.Fatalf("%q: %v", argv, err)
		}
		return string(out)
	}
	run("make", "-s", "image", "IMAGE="+name)
	defer run("docker", "image", "rm", name)
	want, err := os.ReadFile(filepath.Join(l.stack.Project, "docs", "monitoring", "alerts.yaml"))
	if err != nil {
		l.Fatal(err)
	}
	found := run("docker", "run", "--rm", "--network", "none", "--label", "hybrid.lab=dev", "--read-only", name, "exporter", "--rules")
	if found != string(want) {
		l.Errorf("the image prints %.200q", found)
	}
}
