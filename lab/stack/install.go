package stack

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"hybrid/lab/build"
)

// Install puts the built programs where pulumi and a shell look for them.
func (s *Stack) Install(ctx context.Context) error {
	bin := filepath.Join(s.Cache, "bin")
	self, err := os.Executable()
	if err != nil {
		return err
	}
	links := map[string]string{
		filepath.Join(s.Bin(), "pulumi"):  filepath.Join(bin, "pulumi"),
		filepath.Join(s.Bin(), "hybrid"):  filepath.Join(bin, "hybrid"),
		filepath.Join(s.Bin(), "lab"):     self,
		filepath.Join(s.Bin(), "kubectl"): self, // see cmd/lab/kubectl.go
	}
	plugins, err := s.plugins(ctx, bin)
	if err != nil {
		return err
	}
	root := filepath.Join(s.home(), "plugins")
	if err := os.RemoveAll(root); err != nil { // those of other versions
		return err
	}
	for name, target := range plugins {
		plugin, _, _ := strings.Cut(name, "-v")
		links[filepath.Join(root, name, "pulumi-"+plugin)] = target
	}
	for link, target := range links {
		if err := symlink(target, link); err != nil {
			return err
		}
	}
	return nil
}

// plugins maps folders such as resource-aws-v6.83.0 to the programs behind
// them. Each has the version of the SDK that asks for it.
func (s *Stack) plugins(ctx context.Context, bin string) (map[string]string, error) {
	simulated := filepath.Join(bin, "pulumi-resource-lab")
	out, err := exec.CommandContext(ctx, simulated, "-versions").Output()
	if err != nil {
		return nil, fmt.Errorf("%s -versions: %w", simulated, err)
	}
	plugins := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
		name, version, ok := strings.Cut(lines.Text(), " ")
		if !ok {
			return nil, fmt.Errorf("%s -versions: want lines of a name and a version, found %q", simulated, lines.Text())
		}
		plugins["resource-"+name+"-v"+strings.TrimPrefix(version, "v")] = simulated
	}
	version, err := build.Version(s.Project, build.KubernetesSDK)
	if err != nil {
		return nil, err
	}
	plugins["resource-kubernetes-"+version] = filepath.Join(bin, "pulumi-resource-kubernetes")
	return plugins, nil
}

func symlink(target, link string) error {
	if now, err := os.Readlink(link); err == nil && now == target {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(link); err != nil {
		return err
	}
	return os.Symlink(target, link)
}
