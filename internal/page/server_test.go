package page

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"hybrid/internal/observe/observetest"
)

func kubectl(cluster string) string { return "kubectl --context " + cluster }

func get(t *testing.T, h http.Handler, host, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFiles(t *testing.T) {
	h := NewServer(kubectl).Handler()
	for path, kind := range map[string]string{
		"/": "text/html", "/page.js": "text/javascript", "/page.css": "text/css", "/picture.css": "text/css", "/icon.svg": "image/svg+xml",
	} {
		w := get(t, h, "127.0.0.1:1234", path)
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
		if !strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'none'; ") {
			t.Errorf("%s: policy %q", path, w.Header().Get("Content-Security-Policy"))
		}
		// What the policy would forbid anyway: nothing comes from elsewhere.
		for _, forbidden := range []string{"https://", "style=", "onclick="} {
			if strings.Contains(w.Body.String(), forbidden) {
				t.Errorf("%s has %s", path, forbidden)
			}
		}
	}
	if w := get(t, h, "127.0.0.1:1234", "/web/"); w.Code != 404 {
		t.Errorf("/web/: %d", w.Code)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	h := NewServer(kubectl).Handler()
	for host, want := range map[string]int{
		"127.0.0.1:1234": 200, "localhost:1234": 200, "[::1]:1234": 200,
		// A browser leaves out the port 80.
		"127.0.0.1": 200, "localhost": 200, "[::1]": 200, "127.0.0.1:": 200,
		"LocalHost:1234": 200, "localhost.:1234": 200, "localhost.": 200, "[::ffff:127.0.0.1]:80": 200,
		"localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "127.0.0.1.evil.example:80": 403,
		"[198.51.100.7]": 403, "[::]": 403, "0.0.0.0": 403, ".": 403, "[]": 403, "[localhost": 403,
		"evil.example:1234": 403, "evil.example": 403, "198.51.100.7:80": 403, "localhost.evil.example:1": 403, "": 403,
	} {
		if w := get(t, h, host, "/"); w.Code != want {
			t.Errorf("host %q: %d, want %d", host, w.Code, want)
		}
	}
}

// serve serves until the test ends, and returns the address.
func serve(t *testing.T, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(5 * time.Second):
			t.Error("it doesn't end")
		}
	})
	return "http://" + l.Addr().String()
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := NewServer(kubectl)
	address := serve(t, s)
	r, err := http.Get(address + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewReader(r.Body)
	next := func() message {
		t.Helper()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				var m message
				if err := json.Unmarshal([]byte(data), &m); err != nil {
					t.Fatal(err)
				}
				return m
			}
		}
	}
	s.Show(observetest.Look(t, 3, 2, nil))
	first := next()
	if !first.Healthy || len(first.Scene.Put) < 100 || len(first.Scene.Remove) > 0 {
		t.Errorf("first: healthy %v, %d elements", first.Healthy, len(first.Scene.Put))
	}
	s.Show(observetest.Look(t, 3, 2, cut))
	second := next()
	if second.Healthy || len(second.Problems) == 0 || second.Problems[0].Command == "" {
		t.Errorf("second: %+v", second.Problems)
	}
	if n := len(second.Scene.Put); n == 0 || n >= len(first.Scene.Put) {
		t.Errorf("second: %d elements of %d", n, len(first.Scene.Put))
	}
}

func TestAbout(t *testing.T) {
	t.Parallel()
	now := observetest.Look(t, 3, 2, cut)
	s := NewServer(kubectl)
	s.Show(now)
	for id, want := range map[string]string{
		"c:london":                                  "kubectl --context london get nodes -o wide",
		"n:america/america-2":                       "kubectl --context america describe node america-2",
		"p:london/default/psql-master-0":            "kubectl --context london -n default exec -it psql-master-0 -- psql -U postgres",
		"p:america/kube-system/weave-net-america-1": "kubectl --context america -n kube-system describe pod weave-net-america-1",
		"b:frankfurt/london":                        "kubectl --context frankfurt -n kube-system exec ds/weave-net -c weave -- curl -s http://127.0.0.1:6784/status/connections",
	} {
		w := get(t, s.Handler(), "127.0.0.1:1", "/about?id="+url.QueryEscape(id))
		var a About
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Errorf("%s: %d: %v", id, w.Code, err)
			continue
		}
		if a.Title == "" || len(a.Lines) == 0 || a.Commands[0].Text != want {
			t.Errorf("%s: %+v", id, a)
		}
	}
	for _, id := range []string{"", "c:paris", "p:london/default/psql-master-1", "x:y"} {
		if w := get(t, s.Handler(), "127.0.0.1:1", "/about?id="+url.QueryEscape(id)); w.Code != 404 {
			t.Errorf("%q: %d", id, w.Code)
		}
	}
	// Names are others'.
	n := &now.Clusters[0].Nodes[0]
	n.Name, n.Pods[0].Name, n.Pods[0].Namespace = "$(id)", "a; id", "`id`"
	for id, want := range map[string][]string{
		"n:" + now.Clusters[0].Name + "/$(id)": {"describe node '$(id)'", "--field-selector 'spec.nodeName=$(id)'"},
		podID(now.Clusters[0].Name, n.Pods[0]): {"-n '`id`' describe pod 'a; id'", "-n '`id`' logs --all-containers --tail 50 'a; id'", "-n '`id`' exec -it 'a; id' -- sh"},
	} {
		a := Tell(now, kubectl, id)
		if a == nil {
			t.Fatalf("there is nothing to tell of %s", id)
		}
		for i, want := range want {
			if c := a.Commands[i].Text; !strings.HasSuffix(c, want) {
				t.Errorf("%s: %s, want %s", id, c, want)
			}
		}
	}
	now = observetest.Look(t, 3, 2, cut)
	// Everything that can be chosen has something to tell.
	for _, e := range Draw(now).Elements {
		if strings.HasPrefix(e.Attrs["class"], "pick ") && Tell(now, kubectl, e.ID) == nil {
			t.Errorf("there is nothing to tell of %s", e.ID)
		}
	}
}
