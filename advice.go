package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"hybrid/clouds"
	"hybrid/federation"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// problem says that an API can't be used, why, and what to do.
func (s *Settings) problem(ctx *pulumi.Context, a clouds.API, why error) error {
	return fmt.Errorf("%s: %s can't be used from here: %w\n%s", a.Context, a.Server, why, s.advice(ctx.Stack(), a))
}

// advice is what to do about an API that can't be used from here.
func (s *Settings) advice(stack string, a clouds.API) string {
	if a.Context == federation.Context {
		return fmt.Sprintf(`Nothing in it has been touched. It is the federation's API, in %s; see to it there, and try again:
    kubectl --context %[1]s --namespace %s get pods`, s.host(), federation.Namespace)
	}
	ways, back := "two", ""
	if c := s.cluster(a.Context); s.Backup.Enabled && c.Name != "" {
		ways = "three"
		back = fmt.Sprintf(`
3. Its control plane's machine or disk is gone. Another machine goes on from the last snapshot:
    %s
    pulumi up`, s.set(stack, a.Context, "restore", fmt.Sprint(c.Restore+1)))
	}
	return fmt.Sprintf(`Not reachable is not gone: nothing in %s has been touched. There are %s ways on.
1. It is there, and you are cut off from it. See to your network, to a proxy (HTTPS_PROXY), to your address, which must be in hybrid:adminCidrs (pulumi up changes that), and to your certificate (docs/security.md). When this gets an answer, try again:
    curl --insecure %s/version
2. It is lost for good. Say so; what was in it is forgotten then:
    %s
    %s%s`, a.Context, ways, a.Server, s.set(stack, a.Context, "lost", "true"), s.afterwards(a.Context), back)
}

// cluster are the settings of one, or none.
func (s *Settings) cluster(name string) clouds.Settings {
	for _, c := range s.Clusters {
		if c.Name == name {
			return c
		}
	}
	return clouds.Settings{}
}

// set is how to set something of a cluster: a command where there can be one.
func (s *Settings) set(stack, cluster, key, value string) string {
	file := "Pulumi." + stack + ".yaml"
	// Pulumi changes the items of a list that the stack's file has, and not of a default.
	if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), "\n  "+clustersKey+":") && slices.Contains(s.listed, cluster) {
		return fmt.Sprintf("pulumi config set --path '%s[%d].%s' %s", clustersKey, slices.Index(s.listed, cluster), key, value)
	}
	return fmt.Sprintf("%s: %s     # in the item of %s in %s, which must be in %s with all its items", key, value, cluster, clustersKey, file)
}

// afterwards is what to do with a cluster that has been declared lost.
func (s *Settings) afterwards(cluster string) string {
	if cluster != s.host() {
		return `pulumi up          # it leaves, and its machines are deleted; the others go on
    pulumi destroy     # if all shall go`
	}
	return `pulumi up          # it hosts the federation, and so stays
    pulumi refresh && pulumi up     # creates it again, if its machines are gone; then take lost: true away
    pulumi destroy     # if all shall go`
}
