package observe

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Service is a name that pods serve, in one cluster or in several: those of the same
// namespace and name are one, as a MultiClusterService makes them.
type Service struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Clusters are those where the name is known.
	Clusters []string `json:"clusters"`
	// Endpoints are the pods that it leads to, from any of them.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
}

// Endpoint is a pod that serves.
type Endpoint struct {
	Cluster string `json:"cluster"`
	Pod     string `json:"pod"`
	Node    string `json:"node,omitempty"` // empty if its pod isn't seen
	Ready   bool   `json:"ready"`
	// From are the clusters whose Service leads there.
	From []string `json:"from"`
}

// providerOf is the annotation by which Karmada tells where an EndpointSlice comes from
// that it has copied from another cluster; see its package pkg/util, constants.go.
const providerOf = "endpointslice.karmada.io/provision-cluster"

// serviceFacts are what a cluster says of its Services.
type serviceFacts struct {
	services []string // namespace/name
	slices   []sliceFacts
}

// sliceFacts are an EndpointSlice's: which pods of which cluster serve a Service.
type sliceFacts struct {
	service, cluster string
	pods             map[string]bool // namespace/name, whether ready
}

// readServices asks a cluster for its Services and who serves them. Who may not know, or
// gets no answer, sees none: that is no problem.
func (o *Observer) readServices(ctx context.Context, cluster string) {
	a := o.clusters[cluster]
	if a.broken != nil || o.of(cluster).err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	var services *corev1.ServiceList
	var endpoints *discoveryv1.EndpointSliceList
	var errs [2]error
	var all sync.WaitGroup
	all.Go(func() { services, errs[0] = a.client.CoreV1().Services("").List(ctx, metav1.ListOptions{}) })
	all.Go(func() { endpoints, errs[1] = a.client.DiscoveryV1().EndpointSlices("").List(ctx, metav1.ListOptions{}) })
	all.Wait()
	if firstOf(errs[:]...) != nil {
		return
	}
	found := &serviceFacts{}
	for _, s := range services.Items {
		found.services = append(found.services, s.Namespace+"/"+s.Name)
	}
	for _, s := range endpoints.Items {
		f := sliceFacts{
			service: s.Namespace + "/" + s.Labels[discoveryv1.LabelServiceName],
			cluster: cmp.Or(s.Annotations[providerOf], cluster), pods: map[string]bool{},
		}
		for _, e := range s.Endpoints {
			if e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
				f.pods[cmp.Or(e.TargetRef.Namespace, s.Namespace)+"/"+e.TargetRef.Name] = e.Conditions.Ready == nil || *e.Conditions.Ready
			}
		}
		found.slices = append(found.slices, f)
	}
	o.update(cluster, func(c *clusterFacts) { c.services = found })
}

// services joins what the clusters say of theirs.
func (p *diagnosis) services() {
	all := map[string]*Service{}
	endpoints := map[string]map[[2]string]*Endpoint{} // of a service, by cluster and pod
	nodes := map[[2]string]string{}
	for _, c := range p.stack.Clusters {
		f := p.facts.clusters[c.Name]
		for _, pod := range f.pods {
			nodes[[2]string{c.Name, pod.Namespace + "/" + pod.Name}] = pod.node
		}
	}
	for _, c := range p.stack.Clusters {
		f := p.facts.clusters[c.Name].services
		if f == nil {
			continue
		}
		for _, name := range f.services {
			if all[name] == nil {
				all[name], endpoints[name] = &Service{}, map[[2]string]*Endpoint{}
				all[name].Namespace, all[name].Name, _ = strings.Cut(name, "/")
			}
			all[name].Clusters = append(all[name].Clusters, c.Name)
		}
		for _, s := range f.slices {
			for pod, ready := range s.pods {
				if all[s.service] == nil {
					continue // there is no such Service any more
				}
				key := [2]string{s.cluster, pod}
				e := endpoints[s.service][key]
				if e == nil {
					e = &Endpoint{Cluster: s.cluster, Node: nodes[key]}
					_, e.Pod, _ = strings.Cut(pod, "/")
					endpoints[s.service][key] = e
				}
				e.Ready = e.Ready || ready
				if !slices.Contains(e.From, c.Name) {
					e.From = append(e.From, c.Name)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name]
		for _, e := range endpoints[name] {
			s.Endpoints = append(s.Endpoints, *e)
		}
		slices.SortFunc(s.Endpoints, func(a, b Endpoint) int { return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Pod, b.Pod)) })
		p.to.Services = append(p.to.Services, *s)
	}
}
