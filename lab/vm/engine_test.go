package vm

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"hybrid/lab/system/docker"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// engine is as much of Docker's API as lists, starts and removes. Every program in its
// containers succeeds.
type engine struct {
	// before is called before each request, such as "POST /containers/x/start". Where
	// it returns a status other than 0, that is the answer.
	before func(request string) (status int)

	mu         sync.Mutex
	containers []container.Summary
	networks   []network.Summary
	volumes    []*volume.Volume
	requests   []string
}

// open returns a host with the engine.
func (e *engine) open(t *testing.T) *Host {
	t.Helper()
	t.Setenv("HYBRID_LAB_STATE", t.TempDir()) // with its locks
	server := httptest.NewServer(e.mux())
	t.Cleanup(server.Close)
	cli, err := client.NewClientWithOpts(client.WithHost("tcp://"+server.Listener.Addr().String()), client.WithVersion("1.41"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cli.Close() })
	return &Host{docker: cli}
}

// thing returns the labels of one, with a spec that has a name.
func thing(kind, id string) map[string]string {
	return map[string]string{docker.Label: docker.LabelValue, labelKind: kind, labelID: id, labelSpec: `{"ID":"` + id + `","Name":"` + id + `-name","CIDR":"10.0.0.0/16"}`}
}

// add adds a container whose ID is also the one of what it is.
func (e *engine) add(kind, id, state string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.containers = append(e.containers, container.Summary{ID: id, State: state, Labels: thing(kind, id)})
}

// asked says which requests begin like this, in their order.
func (e *engine) asked(method, end string) (out []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.requests {
		if strings.HasPrefix(r, method+" ") && strings.HasSuffix(r, end) {
			out = append(out, r)
		}
	}
	return out
}

func (e *engine) mux() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, answer func(r *http.Request) any) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /v1.41"+path, func(w http.ResponseWriter, r *http.Request) {
			request := method + " " + strings.TrimPrefix(r.URL.Path, "/v1.41")
			if e.before != nil {
				if status := e.before(request); status != 0 {
					http.Error(w, `{"message":"refused"}`, status)
					return
				}
			}
			e.mu.Lock()
			defer e.mu.Unlock()
			e.requests = append(e.requests, request)
			if out := answer(r); out != nil {
				_ = json.NewEncoder(w).Encode(out)
			} else {
				http.Error(w, `{"message":"no such thing"}`, http.StatusNotFound)
			}
		})
	}
	handle("GET /containers/json", func(r *http.Request) any {
		out := []container.Summary{}
		for _, c := range e.containers {
			if f := wanted(r); f.MatchKVList("label", c.Labels) && f.ExactMatch("status", c.State) {
				out = append(out, c)
			}
		}
		return out
	})
	handle("GET /containers/{id}/json", func(r *http.Request) any {
		if i := e.index(r); i >= 0 {
			return map[string]any{"State": map[string]any{"Status": e.containers[i].State}}
		}
		return nil
	})
	handle("POST /containers/{id}/start", func(r *http.Request) any {
		if i := e.index(r); i >= 0 {
			e.containers[i].State = container.StateRunning
			return struct{}{}
		}
		return nil
	})
	handle("POST /containers/{id}/pause", func(r *http.Request) any {
		if i := e.index(r); i >= 0 {
			e.containers[i].State = container.StatePaused
			return struct{}{}
		}
		return nil
	})
	handle("POST /containers/{id}/wait", func(r *http.Request) any {
		return map[string]any{"Error": map[string]string{"Message": "device or resource busy"}}
	})
	handle("DELETE /containers/{id}", func(r *http.Request) any {
		if i := e.index(r); i >= 0 {
			e.containers = slices.Delete(e.containers, i, i+1)
			return struct{}{}
		}
		return nil
	})
	handle("PUT /containers/{id}/archive", func(*http.Request) any { return struct{}{} })
	handle("POST /containers/{id}/exec", func(r *http.Request) any {
		var asked struct{ Cmd []string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			return nil
		}
		e.requests = append(e.requests, "EXEC "+strings.Join(asked.Cmd, " "))
		return map[string]string{"Id": "exec"}
	})
	handle("GET /exec/{id}/json", func(*http.Request) any { return struct{ ExitCode int }{} })
	mux.HandleFunc("POST /v1.41/exec/{id}/start", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or closing it resets the connection
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_, _ = conn.Write([]byte("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"))
			conn.Close()
		}
	})
	handle("GET /networks", func(r *http.Request) any {
		out := []network.Summary{}
		for _, n := range e.networks {
			if wanted(r).MatchKVList("label", n.Labels) {
				out = append(out, n)
			}
		}
		return out
	})
	handle("DELETE /networks/{id}", func(r *http.Request) any {
		e.networks = slices.DeleteFunc(e.networks, func(n network.Summary) bool { return n.ID == r.PathValue("id") })
		return struct{}{}
	})
	handle("GET /volumes", func(*http.Request) any { return volume.ListResponse{Volumes: e.volumes} })
	handle("DELETE /volumes/{id}", func(r *http.Request) any {
		e.volumes = slices.DeleteFunc(e.volumes, func(v *volume.Volume) bool { return v.Name == r.PathValue("id") })
		return struct{}{}
	})
	return mux
}

// wanted are the filters of a list.
func wanted(r *http.Request) filters.Args {
	f, err := filters.FromJSON(r.FormValue("filters"))
	if err != nil {
		panic(err) // they are the client's own
	}
	return f
}

func (e *engine) index(r *http.Request) int {
	return slices.IndexFunc(e.containers, func(c container.Summary) bool { return c.ID == r.PathValue("id") })
}
