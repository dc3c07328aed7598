package dockertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"hybrid/lab/system/docker"
	"hybrid/lab/vm"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
)

// noticed is how long a caller that hangs up on Docker may take to do so.
const noticed = 500 * time.Millisecond

// TestInterrupted takes an operation's time away while Docker makes something for it.
// Docker, like an engine under load, begins late and then goes on whatever the caller does.
func TestInterrupted(t *testing.T) {
	l := Open(t)
	l.must(l.CreateNetwork(t.Context(), direct)) // with the internet and its servers
	machine := vm.Machine{ID: "i-1", Name: "one", Cloud: "digitalocean", NetworkID: direct.ID, PrivateIP: addr("10.10.0.11"), MetaData: "instance-id: i-1\n"}
	before := fmt.Sprint(l.left())
	for _, test := range []struct {
		what, path   string
		create, undo func(context.Context, *vm.Host) error
	}{
		{"a network", "/networks/create",
			func(ctx context.Context, h *vm.Host) error { return h.CreateNetwork(ctx, translated) },
			func(ctx context.Context, h *vm.Host) error { return h.DeleteNetwork(ctx, translated.ID) }},
		{"a network's router", "/containers/create",
			func(ctx context.Context, h *vm.Host) error { return h.CreateNetwork(ctx, translated) },
			func(ctx context.Context, h *vm.Host) error { return h.DeleteNetwork(ctx, translated.ID) }},
		{"a machine", "/containers/create",
			func(ctx context.Context, h *vm.Host) error { return h.CreateMachine(ctx, machine) },
			func(ctx context.Context, h *vm.Host) error { return h.DeleteMachine(ctx, machine.ID) }},
	} {
		t.Run(test.what, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			undone, made := make(chan struct{}), make(chan struct{})
			host := l.slow(t, test.path, cancel, undone, made)
			if err := test.create(ctx, host); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
			err := test.undo(t.Context(), host)
			close(undone) // in any case, or the server waits for it forever
			l.must(err)
			select {
			case <-made:
			case <-time.After(vm.CreateTimeout):
				t.Fatalf("Docker was not asked for %s", test.path)
			}
			if after := fmt.Sprint(l.left()); after != before {
				t.Errorf("left are %s, want %s", after, before)
			}
		})
	}
}

// slow returns a host whose Docker, asked for a path, first calls cancel. If its
// caller hangs up thereupon, it goes on when everything has been undone.
func (l *Lab) slow(t *testing.T, path string, cancel func(), undone, made chan struct{}) *vm.Host {
	t.Helper()
	forward := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker" },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Docker.Dialer()(ctx) }},
		// A client that has hung up gets no answer.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, path) {
			defer close(made)
			body, err := io.ReadAll(r.Body) // or the server doesn't notice who hangs up
			if err != nil {
				t.Error(err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			cancel()
			select {
			case <-r.Context().Done():
				<-undone
			case <-time.After(noticed):
			}
			r = r.WithContext(context.WithoutCancel(r.Context()))
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	t.Setenv(client.EnvOverrideHost, "tcp://"+server.Listener.Addr().String())
	host, err := vm.Open(t.Context())
	l.must(err)
	t.Cleanup(func() { host.Close() })
	return host
}

// TestRemains makes what killed processes leave: things of a network that is gone,
// and machines that were never started.
func TestRemains(t *testing.T) {
	l := Open(t)
	ctx := t.Context()
	l.must(l.CreateNetwork(ctx, translated))
	l.must(l.CreateNetwork(ctx, direct))
	l.half("router", "gone", "none")
	if got, err := l.Networks(ctx); err != nil || fmt.Sprint(got) != "[gone subnet-a subnet-d]" {
		t.Errorf("networks: got %v, %v, want also the one of which only the router is left", got, err)
	}
	l.must(l.DeleteNetwork(ctx, "gone"))
	if got, err := l.Networks(ctx); err != nil || fmt.Sprint(got) != "[subnet-a subnet-d]" {
		t.Errorf("networks: got %v, %v", got, err)
	}
	l.half("machine", "unstarted", "hybrid-lab-"+translated.ID)
	l.must(l.DeleteNetwork(ctx, translated.ID))
	l.half("router", "gone", "none")
	l.must(l.DeleteNetwork(ctx, direct.ID))
	l.wantNothingLeft("the last network")
}

// half makes what a killed process leaves: a container that was never started. It
// returns its name.
func (l *Lab) half(kind, id, network string) string {
	l.Helper()
	name := "hybrid-lab-" + kind + "-" + id
	_, err := l.Docker.ContainerCreate(l.Context(), &container.Config{Image: "hybrid-lab-vm:current", Labels: map[string]string{
		docker.Label: docker.LabelValue, docker.Label + ".kind": kind, docker.Label + ".id": id, docker.Label + ".spec": fmt.Sprintf(`{"Name": %q}`, id),
	}}, &container.HostConfig{NetworkMode: container.NetworkMode(network)}, nil, nil, name)
	l.must(err)
	return name
}
