package fakecloud

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func (c *Cloud) serve(w http.ResponseWriter, r *http.Request) {
	name, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	c.Lock()
	c.Requests = append(c.Requests, Request{name, r.Method, "/" + path, r.URL.RawQuery})
	x := c.Cluster(name)
	silent := x != nil && x.Silent
	var refuse, hang []string
	if x != nil {
		refuse, hang = x.Refuse, x.Hang
	}
	c.Unlock()
	part := path[strings.LastIndex(path, "/")+1:]
	switch {
	case silent || slices.Contains(hang, part):
		<-r.Context().Done()
	case slices.Contains(refuse, part):
		fail(w, http.StatusForbidden, metav1.StatusReasonForbidden)
	case name == "federation-cluster":
		c.federation(w, part)
	case x == nil:
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	case path == "version":
		reply(w, map[string]string{"major": "1", "minor": "35", "gitVersion": "v1.35.4"})
	case path == "api/v1/nodes" || path == "api/v1/pods":
		c.objects(w, r, x, part)
	case path == "api/v1/services" || path == "apis/discovery.k8s.io/v1/endpointslices":
		c.services(w, x, part)
	case path == "api/v1/namespaces/kube-system/configmaps/hybrid-snapshots":
		c.snapshots(w, r, x)
	case path == "api/v1/events":
		c.Lock()
		defer c.Unlock()
		reply(w, corev1.EventList{TypeMeta: metav1.TypeMeta{Kind: "EventList", APIVersion: "v1"}, Items: x.Events})
	case part == "log":
		c.log(w, r)
	case part == "exec" && r.URL.Query().Get("tty") == "true":
		c.terminal(w, r, x)
	case part == "exec":
		c.exec(w, r, x, strings.Split(path, "/"))
	default:
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	}
}

func reply(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what) // who has asked has gone
}

func fail(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Reason: reason, Message: "refused by the test", Code: int32(code),
	})
}

// objects lists or watches nodes or pods.
func (c *Cloud) objects(w http.ResponseWriter, r *http.Request, x *Cluster, kind string) {
	query := r.URL.Query()
	switch {
	case query.Get("sendInitialEvents") != "":
		fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest) // as servers without it do
	case query.Get("watch") != "":
		c.watch(w, r, x, kind)
	default:
		c.Lock()
		defer c.Unlock()
		meta := metav1.ListMeta{ResourceVersion: "1"}
		if kind == "nodes" {
			list := corev1.NodeList{TypeMeta: metav1.TypeMeta{Kind: "NodeList", APIVersion: "v1"}, ListMeta: meta}
			for _, n := range x.Nodes {
				list.Items = append(list.Items, *n)
			}
			reply(w, list)
			return
		}
		list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, ListMeta: meta}
		for _, p := range x.Pods {
			list.Items = append(list.Items, *p)
		}
		reply(w, list)
	}
}

// all are the objects of a kind, by name, as they are now.
func (x *Cluster) all(kind string) map[string]runtime.Object {
	all := map[string]runtime.Object{}
	if kind == "nodes" {
		for _, n := range x.Nodes {
			copied := n.DeepCopy()
			copied.TypeMeta = metav1.TypeMeta{Kind: "Node", APIVersion: "v1"}
			all[n.Name] = copied
		}
		return all
	}
	for _, p := range x.Pods {
		copied := p.DeepCopy()
		copied.TypeMeta = metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}
		all[p.Namespace+"/"+p.Name] = copied
	}
	return all
}

// watch tells what changes from now on, and once more what there is.
func (c *Cloud) watch(w http.ResponseWriter, r *http.Request, x *Cluster, kind string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	encode := json.NewEncoder(w)
	tell := func(event string, object runtime.Object) {
		_ = encode.Encode(map[string]any{"type": event, "object": object})
	}
	told := map[string]runtime.Object{}
	for {
		c.Lock()
		changed, silent, now := c.changed, x.Silent, x.all(kind)
		c.Unlock()
		if !silent {
			for name, object := range now {
				was, ok := told[name]
				switch {
				case !ok:
					tell("ADDED", object)
				case version(was) != version(object):
					tell("MODIFIED", object)
				}
			}
			for name, object := range told {
				if _, ok := now[name]; !ok {
					tell("DELETED", object)
				}
			}
			told = now
			_ = out.Flush()
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func version(object runtime.Object) string {
	return object.(metav1.Object).GetResourceVersion()
}

// exec runs one of the programs that there are, over a WebSocket: one byte for
// the stream, 1 for the output and 3 for how it ended, and then the text.
func (c *Cloud) exec(w http.ResponseWriter, r *http.Request, x *Cluster, path []string) {
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	c.Lock()
	var text []byte
	pod := path[len(path)-2]
	for _, p := range x.Pods {
		if p.Name == pod {
			text = c.run(x, p, r.URL.Query().Get("container"), r.URL.Query()["command"])
		}
	}
	c.Unlock()
	end := `{"metadata":{},"status":"Success"}`
	if text == nil {
		end = `{"metadata":{},"status":"Failure","message":"there is no such container"}`
	}
	for _, frame := range [][]byte{append([]byte{1}, text...), append([]byte{3}, end...)} {
		if conn.WriteMessage(websocket.BinaryMessage, frame) != nil {
			return
		}
	}
	_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
}
