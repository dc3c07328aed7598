package observe

import (
	"context"
	"sync"

	"hybrid/internal/weave"
)

// meshContainer is that of Weave Net's pods that is the peer, see the program's
// package mesh.
const meshContainer = "weave"

// atOnce bounds the programs that run in one cluster's pods at the same time.
const atOnce = 8

// readMesh asks the Weave Net of all nodes of a cluster. It answers on its own
// machine only, so the question is put from within.
func (o *Observer) readMesh(ctx context.Context, cluster string) {
	facts := o.of(cluster)
	if facts.err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	reports := map[string]peerReport{}
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, p := range facts.pods {
		if !p.weave || p.node == "" {
			continue
		}
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			text, err := o.clusters[cluster].exec(ctx, p, meshContainer, "curl", "-s", "-m", "5", "-H", "Accept: application/json", weave.URL)
			r := peerReport{err: err}
			if err == nil {
				r.peer, r.err = weave.Parse(text)
			}
			if r.err != nil {
				r.err = plain(r.err)
			}
			mu.Lock()
			defer mu.Unlock()
			reports[p.node] = r
		})
	}
	all.Wait()
	o.update(cluster, func(c *clusterFacts) {
		if c.err == nil {
			c.reports = reports
		}
	})
}
