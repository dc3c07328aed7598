package stack

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"hybrid/lab/vm"
)

func TestNetworkRanges(t *testing.T) {
	defaults := map[string]string{"london": "10.10.0.0/24", "frankfurt": "10.20.0.0/24", "america": "10.30.0.0/24"}
	for name, c := range map[string]struct {
		stack string
		want  map[string]string
	}{
		"the defaults":   {"config:\n  gcp:project: lab\n", defaults},
		"no config":      {"", defaults},
		"a list":         {"config:\n  hybrid:clusters:\n    - {name: paris, networkCidr: 10.50.0.0/24}\n    - {name: x, networkCidr: nonsense}\n    - {name: y}\n", map[string]string{"paris": "10.50.0.0/24"}},
		"JSON":           {"config:\n  hybrid:clusters: '[{\"name\": \"paris\", \"networkCidr\": \"10.50.0.0/24\"}]'\n", map[string]string{"paris": "10.50.0.0/24"}},
		"something else": {"config:\n  hybrid:clusters: {a: b}\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Stack{Project: t.TempDir()}
			project, err := os.ReadFile("../../Pulumi.yaml")
			if err != nil {
				t.Fatal(err)
			}
			for file, text := range map[string]string{"Pulumi.yaml": string(project), "Pulumi.dev.yaml": c.stack} {
				if err := os.WriteFile(filepath.Join(s.Project, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want := map[string]netip.Prefix{"the lab's internet": vm.Internet}
			for name, p := range c.want {
				want[`cluster "`+name+`", networkCidr`] = netip.MustParsePrefix(p)
			}
			if got, err := s.NetworkRanges(); err != nil || !maps.Equal(got, want) {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
		})
	}
}
