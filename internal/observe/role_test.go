package observe

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"hybrid/internal/fakecloud"
)

// roleFile has the least role, as docs/view.md tells.
const roleFile = "../../monitoring/view-role.yaml"

// rules reads the roles of one kind of API, cluster or federation, with the
// namespace that each is for; empty is all.
func rules(t *testing.T, federation bool) map[string][]rbacv1.PolicyRule {
	t.Helper()
	text, err := os.ReadFile(roleFile)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]rbacv1.PolicyRule{}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var role rbacv1.ClusterRole // a Role has the same rules
		if err := yaml.Unmarshal([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(role.Kind, "Role") && (role.Name == "hybrid-view-federation") == federation {
			all[role.Namespace] = append(all[role.Namespace], role.Rules...)
		}
	}
	return all
}

// asks tells what a request needs: group, resource, namespace, name and verb. It is
// false for what everyone may.
func asks(r fakecloud.Request) (group, resource, namespace, name, verb string, ok bool) {
	path := strings.Split(strings.Trim(r.Path, "/"), "/")
	switch {
	case path[0] == "api":
		path = path[2:]
	case path[0] == "apis":
		group, path = path[1], path[3:]
	default:
		return
	}
	if path[0] == "namespaces" && len(path) > 2 {
		namespace, path = path[1], path[2:]
	}
	resource, verb = path[0], map[string]string{"GET": "list", "POST": "create"}[r.Method]
	if len(path) > 1 {
		name, verb = path[1], map[string]string{"GET": "get", "POST": "create"}[r.Method]
	}
	if len(path) > 2 {
		resource += "/" + path[2]
	}
	if strings.Contains(r.Query, "watch=true") {
		verb = "watch"
	}
	return group, resource, namespace, name, verb, true
}

func allowed(all []rbacv1.PolicyRule, group, resource, name, verb string) bool {
	return slices.ContainsFunc(all, func(r rbacv1.PolicyRule) bool {
		return slices.Contains(r.APIGroups, group) && slices.Contains(r.Resources, resource) && slices.Contains(r.Verbs, verb) &&
			(len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, name))
	})
}

// All that the code asks for is in the least role, and nothing else is.
func TestLeastRole(t *testing.T) {
	c := fakecloud.New(t, 3, 1)
	o := observer(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); o.Watch(ctx, func(*Snapshot) {}) }()
	watched := func() bool {
		c.Lock()
		defer c.Unlock()
		return slices.ContainsFunc(c.Requests, func(r fakecloud.Request) bool {
			return strings.Contains(r.Query, "watch=true") && strings.HasSuffix(r.Path, "/pods")
		}) &&
			slices.ContainsFunc(c.Requests, func(r fakecloud.Request) bool {
				return strings.Contains(r.Query, "watch=true") && strings.HasSuffix(r.Path, "/nodes")
			})
	}
	for start := time.Now(); !watched(); time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("nothing watches")
		}
	}
	cancel()
	<-done
	used := map[string]bool{}
	c.Lock()
	defer c.Unlock()
	for _, r := range c.Requests {
		group, resource, namespace, name, verb, ok := asks(r)
		if !ok {
			continue
		}
		roles := rules(t, r.Cluster == FederationContext)
		everywhere, here := roles[""], roles[namespace]
		if !allowed(everywhere, group, resource, name, verb) && !allowed(here, group, resource, name, verb) {
			t.Errorf("%s of %q %s %s/%s is not in %s", verb, group, resource, namespace, name, roleFile)
		}
		used[fmt.Sprint(group, " ", resource, " ", verb)] = true
	}
	for _, federation := range []bool{false, true} {
		for _, all := range rules(t, federation) {
			for _, r := range all {
				for _, resource := range r.Resources {
					for _, verb := range r.Verbs {
						// A WebSocket begins with GET and is checked as create, too; SPDY is create.
						if resource == "pods/exec" && verb == "create" {
							continue
						}
						if !used[fmt.Sprint(r.APIGroups[0], " ", resource, " ", verb)] {
							t.Errorf("nothing needs %s of %s", verb, resource)
						}
					}
				}
			}
		}
	}
}
