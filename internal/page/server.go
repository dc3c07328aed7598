package page

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"hybrid/internal/observe"
)

//go:embed web
var web embed.FS

//go:embed web/picture.css
var pictureCSS string

// policy lets the page use its own files and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// alive is how often a page without news is told that there is none.
const alive = 5 * time.Second

// Server serves the page. Show gives it pictures.
type Server struct {
	// Kubectl begins a command for a cluster, to be copied.
	Kubectl func(cluster string) string
	// Shell lets the page run programs in containers; nil if it may only look.
	Shell *Shell

	mu      sync.Mutex
	now     *observe.Snapshot
	scene   *Scene
	changed chan struct{} // closed when there is a new picture
}

// NewServer makes a server that has nothing to show yet.
func NewServer(kubectl func(cluster string) string) *Server {
	return &Server{Kubectl: kubectl, changed: make(chan struct{})}
}

// Show shows a new picture on all pages.
func (s *Server) Show(now *observe.Snapshot) {
	scene := Draw(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.scene = now, scene
	close(s.changed)
	s.changed = make(chan struct{})
}

// latest is the newest picture, which may be nil, and what ends when there is a
// newer one.
func (s *Server) latest() (*observe.Snapshot, *Scene, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.scene, s.changed
}

// Serve serves until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stopped := context.AfterFunc(ctx, func() { server.Close() })
	defer stopped()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Handler answers requests from this machine's browsers.
func (s *Server) Handler() http.Handler {
	files := http.NewServeMux()
	for path, name := range map[string]string{
		"/{$}": "index.html", "/page.css": "page.css", "/picture.css": "picture.css", "/page.js": "page.js",
		"/panes.js": "panes.js", "/panes.css": "panes.css", "/icon.svg": "icon.svg",
	} {
		files.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, web, "web/"+name)
		})
	}
	files.HandleFunc("GET /events", s.events)
	files.HandleFunc("GET /about", s.about)
	var all http.Handler = files
	if s.Shell != nil {
		files.HandleFunc("GET /session", s.session)
		all = s.Shell.guard(files)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !thisMachine(r.Host) {
			http.Error(w, "this page is for this machine only", http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		all.ServeHTTP(w, r)
	})
}

// thisMachine says whether a request's Host is this machine's own name or address. A
// name that others have given this address would make a stranger's page and this one
// the same site. Browsers leave out the port 80, and may write localhost with the dot
// of the DNS' root.
func thisMachine(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil { // there is no port
		name = host
		if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
			name = host[1 : len(host)-1]
		}
	}
	if strings.EqualFold(strings.TrimSuffix(name, "."), "localhost") {
		return true
	}
	address := net.ParseIP(name)
	return address != nil && address.IsLoopback()
}

// message is what a page is sent.
type message struct {
	Time     time.Time         `json:"time"`
	Stack    string            `json:"stack,omitempty"`
	Summary  string            `json:"summary"`
	Healthy  bool              `json:"healthy"`
	Problems []observe.Problem `json:"problems"`
	Changes  []observe.Change  `json:"changes"`
	Scene    Change            `json:"scene"`
	// Services are there when they aren't those of the message before.
	Services *[]service `json:"services,omitempty"`
}

// events sends a page the whole picture, and from then on what changes.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	narrow := r.URL.Query().Has("narrow")
	var shown *Scene
	var drawn *observe.Snapshot // what shown is of
	var told string             // the services
	send := func(format string, a ...any) bool {
		_ = out.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := fmt.Fprintf(w, format, a...); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	if !send("retry: 1000\n\n") {
		return
	}
	for {
		now, scene, changed := s.latest()
		if now != drawn {
			if narrow {
				scene = draw(now, true)
			}
			m := message{
				Time: now.Time, Stack: now.Stack, Summary: Summary(now), Healthy: now.Healthy,
				Problems: now.Problems, Changes: now.Changes, Scene: scene.From(shown),
			}
			all := services(now)
			if text := fmt.Sprint(all); text != told {
				told, m.Services = text, &all
			}
			text, err := json.Marshal(m)
			if err != nil || !send("data: %s\n\n", text) {
				return
			}
			drawn, shown = now, scene
		}
		select {
		case <-changed:
		case <-time.After(alive):
			if !send(": nothing new\n\n") {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// about tells of one thing in the picture.
func (s *Server) about(w http.ResponseWriter, r *http.Request) {
	now, _, _ := s.latest()
	var a *About
	if now != nil {
		a = Tell(now, s.Kubectl, r.URL.Query().Get("id"))
	}
	if a != nil && s.Shell == nil {
		a.Sessions = nil
	}
	if a == nil {
		http.Error(w, "there is no such thing any more", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a) // who has asked has gone
}

// Summary is a snapshot in a sentence.
func Summary(s *observe.Snapshot) string {
	nodes, links, up, streaming := 0, 0, 0, 0
	for _, c := range s.Clusters {
		nodes += len(c.Nodes)
	}
	for _, b := range s.Mesh.Between {
		links += b.Links
		up += b.Count[observe.Up]
	}
	for _, r := range s.PostgreSQL.Replicas {
		if r.OK {
			streaming++
		}
	}
	text := fmt.Sprintf("%d clusters, %d nodes", len(s.Clusters), nodes)
	if s.Mesh.Installed {
		text += fmt.Sprintf(", %d of %d mesh links up", up, links)
	}
	if s.PostgreSQL.Installed {
		text += fmt.Sprintf(", %d of %d replicas streaming", streaming, len(s.PostgreSQL.Replicas))
	}
	return text
}
