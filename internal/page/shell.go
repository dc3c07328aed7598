package page

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"k8s.io/client-go/tools/remotecommand"

	"hybrid/internal/console"
	"hybrid/internal/observe"
)

// The kinds of sessions.
const (
	shellKind = "shell"
	psqlKind  = "psql"
	logsKind  = "logs"
)

// postgresContainer is that of PostgreSQL's pods which is the server, see the program's
// package workloads.
const postgresContainer = "postgres"

// programs are what sessions run. The better shell is taken where there is one.
var programs = map[string][]string{
	shellKind: {"sh", "-c", "export TERM=xterm-256color; if command -v bash >/dev/null; then exec bash; fi; exec sh"},
	psqlKind:  {"sh", "-c", "export TERM=xterm-256color; exec psql -U postgres"},
}

// kindsOf are the sessions that a pod's container can have.
func kindsOf(p *observe.Pod, container string) []string {
	if p.Role != "" && container == postgresContainer {
		return []string{shellKind, psqlKind, logsKind}
	}
	return []string{shellKind, logsKind}
}

// Containers runs what sessions are, with the viewer's own rights.
type Containers interface {
	Terminal(ctx context.Context, c observe.Container, argv []string, in io.Reader, out io.Writer, sizes remotecommand.TerminalSizeQueue) error
	Logs(ctx context.Context, c observe.Container, out io.Writer) error
}

// maxSessions is how many there may be at once.
const maxSessions = 16

// Shell lets the page run programs in containers. Only who knows the token may see the
// page at all: others who can log in to this machine could else use the viewer's rights.
type Shell struct {
	containers Containers
	token      string
	slots      chan struct{}
}

// NewShell makes one with a token of its own.
func NewShell(c Containers) *Shell {
	var random [24]byte
	_, _ = rand.Read(random[:]) // it never fails: https://pkg.go.dev/crypto/rand#Read
	return &Shell{c, base64.RawURLEncoding.EncodeToString(random[:]), make(chan struct{}, maxSessions)}
}

// Path is that of the page. It begins with the token, and so do those of all that belongs
// to the page: a cookie would go to every other server of this machine, too.
func (s *Shell) Path() string { return "/" + s.token + "/" }

// guard lets through what has the token, and comes from the page or from no page at all.
func (s *Shell) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) != 1 {
			http.Error(w, "the address has no token, or another one: open the address that hybrid view has printed", http.StatusForbidden)
			return
		}
		if !fromPage(r) {
			http.Error(w, "other pages may not ask this one", http.StatusForbidden)
			return
		}
		http.StripPrefix("/"+s.token, next).ServeHTTP(w, r)
	})
}

// fromPage says whether a request comes from the page that this server serves, or from
// the address bar. A browser always says where a socket's request is from.
func fromPage(r *http.Request) bool {
	origin := r.Header.Values("Origin")
	if len(origin) == 0 {
		return !websocket.IsWebSocketUpgrade(r)
	}
	return len(origin) == 1 && origin[0] == "http://"+r.Host
}

// find is the container that a request is for; nil if there is none in the picture.
func find(now *observe.Snapshot, id, container, kind string) *observe.Container {
	if now == nil {
		return nil
	}
	for _, c := range now.Clusters {
		for _, n := range c.Nodes {
			for i := range n.Pods {
				p := &n.Pods[i]
				if podID(c.Name, *p) == id && slices.Contains(p.Containers, container) && slices.Contains(kindsOf(p, container), kind) {
					return &observe.Container{Cluster: c.Name, Namespace: p.Namespace, Pod: p.Name, Name: container}
				}
			}
		}
	}
	return nil
}

// session runs one over a socket, until either end ends it.
func (s *Server) session(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	now, _, _ := s.latest()
	kind := query.Get("kind")
	c := find(now, query.Get("id"), query.Get("container"), kind)
	if c == nil {
		http.Error(w, "there is no such container any more", http.StatusNotFound)
		return
	}
	upgrader := websocket.Upgrader{CheckOrigin: fromPage}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer conn.Close()
	conn.SetReadLimit(2 << 20) // a paste
	viewer := &socket{conn: conn, gone: make(chan struct{})}
	select {
	case s.Shell.slots <- struct{}{}:
		defer func() { <-s.Shell.slots }()
	default:
		viewer.end(fmt.Sprintf("there are %d sessions: end one", maxSessions))
		return
	}
	columns, _ := strconv.Atoi(query.Get("columns")) // what is no number is the least size
	rows, _ := strconv.Atoi(query.Get("rows"))
	err = console.Run(r.Context(), console.Size{Columns: columns, Rows: rows}, viewer, func(ctx context.Context, in io.Reader, out io.Writer, sizes remotecommand.TerminalSizeQueue) error {
		if kind == logsKind {
			return s.Shell.containers.Logs(ctx, *c, newLines{out})
		}
		return s.Shell.containers.Terminal(ctx, *c, programs[kind], in, out, sizes)
	})
	reason := "it has ended"
	if err != nil {
		reason = err.Error()
	}
	viewer.end(reason)
}

// newLines makes lines of a log those of a terminal, which are ended by two letters.
type newLines struct{ to io.Writer }

func (n newLines) Write(text []byte) (int, error) {
	if _, err := n.to.Write([]byte(strings.ReplaceAll(string(text), "\n", "\r\n"))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// socket is a viewer at the other end of a WebSocket.
type socket struct {
	conn *websocket.Conn
	gone chan struct{} // closed when nothing more comes
}

// sendLimit bounds the time in which the page must take a message.
const sendLimit = 10 * time.Second

// closeLimit bounds the time in which it must close a socket that has ended.
const closeLimit = 2 * time.Second

func (s *socket) send(what any) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(sendLimit)); err != nil {
		return err
	}
	return s.conn.WriteJSON(what)
}

func (s *socket) Show(f *console.Frame) error { return s.send(f) }

func (s *socket) Next() (*console.Input, error) {
	var in console.Input
	err := s.conn.ReadJSON(&in)
	if err != nil {
		close(s.gone) // it isn't called again
	}
	return &in, err
}

// end says why there is no more, if there is still someone to hear it, and waits until
// that has closed its end: what it sends to a closed one would make it lose the reason.
func (s *socket) end(reason string) {
	if s.send(map[string]string{"end": reason}) != nil ||
		s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(sendLimit)) != nil {
		return
	}
	select {
	case <-s.gone:
	case <-time.After(closeLimit):
	}
}
