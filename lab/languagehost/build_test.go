package languagehost

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestBuildLinksOnlyWhatHasChanged(t *testing.T) {
	info := program(t, "func main() {}")
	path := filepath.Join(info.GetRootDirectory(), "bin/program")
	built := func() os.FileInfo {
		t.Helper()
		if err := build(t.Context(), info.GetRootDirectory(), path, func(string) {}); err != nil {
			t.Fatal(err)
		}
		file, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	first := built()
	// go only touches a file that is up to date; linking makes another.
	if second := built(); !os.SameFile(first, second) {
		t.Error("an unchanged program was linked anew")
	}
	if err := os.WriteFile(filepath.Join(info.GetRootDirectory(), "main.go"), []byte("package main\n\nfunc main() { println() }"), 0o600); err != nil {
		t.Fatal(err)
	}
	if third := built(); os.SameFile(first, third) {
		t.Error("a changed program wasn't linked")
	}
}

func TestProgressTellsPackagesFromErrors(t *testing.T) {
	p := newProgress()
	p.read(strings.NewReader(strings.Join([]string{
		"runtime/internal/sys", "github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/compute", "go: downloading example.com/x v1.0.0",
		"# example", "./main.go:3:15: undefined: nosuch",
	}, "\n")))
	if p.packages != 2 {
		t.Errorf("%d packages; want 2", p.packages)
	}
	if got, want := p.errors(), "# example\n./main.go:3:15: undefined: nosuch"; got != want {
		t.Errorf("errors %q; want %q", got, want)
	}
}

func TestProgressIsNeverSilentForLong(t *testing.T) {
	if firstNews > 10*time.Second || newsEvery > 10*time.Second {
		t.Fatalf("a build is silent for %v, then %v: at most 10 s", firstNews, newsEvery)
	}
	first, every := firstNews, newsEvery
	firstNews, newsEvery = time.Millisecond, time.Millisecond
	defer func() { firstNews, newsEvery = first, every }()
	p := newProgress()
	p.add("example.com/slow")
	done := make(chan struct{})
	var once sync.Once
	var said []string
	p.report(done, func(line string) {
		said = append(said, line)
		if len(said) == 3 {
			once.Do(func() { close(done) })
		}
	})
	if len(said) < 3 || !strings.Contains(said[0], "1 packages, at example.com/slow") {
		t.Errorf("said %q", said)
	}
}

func TestBuildEnv(t *testing.T) {
	if got := buildEnv([]string{"A=b"}); !slices.Contains(got, "CGO_ENABLED=0") {
		t.Errorf("cgo isn't off: %v", got)
	}
	if got := buildEnv([]string{"CGO_ENABLED=1"}); !slices.Equal(got, []string{"CGO_ENABLED=1"}) {
		t.Errorf("the user's choice is overruled: %v", got)
	}
}

func TestPluginsOf(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{
		"go/pulumi-plugin.json":         `{"resource": true, "name": "command"}`,
		"go/other/pulumi-plugin.json":   `{"resource": true, "name": "other", "version": "2.0.0"}`,
		"go/command/pulumi-plugin.json": `{"resource": false, "name": "no-plugin"}`,
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := pluginsOf(dir, "v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range found {
		got = append(got, p.GetName()+" "+p.GetVersion())
	}
	if want := []string{"command v1.2.3", "other v2.0.0"}; !slices.Equal(got, want) {
		t.Errorf("found %v; want %v", got, want)
	}
}
