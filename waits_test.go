package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"
)

// Pulumi runs so many steps at a time and no more (--parallel, which may be one). What
// waits for another must depend on it, or it keeps it from starting. So every command
// and all that is awaited has a row here, with what it waits for.
func TestWhatWaitsDependsOnWhatItWaitsFor(t *testing.T) {
	config := stackConfig(t, "Pulumi.dev.yaml")
	config["hybrid:monitoring"] = `{"enabled": true, "image": "example.org/hybrid:1"}`
	made, err := run(false, config, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &mockcloud.Record{Made: made}
	const host = "america"
	clusters := []string{"london", "frankfurt", "america"}
	var daemonSets, joined []string
	for _, c := range clusters {
		daemonSets = append(daemonSets, c+"-weave-net")
		joined = append(joined, c+"-1-init", c+"-2-join")
	}
	seeded := []string{host + "-weave-net", host + "-1-init", host + "-2-join"} // by a majority of the host's nodes
	programs := []string{
		"federation-karmada-aggregated-apiserver", "federation-kube-controller-manager", "federation-karmada-controller-manager",
		"federation-karmada-scheduler", "federation-karmada-webhook",
	}
	waits := map[string][]string{
		"federation-etcd":              {host + "-1-peer", host + "-2-peer"},
		"federation-karmada-apiserver": {"federation-etcd"},
		"federation-reachable":         {"federation-karmada-apiserver"},
		"federation-ready":             programs,
		"monitoring-exporter":          {host + "-mesh", "federation-ready"},
	}
	for _, p := range programs {
		waits[p] = []string{"federation-reachable"}
	}
	// The API fills it in, if its controllers run.
	waits["federation-cluster-monitoring-token"] = []string{"federation-cluster-monitoring-account", "federation-kube-controller-manager"}
	for _, c := range clusters {
		waits[c+"-monitoring-token"] = []string{c + "-monitoring-account"}
		waits[c+"-1-admin-conf"] = []string{c + "-1-init"}
		waits[c+"-2-token"] = []string{c + "-1-init"}
		waits[c+"-2-join"] = []string{c + "-2-token"}
		waits[c+"-1-member"] = []string{c + "-1-init"}
		waits[c+"-2-member"] = []string{c + "-2-join"}
		waits[c+"-1-peer"] = []string{c + "-weave-net"}
		waits[c+"-2-peer"] = []string{c + "-weave-net", c + "-2-join"}
		waits[c+"-mesh"] = slices.Concat(daemonSets, joined)
		waits[c+"-weave-net"] = nil
		if c != host {
			waits[c+"-weave-net"], waits[c+"-mesh-admission"] = seeded, seeded
			waits[c+"-mesh-peers"] = append([]string{c + "-1-admin-conf"}, seeded...)
		}
		waits[c+"-federation-credentials"] = []string{c + "-federation-karmada-" + c + "-token"}
		waits[c+"-federation-membership"] = []string{"federation-ready", c + "-federation-credentials"}
		for _, node := range []string{c + "-1", c + "-2"} {
			waits[node+"-first-contact"] = []string{node}
			waits[node+"-prepare"] = nil
		}
		waits[c+"-1-init"] = nil
	}
	waits["london-1-addresses"], waits["london-2-addresses"] = nil, nil // which droplets tell themselves
	for name, others := range waits {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(r.Made)), func(k string) bool { return strings.HasPrefix(k, name+" ") }) {
			t.Errorf("there is no %s", name)
		}
		for _, other := range others {
			if !r.Needs(name, other) {
				t.Errorf("%s waits for %s, which may have its turn later", name, other)
			}
		}
	}
	awaited := []string{"command:remote:Command", "kubernetes:apps/v1:DaemonSet", "kubernetes:apps/v1:Deployment", "kubernetes:apps/v1:StatefulSet"}
	for _, a := range r.Made {
		if _, ok := waits[a.Name]; !ok && slices.Contains(awaited, a.TypeToken) && !strings.HasPrefix(a.Name, "psql-") {
			t.Errorf("%s: does it wait for something? Add a row", a.Name)
		}
	}
}
