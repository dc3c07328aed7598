package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"hybrid/internal/console"
	"hybrid/internal/fakecloud"
	"hybrid/internal/observe/observetest"
)

// shellPage serves a page with shells.
func shellPage(t *testing.T, change func(*fakecloud.Cloud)) (*fakecloud.Cloud, *Server, *httptest.Server) {
	t.Helper()
	c := fakecloud.New(t, 3, 2)
	o := observetest.New(t, c)
	s := NewServer(o.Kubectl)
	s.Shell = NewShell(o)
	s.Show(o.Look(t.Context()))
	if change != nil {
		c.Lock()
		change(c)
		c.Unlock()
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return c, s, server
}

// The master's pod.
const masterPod = "p:london/default/psql-master-0"

func sessionPath(id, container, kind string) string {
	return "session?" + url.Values{"id": {id}, "container": {container}, "kind": {kind}, "columns": {"80"}, "rows": {"24"}}.Encode()
}

// dial opens a socket, as a page of an origin would; an empty one isn't sent.
func dial(server *httptest.Server, path, host, origin string) (*websocket.Conn, int, error) {
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	if host != "" {
		header.Set("Host", host)
	}
	conn, answer, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http")+path, header)
	status := 0
	if answer != nil {
		status = answer.StatusCode
	}
	return conn, status, err
}

// Requests from another page, for another host name, or without the token are refused.
func TestGuard(t *testing.T) {
	c, s, server := shellPage(t, nil)
	own, token := server.URL, s.Shell.Path()
	host := strings.TrimPrefix(own, "http://")
	port := host[strings.LastIndex(host, ":"):]
	session := sessionPath(masterPod, "postgres", shellKind)
	wrong := "/" + strings.Repeat("A", len(token)-2) + "/"
	for name, x := range map[string]struct {
		token, host, origin string
	}{
		"another origin":                {token, "", "http://evil.example"},
		"another port of this machine":  {token, "", "http://127.0.0.1:1"},
		"the same by another name":      {token, "", "http://localhost" + port},
		"another scheme":                {token, "", "https://" + host},
		"no origin that can be told":    {token, "", "null"},
		"another host name":             {token, "evil.example" + port, "http://evil.example" + port},
		"no token":                      {"/", "", own},
		"a wrong token":                 {wrong, "", own},
		"a token's beginning":           {token[:8] + "/", "", own},
		"a token that goes on":          {strings.TrimSuffix(token, "/") + "x/", "", own},
		"a wrong token, and up from it": {wrong + ".." + token, "", own},
	} {
		if conn, status, err := dial(server, x.token+session, x.host, x.origin); err == nil {
			conn.Close()
			t.Errorf("%s: there is a socket", name)
		} else if status != http.StatusForbidden && !strings.HasPrefix(name, "a wrong token, and") {
			t.Errorf("%s: the socket's answer is %d, want 403", name, status)
		}
		for _, path := range []string{"", "events", "about?id=" + masterPod, session, "panes.js"} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", strings.TrimSuffix(x.token, "/")+"/"+path, nil)
			r.Host = host
			if x.host != "" {
				r.Host = x.host
			}
			r.Header.Set("Origin", x.origin)
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if w.Code != http.StatusForbidden {
				t.Errorf("%s: /%s: %d, want 403", name, path, w.Code)
			}
		}
	}
	if conn, _, err := dial(server, token+session, "", ""); err == nil {
		conn.Close()
		t.Error("a socket without an origin is there")
	}
	// The page itself comes from the address bar, which has no origin.
	if w := get(t, s.Handler(), host, token); w.Code != http.StatusOK {
		t.Errorf("the page: %d", w.Code)
	}
	c.Lock()
	defer c.Unlock()
	for _, r := range c.Requests {
		if strings.Contains(r.Query, "tty=true") {
			t.Errorf("there was a shell: %+v", r)
		}
	}
}

// Without --shell there is none.
func TestNoShell(t *testing.T) {
	_, s, _ := shellPage(t, nil)
	s.Shell = nil
	if w := get(t, s.Handler(), "127.0.0.1:1", "/"+sessionPath(masterPod, "postgres", shellKind)); w.Code != http.StatusNotFound {
		t.Errorf("a session: %d, want 404", w.Code)
	}
	if w := get(t, s.Handler(), "127.0.0.1:1", "/about?id="+masterPod); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "sessions") {
		t.Errorf("about: %d %s", w.Code, w.Body)
	}
}

// pane is the page's end of a session.
type pane struct {
	*testing.T
	conn  *websocket.Conn
	lines map[int]string
	end   string
}

func openPane(t *testing.T, s *Server, server *httptest.Server, id, container, kind string) *pane {
	t.Helper()
	conn, status, err := dial(server, s.Shell.Path()+sessionPath(id, container, kind), "", server.URL)
	if err != nil {
		t.Fatalf("%d: %v", status, err)
	}
	t.Cleanup(func() { conn.Close() })
	return &pane{T: t, conn: conn, lines: map[int]string{}}
}

