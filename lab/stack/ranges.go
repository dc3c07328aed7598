package stack

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"hybrid/lab/system/paths"
	"hybrid/lab/vm"

	"sigs.k8s.io/yaml"
)

// NetworkRanges are the addresses that the stack's networks have on this machine, by
// what they are for. What isn't a range is left to the program, which says more.
func (s *Stack) NetworkRanges() (map[string]netip.Prefix, error) {
	// Each has the settings at another place.
	var project struct {
		Config struct {
			Clusters struct{ Default any }
		}
	}
	var stack struct{ Config map[string]any }
	for file, into := range map[string]any{"Pulumi.yaml": &project, "Pulumi." + paths.Stack + ".yaml": &stack} {
		path := filepath.Join(s.Project, file)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if err := yaml.Unmarshal(text, into); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	found := stack.Config["hybrid:clusters"]
	if found == nil {
		found = project.Config.Clusters.Default
	}
	text, ok := found.(string) // as `pulumi config set` without --path writes it
	if !ok {
		marshaled, err := yaml.Marshal(found)
		if err != nil {
			return nil, err
		}
		text = string(marshaled)
	}
	ranges := map[string]netip.Prefix{"the lab's internet": vm.Internet}
	var clusters []struct{ Name, NetworkCIDR string }
	if yaml.Unmarshal([]byte(text), &clusters) != nil {
		return ranges, nil
	}
	for _, c := range clusters {
		if p, err := netip.ParsePrefix(c.NetworkCIDR); err == nil {
			ranges[fmt.Sprintf("cluster %q, networkCidr", c.Name)] = p
		}
	}
	return ranges, nil
}
