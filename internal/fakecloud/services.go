package fakecloud

import (
	"net/http"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// services lists Services or who serves them: in each cluster its own kube-dns, and the
// database's replicas of all clusters, as the federation's MultiClusterService has it.
func (c *Cloud) services(w http.ResponseWriter, x *Cluster, kind string) {
	c.Lock()
	defer c.Unlock()
	if kind == "services" {
		list := corev1.ServiceList{TypeMeta: metav1.TypeMeta{Kind: "ServiceList", APIVersion: "v1"}}
		for _, name := range [][2]string{{"kube-system", "kube-dns"}, {"default", "psql-replica"}} {
			list.Items = append(list.Items, corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: name[0], Name: name[1]}})
		}
		reply(w, list)
		return
	}
	list := discoveryv1.EndpointSliceList{TypeMeta: metav1.TypeMeta{Kind: "EndpointSliceList", APIVersion: "discovery.k8s.io/v1"}}
	add := func(namespace, service, from string, pods []*corev1.Pod) {
		if len(pods) == 0 {
			return
		}
		s := discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: from + "-" + service, Labels: map[string]string{discoveryv1.LabelServiceName: service},
		}}
		if from != x.Name {
			s.Annotations = map[string]string{"endpointslice.karmada.io/provision-cluster": from}
		}
		for _, p := range pods {
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
				Addresses: []string{p.Status.PodIP}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: p.Namespace, Name: p.Name},
			})
		}
		list.Items = append(list.Items, s)
	}
	with := func(x *Cluster, is func(*corev1.Pod) bool) (all []*corev1.Pod) {
		for _, p := range x.Pods {
			if is(p) {
				all = append(all, p)
			}
		}
		return all
	}
	add("kube-system", "kube-dns", x.Name, with(x, func(p *corev1.Pod) bool { return len(p.Name) > 7 && p.Name[:7] == "coredns" }))
	for _, from := range c.Clusters {
		add("default", "psql-replica", from.Name, with(from, func(p *corev1.Pod) bool { return p.Labels["app"] == "psql-replica" }))
	}
	reply(w, list)
}