func (p *pane) send(in console.Input) {
	p.Helper()
	if err := p.conn.WriteJSON(in); err != nil {
		p.Fatal(err)
	}
}

// until reads frames until the screen shows a text, or the session has ended.
func (p *pane) until(want string) {
	p.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		for _, line := range p.lines {
			if want != "" && strings.Contains(line, want) {
				return
			}
		}
		var m struct {
			console.Frame
			End *string
		}
		_, text, err := p.conn.ReadMessage()
		if err == nil {
			err = json.Unmarshal(text, &m)
		}
		if err != nil {
			p.Fatalf("waiting for %q with %v: %v", want, p.lines, err)
		}
		if m.End != nil {
			if p.end = *m.End; want != "" {
				p.Fatalf("waiting for %q: it has ended: %s", want, p.end)
			}
			return
		}
		for y, spans := range m.Lines {
			p.lines[y] = ""
			for _, s := range spans {
				p.lines[y] += s.Text
			}
		}
		if err := p.conn.WriteJSON(console.Input{Drawn: true}); err != nil {
			p.Fatal(err)
		}
	}
}

func TestSession(t *testing.T) {
	_, s, server := shellPage(t, nil)
	p := openPane(t, s, server, masterPod, "postgres", shellKind)
	p.until("psql-master-0$")
	// The size comes on a way of its own, so it may be asked for too early.
	asked := 0
	size := func(want string, ask ...console.Input) {
		for start := time.Now(); ; {
			for _, in := range ask {
				p.send(in)
			}
			asked++
			answer := fmt.Sprintf("%d: ", asked)
			p.until(answer)
			for _, line := range p.lines {
				if line == answer+want {
					return
				}
			}
			if time.Since(start) > 20*time.Second {
				t.Fatalf("the size isn't %s: %v", want, p.lines)
			}
		}
	}
	size("80×24", console.Input{Text: "size"}, console.Input{Key: "Enter"})
	p.send(console.Input{Size: &console.Size{Columns: 100, Rows: 30}})
	size("100×30", console.Input{Paste: "size\n"})
	// Several at once.
	other := openPane(t, s, server, masterPod, "postgres", psqlKind)
	other.until("psql-master-0$")
	p.send(console.Input{Text: "exit\r"})
	if p.until(""); p.end != "it has ended" {
		t.Errorf("it ends with %q", p.end)
	}
	other.send(console.Input{Text: "still\r"})
	other.until("no still")
}

func TestLogs(t *testing.T) {
	_, s, server := shellPage(t, nil)
	p := openPane(t, s, server, masterPod, "postgres", logsKind)
	p.until("the second line of the log")
	if p.lines[0] != "the first line of the log" || p.lines[1] != "the second line of the log" {
		t.Errorf("found %v", p.lines)
	}
}

// Who may not run programs is told so.
func TestRefused(t *testing.T) {
	_, s, server := shellPage(t, func(c *fakecloud.Cloud) { c.Cluster("london").Refuse = []string{"exec", "log"} })
	for _, kind := range []string{shellKind, logsKind} {
		p := openPane(t, s, server, masterPod, "postgres", kind)
		if p.until(""); !strings.Contains(p.end, "refused: your account may not do that") {
			t.Errorf("%s: it ends with %q", kind, p.end)
		}
	}
}

// A cluster that is cut off ends its sessions, with a reason, within 15 seconds.
func TestCutOff(t *testing.T) {
	t.Parallel()
	c, s, server := shellPage(t, nil)
	p := openPane(t, s, server, masterPod, "postgres", shellKind)
	p.until("psql-master-0$")
	c.Lock()
	c.Cluster("london").Silent = true
	c.Unlock()
	start := time.Now()
	p.until("")
	if took := time.Since(start); took > 15*time.Second || p.end != "cluster london does not answer any more" {
		t.Errorf("after %s it ends with %q", took, p.end)
	}
}

// What isn't in the picture can't be entered.
func TestUnknownContainer(t *testing.T) {
	_, s, server := shellPage(t, nil)
	for _, path := range []string{
		sessionPath(masterPod, "other", shellKind), sessionPath("p:london/default/other", "postgres", shellKind),
		sessionPath(masterPod, "postgres", "rm"), sessionPath("p:london/kube-system/kube-proxy-london-1", "main", psqlKind), "session",
	} {
		if conn, status, err := dial(server, s.Shell.Path()+path, "", server.URL); err == nil || status != http.StatusNotFound {
			if err == nil {
				conn.Close()
			}
			t.Errorf("%s: %d, want 404", path, status)
		}
	}
}

// There is a bound.
func TestTooManySessions(t *testing.T) {
	_, s, server := shellPage(t, nil)
	for range maxSessions {
		s.Shell.slots <- struct{}{}
	}
	p := openPane(t, s, server, masterPod, "postgres", shellKind)
	if p.until(""); !strings.HasPrefix(p.end, "there are 16 sessions") {
		t.Errorf("it ends with %q", p.end)
	}
}
