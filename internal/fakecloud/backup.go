package fakecloud

import (
	"encoding/json"
	"maps"
	"net/http"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// script does what a member's script is told, and says what it is told to say: the time
// of a restore, or how backups are.
func (c *Cloud) script(p *corev1.Pod, argv []string) []byte {
	ran := path.Base(argv[0]) + " " + strings.Join(argv[1:], " ")
	c.Ran = append(c.Ran, p.Name+": "+ran)
	switch {
	case ran == "backup.py list":
		return []byte(c.Backups)
	case strings.HasPrefix(ran, "restore.py mark "):
		return []byte("2026-11-26T14:05:00+00:00\n")
	case ran == "restore.py take", ran == "restore.py undo":
		c.Leader = p.Name
		maps.Copy(c.Behind, c.Lacking)
	}
	return []byte{}
}

// snapshots tells of those of a cluster's etcd, and makes one when it is asked for.
func (c *Cloud) snapshots(w http.ResponseWriter, r *http.Request, x *Cluster) {
	c.Lock()
	defer c.Unlock()
	if c.Snapshots == nil {
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	if r.Method == http.MethodPatch {
		var patch metav1.PartialObjectMetadata
		if err := json.NewDecoder(r.Body).Decode(&patch); err != nil {
			fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest)
			return
		}
		x.answers = patch.Annotations["hybrid/asked"]
	}
	data := maps.Clone(c.Snapshots)
	data["answers"] = x.answers
	reply(w, corev1.ConfigMap{TypeMeta: metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"}, Data: data})
}
