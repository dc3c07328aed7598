package fakecloud

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// object is a part of a JSON document.
type object = map[string]any

// run is what a program in a pod prints; nil if there is none.
func (c *Cloud) run(x *Cluster, p *corev1.Pod, container string, argv []string) []byte {
	var what any
	if c.chosen != "" && c.chosen != p.Name {
		c.Disturbed = append(c.Disturbed, p.Name)
	}
	switch {
	case container == "weave" && p.Labels["name"] == "weave-net":
		what = c.report(p.Spec.NodeName)
	case container == "postgres" && isMember(p) && argv[0] == "psql":
		what = c.server(x, p)
	case container == "postgres" && isMember(p) && argv[0] == "sh":
		what = c.patroni(p)
	case container == "postgres" && isMember(p) && argv[0] == "patronictl":
		return c.patronictl(argv[1:])
	case container == "postgres" && isMember(p) && argv[0] == "python3":
		return c.script(p, argv[1:])
	default:
		return nil
	}
	text, err := json.Marshal(what)
	if err != nil {
		panic(err) // maps and texts
	}
	return text
}

// peerName is a node's in Weave Net.
func (c *Cloud) peerName(node string) string {
	number, _ := c.share(node)
	return fmt.Sprintf("7a:00:00:00:%02x:%02x", number/256, number%256)
}

// report is what a node's Weave Net says of itself. It takes a minute to notice that
// others are gone: until they are among the Lost.
func (c *Cloud) report(node string) object {
	var peers, connections, entries []object
	_, of := c.share(node)
	for _, x := range c.Clusters {
		lost := slices.Contains(c.Lost, x.Name)
		for _, n := range x.Nodes {
			number, _ := c.share(n.Name)
			first := firstAddress + number*perNode
			entries = append(entries, object{
				"Token": fmt.Sprintf("%d.%d.%d.%d", first>>24, first>>16&255, first>>8&255, first&255),
				"Size":  perNode, "Peer": c.peerName(n.Name), "Nickname": n.Name, "IsKnownPeer": !lost,
			})
			if lost {
				connections = append(connections, object{"Address": "203.0.113.1:6783", "State": "retrying", "Info": "no route to host"})
				continue
			}
			peers = append(peers, object{"NickName": n.Name})
			if n.Name != node {
				connections = append(connections, object{
					"Address": "203.0.113.1:6783", "State": "established",
					"Info": fmt.Sprintf("encrypted   sleeve %s(%s)", c.peerName(n.Name), n.Name),
				})
			}
		}
	}
	return object{
		"Router": object{"Name": c.peerName(node), "NickName": node, "Peers": peers, "Connections": connections},
		"IPAM":   object{"RangeNumIPs": perNode * of, "Entries": entries},
	}
}

// federation answers for Karmada.
func (c *Cloud) federation(w http.ResponseWriter, kind string) {
	c.Lock()
	defer c.Unlock()
	var items []object
	switch kind {
	case "clusters":
		for _, x := range c.Clusters {
			ready := metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Message: "cluster is healthy"}
			if slices.Contains(c.Lost, x.Name) {
				ready.Status, ready.Message = metav1.ConditionFalse, "cluster is not reachable"
			}
			items = append(items, object{"metadata": object{"name": x.Name}, "status": object{"conditions": []metav1.Condition{ready}}})
		}
	case "propagationpolicies":
		items = append(items, policy("psql-master"), policy("psql-replica"))
	case "resourcebindings":
		items = append(items, c.binding("StatefulSet", "psql-master"), c.binding("ReplicaSet", "psql-replica"))
	default:
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	reply(w, object{"kind": "List", "apiVersion": "karmada.io/v1", "metadata": object{}, "items": items})
}

func policy(name string) object {
	return object{"apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "metadata": object{"namespace": "default", "name": name}}
}

// binding is where an object is, by the pods with its name.
func (c *Cloud) binding(kind, name string) object {
	var clusters, status []object
	total := 0
	for i, x := range c.Clusters {
		wanted := 0
		switch last := len(c.Clusters) - 1; {
		case name == "psql-master" && i == last:
			wanted = 1
		case name == "psql-replica" && i == last:
			wanted = 2
		case name == "psql-replica" && i == last-1:
			wanted = 4
		}
		if wanted == 0 {
			continue
		}
		ready := 0
		for _, p := range x.Pods {
			if p.Labels["app"] == name && p.Status.Phase == corev1.PodRunning {
				ready++
			}
		}
		total += wanted
		clusters = append(clusters, object{"name": x.Name, "replicas": wanted})
		status = append(status, object{"clusterName": x.Name, "applied": true, "status": object{"replicas": wanted, "readyReplicas": ready}})
	}
	return object{
		"apiVersion": "work.karmada.io/v1alpha2", "kind": "ResourceBinding",
		"metadata": object{"namespace": "default", "name": name, "annotations": object{"propagationpolicy.karmada.io/name": name}},
		"spec":     object{"resource": object{"kind": kind, "namespace": "default", "name": name}, "replicas": total, "clusters": clusters},
		"status": object{
			"conditions":       []metav1.Condition{{Type: "Scheduled", Status: metav1.ConditionTrue}},
			"aggregatedStatus": status,
		},
	}
}
