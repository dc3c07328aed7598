package mesh

import (
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// daemonSet is the pod's part of a cluster's DaemonSet.
func daemonSet(t *testing.T, r *mockcloud.Record, cluster string) resource.PropertyMap {
	t.Helper()
	a, ok := r.Made[cluster+"-weave-net kubernetes:apps/v1:DaemonSet"]
	if !ok {
		t.Fatalf("%s has no DaemonSet", cluster)
	}
	return object(a.Inputs["spec"], "template", "spec")
}

// object goes down into a value.
func object(v resource.PropertyValue, path ...resource.PropertyKey) resource.PropertyMap {
	m := open(v).ObjectValue()
	for _, k := range path {
		m = open(m[k]).ObjectValue()
	}
	return m
}

// named finds the item of that name in a list of objects.
func named(v resource.PropertyValue, name string) resource.PropertyMap {
	if open(v).IsArray() {
		for _, e := range open(v).ArrayValue() {
			if m := object(e); text(m["name"]) == name {
				return m
			}
		}
	}
	return nil
}

// Each of these settings decides between a mesh that lasts and one that breaks.
func TestPeerSettings(t *testing.T) {
	r := world{workers: three}.make(t)
	for _, cluster := range []string{"america", "london"} {
		peer := named(daemonSet(t, r, cluster)["containers"], Container)
		for _, c := range []struct{ name, value, why string }{
			{"IPALLOC_RANGE", "10.32.0.0/12", "all clusters allocate from one range"},
			{"WEAVE_MTU", "1374", "larger packets don't fit into Google's networks"},
			{"WEAVE_NO_FASTDP", "1", "without the kernel's openvswitch a restarted peer dies, and encrypted it needs IP protocol 50"},
			{"EXPECT_NPC", "0", "the policy controller would cut off the pods of other clusters"},
			{"NO_MASQ_LOCAL", "1", "a database must see which pod its client is"},
			{"CHECKPOINT_DISABLE", "1", "it mustn't tell its makers that it runs here"},
			{"IPTABLES_BACKEND", "nft", "rules of the other backend are not seen by kube-proxy's"},
			{"INIT_CONTAINER", "true", "launch.sh must not install a second time"},
		} {
			if got := text(named(peer["env"], c.name)["value"]); got != c.value {
				t.Errorf("%s: %s is %q, want %q: %s", cluster, c.name, got, c.value, c.why)
			}
		}
		for name, path := range map[string][]resource.PropertyKey{
			"WEAVE_PASSWORD": {"valueFrom", "secretKeyRef"}, "IPALLOC_INIT": {"valueFrom", "configMapKeyRef"}, "HOSTNAME": {"valueFrom", "fieldRef"},
		} {
			env := named(peer["env"], name)
			if env == nil || env.HasValue("value") || object(resource.NewProperty(env), path...) == nil {
				t.Errorf("%s: %s is %v, want it from %v", cluster, name, env, path)
			}
		}
		if got := text(object(resource.NewProperty(named(peer["env"], "HOSTNAME")), "valueFrom", "fieldRef")["fieldPath"]); got != "spec.nodeName" {
			t.Errorf("%s: the peer's nickname is %s, and scripts look for the node's name", cluster, got)
		}
	}
}

// Who may seed the ring, and whom the others meet.
func TestRingSettings(t *testing.T) {
	r := world{workers: map[string]int{"london": 1, "america": 2}}.make(t)
	for cluster, want := range map[string]map[resource.PropertyKey]string{
		// A lone peer must not seed: a majority of all three must be there.
		// It meets the others when it is created again: then it must not seed again.
		"america": {"ipalloc-init": "consensus=3", "meeting-points": "192.0.108.1 london-1\n192.0.108.2 london-2\n"},
		// Never seeds; and all of the host's nodes, by public address.
		"london": {"ipalloc-init": "observer", "meeting-points": "192.0.97.1 america-1\n192.0.97.2 america-2\n192.0.97.3 america-3\n"},
	} {
		data := object(r.Find(t, cluster+"-weave-mesh").Inputs["data"])
		for key, value := range want {
			if got := text(data[key]); got != value {
				t.Errorf("%s: %s is %q, want %q", cluster, key, got, value)
			}
		}
	}
}

func TestPods(t *testing.T) {
	r := world{workers: three}.make(t)
	for cluster, containers := range map[string][]string{"america": {"weave"}, "london": {"weave", "reconnect"}} {
		spec := daemonSet(t, r, cluster)
		var names []string
		for _, c := range open(spec["containers"]).ArrayValue() {
			names = append(names, text(object(c)["name"]))
			if got := text(object(c)["image"]); got != "example.org/weave-kube:1" {
				t.Errorf("%s: image %s", cluster, got)
			}
		}
		if !slices.Equal(names, containers) {
			t.Errorf("%s: containers %v, want %v", cluster, names, containers)
		}
		if !open(spec["hostNetwork"]).BoolValue() || text(spec["priorityClassName"]) != "system-node-critical" {
			t.Errorf("%s: want the node's network, and to be the last to be evicted", cluster)
		}
		tolerated := plain(resource.PropertyMap{"tolerations": spec["tolerations"]})
		if !strings.Contains(tolerated, "NoSchedule") || !strings.Contains(tolerated, "NoExecute") {
			t.Errorf("%s: tolerates %s: the control plane and fresh nodes are tainted", cluster, tolerated)
		}
		peer := named(spec["containers"], Container)
		for volume, path := range map[string]string{
			"weavedb":      "/weavedb",          // or a restarted peer comes back with other addresses
			"cni-bin":      "/host/opt",         // the CNI plugin
			"cni-conf":     "/host/etc",         // its configuration, and the machine-id that the peer's name is made of
			"settings":     "/mesh",             // meeting points
			"xtables-lock": "/run/xtables.lock", // shared with kube-proxy
		} {
			if got := text(named(peer["volumeMounts"], volume)["mountPath"]); got != path {
				t.Errorf("%s: %s is at %q, want %s", cluster, volume, got, path)
			}
		}
		if got := text(object(named(spec["volumes"], "weavedb")["hostPath"])["path"]); got != "/var/lib/weave" {
			t.Errorf("%s: the peer's database is in %s", cluster, got)
		}
		if !open(object(peer["securityContext"])["privileged"]).BoolValue() {
			t.Errorf("%s: the peer can't make its bridge", cluster)
		}
		if alive := plain(object(resource.NewProperty(peer), "livenessProbe", "exec")); !strings.Contains(alive, "ip -4 addr show dev weave") {
			t.Errorf("%s: liveness %s: want a peer that has no address restarted", cluster, alive)
		}
		installer := named(spec["initContainers"], "weave-init")
		if got := plain(resource.PropertyMap{"c": installer["command"]}); !strings.Contains(got, "/home/weave/init.sh") ||
			text(named(installer["env"], "EXPECT_NPC")["value"]) != "0" || !open(object(installer["securityContext"])["privileged"]).BoolValue() {
			t.Errorf("%s: the CNI plugin is installed by %v", cluster, installer)
		}
		probe := object(resource.NewProperty(peer), "readinessProbe", "httpGet")
		if text(probe["host"]) != "127.0.0.1" || text(probe["path"]) != "/status" {
			t.Errorf("%s: readiness %v", cluster, probe)
		}
	}
	for name, a := range r.OfType("kubernetes:apps/v1:DaemonSet") {
		meta := object(a.Inputs["metadata"])
		if text(meta["name"]) != "weave-net" || text(meta["namespace"]) != "kube-system" || text(object(meta["labels"])["name"]) != "weave-net" {
			t.Errorf("%s: %v: want the names of Weave Net's own manifest", name, meta)
		}
	}
	for _, kind := range []string{"apps/v1:DaemonSet", "core/v1:ConfigMap", "core/v1:Secret", "core/v1:ServiceAccount"} {
		for name, a := range r.OfType("kubernetes:" + kind) {
			if text(object(a.Inputs["metadata"], "annotations")["pulumi.com/patchForce"]) != "true" {
				t.Errorf("%s %s can't be taken over after a refresh that didn't reach its cluster", kind, name)
			}
		}
	}
}

func TestOptions(t *testing.T) {
	r := world{workers: three, change: func(a *Args) {
		a.FastDatapath, a.InitContainer, a.MTU = true, false, 8916
	}}.make(t)
	spec := daemonSet(t, r, "london")
	peer := named(spec["containers"], Container)
	if named(peer["env"], "WEAVE_NO_FASTDP") != nil || text(named(peer["env"], "WEAVE_MTU")["value"]) != "8916" {
		t.Errorf("environment %v", peer["env"])
	}
	if spec.HasValue("initContainers") && len(open(spec["initContainers"]).ArrayValue()) > 0 || text(named(peer["env"], "INIT_CONTAINER")["value"]) != "false" {
		t.Error("want no init container")
	}
	if named(daemonSet(t, world{workers: three}.make(t), "london")["initContainers"], "weave-init") == nil {
		t.Error("want an init container")
	}
}

// Rights that Weave Net doesn't need without its policy controller.
func TestAccess(t *testing.T) {
	r := world{workers: three}.make(t)
	var got []string
	for _, kind := range []string{"ClusterRole", "Role"} {
		a := r.Made["london-weave-net kubernetes:rbac.authorization.k8s.io/v1:"+kind]
		for _, v := range open(a.Inputs["rules"]).ArrayValue() {
			m := object(v)
			got = append(got, kind+" "+strings.Join(strings.Fields(plain(resource.PropertyMap{"r": m["resources"]})+plain(resource.PropertyMap{"n": m["resourceNames"]})+plain(resource.PropertyMap{"v": m["verbs"]})), " "))
		}
	}
	want := []string{
		"ClusterRole nodes get list watch", "ClusterRole nodes/status patch update",
		"Role configmaps weave-net get update", "Role configmaps create",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
