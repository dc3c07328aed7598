package exporter

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"hybrid/internal/observe"
)

// Exporter serves the newest snapshot as metrics. Show gives it snapshots.
type Exporter struct {
	mu  sync.Mutex
	now *observe.Snapshot
}

// Show makes a snapshot the newest one.
func (e *Exporter) Show(now *observe.Snapshot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.now = now
}

func (e *Exporter) latest() *observe.Snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

// Describe says nothing: which metrics there are depends on what is installed.
func (e *Exporter) Describe(chan<- *prometheus.Desc) {}

// Collect sends the metrics of the newest snapshot.
func (e *Exporter) Collect(to chan<- prometheus.Metric) {
	now := e.latest()
	if now == nil {
		return
	}
	gather(now, func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	})
}

// Handler answers GET /metrics; and GET /healthz, which says whether there is a snapshot.
func (e *Exporter) Handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(e)
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	// Before the first look there is nothing to tell, which isn't the same as that all is
	// gone: Prometheus takes the status for that of a target that is down.
	known := func(answer http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if e.latest() == nil {
				http.Error(w, "it has not looked yet: try again in some seconds", http.StatusServiceUnavailable)
				return
			}
			answer.ServeHTTP(w, r)
		})
	}
	paths := http.NewServeMux()
	paths.Handle("GET /metrics", known(metrics))
	paths.Handle("GET /healthz", known(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n")) // who has asked has gone
	})))
	return paths
}

// Serve serves until ctx ends.
func (e *Exporter) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: e.Handler(), ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	stopped := context.AfterFunc(ctx, func() { server.Close() })
	defer stopped()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
