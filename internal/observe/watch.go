package observe

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// How often sources are asked that tell nothing by themselves. Each is asked again
// only when it has answered.
const (
	alivePause      = 2 * time.Second
	meshPause       = 4 * time.Second
	serversPause    = 2 * time.Second
	patroniPause    = 5 * time.Second
	federationPause = 3 * time.Second
	zonePause       = 30 * time.Second
	eventsPause     = 10 * time.Second
	servicesPause   = 5 * time.Second
	snapshotsPause  = 30 * time.Second
	// showPause is the least time between two pictures.
	showPause = 300 * time.Millisecond
)

// meshPausePerNode keeps a large mesh from being asked all the time. Of 300 nodes a
// change is seen within 15 seconds.
const meshPausePerNode = 30 * time.Millisecond

// Watch looks all the time, and calls show with a new picture when something may
// have changed, until ctx ends.
func (o *Observer) Watch(ctx context.Context, show func(*Snapshot)) {
	show(o.Look(ctx))
	var all sync.WaitGroup
	defer all.Wait()
	for name := range o.clusters {
		all.Go(func() { o.follow(ctx, name) })
		every(ctx, &all, func() time.Duration { o.readMesh(ctx, name); return o.meshPause() })
		every(ctx, &all, func() time.Duration { o.readServers(ctx, name); return serversPause })
		every(ctx, &all, func() time.Duration { o.readPatroni(ctx, name); return patroniPause })
		every(ctx, &all, func() time.Duration { o.readSnapshots(ctx, name); return snapshotsPause })
		every(ctx, &all, func() time.Duration { o.readEvents(ctx, name); return eventsPause })
		every(ctx, &all, func() time.Duration { o.readServices(ctx, name); return servicesPause })
	}
	every(ctx, &all, func() time.Duration { o.readFederation(ctx); return federationPause })
	every(ctx, &all, func() time.Duration { o.readZone(ctx); return zonePause })
	for wait(ctx, showPause) {
		select {
		case <-o.changed:
			show(o.Snapshot())
		case <-ctx.Done():
		}
	}
}

// every calls do again and again, with the pauses that it returns.
func every(ctx context.Context, all *sync.WaitGroup, do func() time.Duration) {
	all.Go(func() {
		for wait(ctx, do()) {
		}
	})
}

// wait says whether there was time to.
func wait(ctx context.Context, pause time.Duration) bool {
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}

// meshPause grows with the mesh.
func (o *Observer) meshPause() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	nodes := 0
	for _, c := range o.facts.clusters {
		nodes += len(c.nodes)
	}
	return max(meshPause, time.Duration(nodes)*meshPausePerNode)
}

// follow watches a cluster's nodes and pods, as long as its API answers. A watch
// alone wouldn't tell: one that hears nothing looks like one with no news.
func (o *Observer) follow(ctx context.Context, name string) {
	var stop context.CancelFunc
	var watching sync.WaitGroup
	halt := func() {
		if stop != nil {
			stop()
			watching.Wait()
			stop = nil
		}
	}
	defer halt()
	for first := true; first || wait(ctx, alivePause); first = false {
		if stop != nil {
			asking, cancel := context.WithTimeout(ctx, o.Timeout)
			_, err := o.clusters[name].version(asking)
			cancel()
			if err == nil || ctx.Err() != nil {
				continue
			}
			halt()
			o.update(name, func(c *clusterFacts) { c.err, c.reports, c.servers, c.patroni = err, nil, nil, nil })
			continue
		}
		o.readCluster(ctx, name)
		if o.of(name).err != nil {
			continue
		}
		informing, cancel := context.WithCancel(ctx)
		stop = cancel
		watching.Go(func() { o.inform(informing, name) })
	}
}

// inform keeps the facts up to date with a cluster's nodes and pods.
func (o *Observer) inform(ctx context.Context, name string) {
	client := o.clusters[name].client.CoreV1().RESTClient()
	dirty := make(chan struct{}, 1)
	nodes := informer(client, "nodes", &corev1.Node{}, dirty)
	pods := informer(client, "pods", &corev1.Pod{}, dirty)
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { nodes.RunWithContext(ctx) })
	running.Go(func() { pods.RunWithContext(ctx) })
	if !cache.WaitForCacheSync(ctx.Done(), nodes.HasSynced, pods.HasSynced) {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-dirty:
		}
		var newNodes []Node
		for _, x := range nodes.GetStore().List() {
			newNodes = append(newNodes, node(x.(*corev1.Node)))
		}
		var newPods []Pod
		for _, x := range pods.GetStore().List() {
			newPods = append(newPods, pod(name, x.(*corev1.Pod)))
		}
		o.update(name, func(c *clusterFacts) { c.nodes, c.pods = newNodes, newPods })
		if !wait(ctx, showPause) {
			return
		}
	}
}

// informer watches one kind of object, and puts a word into dirty at each change.
func informer(client rest.Interface, resource string, kind runtime.Object, dirty chan struct{}) cache.SharedInformer {
	informer := cache.NewSharedInformer(cache.NewListWatchFromClient(client, resource, "", fields.Everything()), kind, 0)
	mark := func() {
		select {
		case dirty <- struct{}{}:
		default:
		}
	}
	// The errors are: too late, for it has been started. It hasn't.
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { mark() },
		UpdateFunc: func(any, any) { mark() },
		DeleteFunc: func(any) { mark() },
	})
	// Half of an object is who has written what.
	_ = informer.SetTransform(func(x any) (any, error) {
		if object, err := meta.Accessor(x); err == nil {
			object.SetManagedFields(nil)
		}
		return x, nil
	})
	// It tries again by itself, and whether the API answers is found out elsewhere.
	_ = informer.SetWatchErrorHandlerWithContext(func(context.Context, *cache.Reflector, error) {})
	return informer
}
