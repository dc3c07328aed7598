package build

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hybrid/lab/progress"
)

// project writes a checkout of one module, "tool", with one program.
func project(t *testing.T) (*Builder, program) {
	t.Helper()
	dir := t.TempDir()
	for path, text := range map[string]string{
		"tool/go.mod":             "module example\n\ngo 1.26\n",
		"tool/main.go":            "package main\n\nimport (\n\t_ \"embed\"\n\t\"os\"\n)\n\n//go:embed text/said\nvar said []byte\n\nfunc main() { os.Stdout.Write(said) }\n",
		"tool/text/said":          "one",
		"tool/main_test.go":       "package main\n",
		"tool/other/go.mod":       "module other\n",
		"tool/other/main.go":      "package main\n",
		"tool/testdata/golden.go": "package golden\n",
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b := &Builder{Project: dir, Cache: filepath.Join(dir, "cache"), Log: progress.New(os.Stderr)}
	return b, program{name: "tool", dir: "tool", pkg: "."}
}

func modified(t *testing.T, path string) time.Time {
	t.Helper()
	i, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return i.ModTime()
}

func TestBuildsOnlyWhatHasChanged(t *testing.T) {
	b, p := project(t)
	if b.built([]program{p}) {
		t.Error("it is built before it is")
	}
	if err := b.one(t.Context(), p, func() {}); err != nil {
		t.Fatal(err)
	}
	if !b.built([]program{p}) {
		t.Error("it isn't built after it is")
	}
	first := modified(t, b.Path("tool"))
	for _, c := range []struct {
		file, text string
		rebuilt    bool
	}{
		{"tool/main_test.go", "package main // changed\n", false},
		{"tool/other/main.go", "package main // changed\n", false},
		{"tool/testdata/golden.go", "package golden // changed\n", false},
		{"tool/text/said", "two", true},
	} {
		if err := os.WriteFile(filepath.Join(b.Project, c.file), []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := b.one(t.Context(), p, func() {}); err != nil {
			t.Fatal(err)
		}
		if now := modified(t, b.Path("tool")); now.After(first) != c.rebuilt {
			t.Errorf("%s changed: rebuilt is %v, want %v", c.file, now.After(first), c.rebuilt)
		}
	}
	out, err := output(t.Context(), b.Project, b.Path("tool"))
	if err != nil || out != "two" {
		t.Errorf("the program says %q, %v; want two", out, err)
	}
}

func TestBuildsAgainWhatIsGone(t *testing.T) {
	b, p := project(t)
	if err := b.one(t.Context(), p, func() {}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(b.Path("tool")); err != nil {
		t.Fatal(err)
	}
	if err := b.one(t.Context(), p, func() {}); err != nil {
		t.Fatal(err)
	}
	modified(t, b.Path("tool"))
}

// The next program's compilation begins while this one is linked.
func TestLinkingIsAnnounced(t *testing.T) {
	b, p := project(t)
	var before []string
	if err := b.one(t.Context(), p, func() {
		if !isFile(b.Path("tool")) {
			before = append(before, "linked")
		}
	}); err != nil || len(before) != 1 {
		t.Errorf("got %v, announced %d times before the program was there; want once", err, len(before))
	}
}

func TestAllTellsOfEachProgramAndStopsAtAFailure(t *testing.T) {
	b, p := project(t)
	second, broken, never := p, p, p
	second.name, broken.name, broken.pkg, never.name = "second", "broken", "./nosuch", "never"
	var mu sync.Mutex // one may be linked while the next is compiled
	var told []string
	tell := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, name)
	}
	if err := b.all(t.Context(), []program{p, second}, tell); err != nil {
		t.Fatal(err)
	}
	slices.Sort(told)
	if want := []string{"second", "tool"}; !slices.Equal(told, want) || !isFile(b.Path("second")) {
		t.Errorf("told of %q, want %q", told, want)
	}
	told = nil
	err := b.all(t.Context(), []program{broken, never}, tell)
	if err == nil || !strings.Contains(err.Error(), "building broken: ") || len(told) > 0 || isFile(b.Path("never")) {
		t.Errorf("got %v, told of %q; want the broken one's error, and nothing built", err, told)
	}
}

func TestFailureShowsTheCompilersWords(t *testing.T) {
	b, p := project(t)
	if err := os.WriteFile(filepath.Join(b.Project, "tool/main.go"), []byte("package main\n\nfunc main() { nosuch() }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := b.one(t.Context(), p, func() {})
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("undefined: nosuch")) {
		t.Errorf("the error is %v, want the compiler's", err)
	}
}

// The programs share one compile cache only while they compile the modules that
// they share at the same versions: otherwise a cold build takes twice as long.
func TestModulesAreAligned(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// The Kubernetes plugin's Pulumi is older: it doesn't compile with the CLI's.
	exempt := []string{
		"github.com/pulumi/pulumi/pkg/v3", "github.com/pulumi/pulumi/sdk/v3", "github.com/pulumi/esc",
		"github.com/hashicorp/hcl/v2", "github.com/zclconf/go-cty",
		"github.com/charmbracelet/colorprofile", "github.com/charmbracelet/x/ansi",
		"github.com/clipperhouse/displaywidth", "github.com/clipperhouse/uax29/v2",
		"github.com/jonboulle/clockwork", "github.com/moby/term",
		// Little is compiled on top of these.
		"github.com/coredns/caddy", "github.com/spf13/cast", "sigs.k8s.io/controller-runtime", "sigs.k8s.io/mcs-api",
		// containerd wants newer ones, and shares nothing that is on top of them.
		"dario.cat/mergo", "github.com/containerd/containerd/api", "github.com/containerd/platforms", "github.com/coreos/go-systemd/v22",
		"github.com/emicklei/go-restful/v3", "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus",
		"github.com/klauspost/compress", "github.com/opencontainers/runtime-spec", "github.com/opencontainers/selinux",
	}
	first := map[string][2]string{} // module → version, program
	b := &Builder{Project: root, Cache: t.TempDir()}
	programs, err := b.programs()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		if p.alone {
			continue
		}
		for module, version := range modules(t, b, p) {
			was, ok := first[module]
			if !ok {
				first[module] = [2]string{version, p.name}
			} else if was[0] != version && !slices.Contains(exempt, module) {
				t.Errorf("%s is %s in %s and %s in %s: make them the same, or nothing above it is shared",
					module, was[0], was[1], version, p.name)
			}
		}
	}
}

// modules maps the modules that a program is compiled from to their versions.
func modules(t *testing.T, b *Builder, p program) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for _, line := range packages(t, b, p, "{{with .Module}}{{.Path}} {{with .Replace}}{{.Version}}{{else}}{{.Version}}{{end}}{{end}}") {
		if f := strings.Fields(line); len(f) == 2 {
			versions[f[0]] = f[1]
		}
	}
	return versions
}
