package page

import "hybrid/internal/observe"

// service is a name that is served, for the page.
type service struct {
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	Clusters  []string `json:"clusters"`
	// Endpoints are the pods that serve it.
	Endpoints []endpoint `json:"endpoints"`
}

// endpoint is a pod that serves a name.
type endpoint struct {
	// Pod is its ID in the picture, and Node that of its node, which stands for it where
	// it isn't drawn.
	Pod   string `json:"pod"`
	Node  string `json:"node"`
	Text  string `json:"text"`
	Ready bool   `json:"ready"`
}

func services(s *observe.Snapshot) []service {
	all := []service{}
	for _, x := range s.Services {
		to := service{Namespace: x.Namespace, Name: x.Name, Clusters: x.Clusters, Endpoints: []endpoint{}}
		for _, e := range x.Endpoints {
			to.Endpoints = append(to.Endpoints, endpoint{
				Pod:  podID(e.Cluster, observe.Pod{Namespace: x.Namespace, Name: e.Pod}),
				Node: "n:" + e.Cluster + "/" + e.Node, Text: e.Pod + " of " + e.Cluster, Ready: e.Ready,
			})
		}
		all = append(all, to)
	}
	return all
}
