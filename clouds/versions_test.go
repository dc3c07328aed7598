package clouds

import (
	"strings"
	"testing"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"v1.35.0": true, "v1.35.8": true, "v1.36.5": true,
		"v1.34.9": false, "v1.37.0": false, "v1.36": false, "1.36.5": false, "v1.36.05": false, "v1.36.5-rc.1": false, "": false, "v2.36.5": false,
	} {
		s := DefaultShared()
		s.KubernetesVersion = text
		if problems := s.Problems()["kubernetesVersion"]; (problems == nil) != want {
			t.Errorf("%q: found %v, want accepted: %v", text, problems, want)
		}
		if text == "" { // a cluster's own may be left out
			continue
		}
		own := args(AWS).Settings
		own.Name, own.KubernetesVersion = "london", text
		if problems := own.Problems(); (problems == nil) != want {
			t.Errorf("a cluster's own %q: found %v, want accepted: %v", text, problems, want)
		}
	}
	a := args(AWS)
	a.Shared.KubernetesVersion = "v1.35.4"
	if got := a.version(); got != "v1.35.4" {
		t.Errorf("found %s, want that of all clusters", got)
	}
	a.Settings.KubernetesVersion = "v1.36.5"
	if got := a.version(); got != "v1.36.5" {
		t.Errorf("found %s, want the cluster's own", got)
	}
}

// nodesOf is a stack whose nodes have been prepared for versions.
func nodesOf(versions map[string]string) *Former {
	f := &Former{resources: map[string]map[string]any{}, ends: map[string]bool{}}
	for node, version := range versions {
		f.resources[node+"-prepare"+commandType] = map[string]any{
			"stdin":      Compose("main() {\n\tVERSION='nonsense'\n}\n", map[string]string{"MIRROR": "it's", preparedVersion: version}),
			"connection": map[string]any{"host": "192.0.2.1", "user": "root", "privateKey": "key", "hostKey": "host key"},
		}
	}
	return f
}

func TestRefusedVersions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		control, worker, to string
		want                []string
	}{
		"none":                   {"v1.35.4", "v1.35.4", "v1.35.4", nil},
		"a patch":                {"v1.35.4", "v1.35.4", "v1.35.10", nil},
		"a minor version":        {"v1.35.4", "v1.35.4", "v1.36.5", nil},
		"goes on":                {"v1.36.5", "v1.35.4", "v1.36.5", nil},
		"skips":                  {"v1.35.4", "v1.35.4", "v1.37.0", []string{"london-1, london-2: runs v1.35.4 and can't skip a minor version on its way to v1.37.0: set a version of 1.36 first"}},
		"back":                   {"v1.36.5", "v1.36.5", "v1.35.4", []string{"london-1, london-2: runs v1.36.5 and can't go back to v1.35.4"}},
		"back by a patch":        {"v1.35.10", "v1.35.10", "v1.35.9", []string{"can't go back"}},
		"back half-way":          {"v1.36.5", "v1.35.4", "v1.35.4", []string{"london-1: runs v1.36.5 and can't go back"}},
		"a newer worker":         {"v1.35.4", "v1.36.5", "v1.35.4", []string{"nor may a worker be newer than its control plane"}},
		"a worker left behind":   {"v1.36.5", "v1.35.4", "v1.37.0", []string{"london-2: runs v1.35.4 and can't skip"}},
		"both":                   {"v1.38.0", "v1.35.4", "v1.37.0", []string{"london-1: runs v1.38.0 and can't go back", "london-2: runs v1.35.4 and can't skip"}},
		"a cluster that is made": {"", "", "v1.36.5", nil},
	} {
		f := nodesOf(map[string]string{"london-1": c.control, "london-2": c.worker})
		settings := Settings{Name: "london", Workers: 1, KubernetesVersion: c.to}
		got := f.refusedVersion(settings, DefaultShared())
		if len(got) != len(c.want) {
			t.Errorf("%s: found %q, want %q", name, got, c.want)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("%s: found %q, want %q", name, got[i], want)
			}
		}
		// One that ends is made with whatever version.
		f.ends["london"] = true
		if got := f.refusedVersion(settings, DefaultShared()); len(got) > 0 {
			t.Errorf("%s: a cluster that ends is refused: %v", name, got)
		}
	}
}
