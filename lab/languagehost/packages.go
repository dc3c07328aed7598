package languagehost

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	compile "hybrid/lab/build"

	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// GetRequiredPackages lists the provider plugins of the SDKs that the program
// imports.
func (h *host) GetRequiredPackages(ctx context.Context, r *rpc.GetRequiredPackagesRequest) (*rpc.GetRequiredPackagesResponse, error) {
	if option(r.GetInfo(), "binary") != "" {
		return &rpc.GetRequiredPackagesResponse{}, nil // its source may not be here
	}
	// The packages' modules, rather than all that go.mod knows: only they need
	// to be downloaded.
	lines, err := goList(ctx, programDir(r.GetInfo()), "-deps", "-f", "{{with .Module}}{{if .Dir}}{{.Version}} {{.Dir}}{{end}}{{end}}", ".")
	if err != nil {
		return nil, err
	}
	slices.Sort(lines)
	resp := &rpc.GetRequiredPackagesResponse{}
	for _, line := range slices.Compact(lines) {
		version, dir, ok := strings.Cut(line, " ")
		if !ok || version == "" { // the program's own module
			continue
		}
		found, err := pluginsOf(dir, version)
		if err != nil {
			return nil, err
		}
		resp.Packages = append(resp.Packages, found...)
	}
	return resp, nil
}

// pluginsOf reads which plugin an SDK asks for: its module has a file that says
// so, in one of a few places.
func pluginsOf(dir, version string) ([]*rpc.PackageDependency, error) {
	var out []*rpc.PackageDependency
	for _, pattern := range []string{"pulumi-plugin.json", "go/pulumi-plugin.json", "go/*/pulumi-plugin.json"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			var p struct {
				Resource              bool
				Name, Version, Server string
			}
			if err := json.Unmarshal(text, &p); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			if p.Resource {
				out = append(out, &rpc.PackageDependency{
					Name: p.Name, Kind: "resource", Server: p.Server,
					Version: "v" + strings.TrimPrefix(cmp.Or(p.Version, version), "v"),
				})
			}
		}
	}
	return out, nil
}

// InstallDependencies downloads the program's modules.
func (h *host) InstallDependencies(r *rpc.InstallDependenciesRequest, s grpc.ServerStreamingServer[rpc.InstallDependenciesResponse]) error {
	cmd := exec.CommandContext(s.Context(), "go", "mod", "download")
	cmd.Dir, cmd.Env = programDir(r.GetInfo()), compile.Env()
	out, err := cmd.CombinedOutput()
	if len(out) > 0 {
		if err := s.Send(&rpc.InstallDependenciesResponse{Stdout: out}); err != nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("go mod download in %s: %w", cmd.Dir, err)
	}
	return nil
}

// About tells `pulumi about` which Go there is.
func (h *host) About(ctx context.Context, _ *rpc.AboutRequest) (*rpc.AboutResponse, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, path, "env", "GOVERSION").Output()
	return &rpc.AboutResponse{Executable: path, Version: strings.TrimSpace(string(out))}, err
}

// GetProgramDependencies tells `pulumi about` which modules the program has.
func (h *host) GetProgramDependencies(ctx context.Context, r *rpc.GetProgramDependenciesRequest) (*rpc.GetProgramDependenciesResponse, error) {
	direct := strconv.FormatBool(!r.GetTransitiveDependencies())
	lines, err := goList(ctx, programDir(r.GetInfo()), "-m", "-f", "{{if not (or .Main (and .Indirect "+direct+"))}}{{.Path}} {{.Version}}{{end}}", "all")
	if err != nil {
		return nil, err
	}
	resp := &rpc.GetProgramDependenciesResponse{}
	for _, line := range lines {
		if name, version, ok := strings.Cut(line, " "); ok {
			resp.Dependencies = append(resp.Dependencies, &rpc.DependencyInfo{Name: name, Version: version})
		}
	}
	return resp, nil
}

// goList returns the lines that `go list` prints.
func goList(ctx context.Context, dir string, args ...string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list"}, args...)...)
	cmd.Dir, cmd.Env = dir, compile.Env()
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list in %s: %w\n%s", dir, err, complaints.String())
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' }), nil
}
