package languagehost

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
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
		t.Error("an unchanged program was linked again")
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

// What a user has exported for programs of their own changes nothing here: neither
// whether it compiles nor for which machine. Nor does a workspace above the program.
func TestBuildsWhateverIsExported(t *testing.T) {
	for name, value := range map[string]string{
		"GOARCH": "arm64", "GOOS": "windows", "GOFLAGS": "-toolexec=false", "GOEXPERIMENT": "nosuch", "GOWORK": "",
		"XDG_CACHE_HOME": "relative",
	} {
		t.Run(name, func(t *testing.T) {
			info := program(t, "func main() {}")
			dir := info.GetRootDirectory()
			if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "go.work"), []byte("go 1.26\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if name == "XDG_CACHE_HOME" { // which GOCACHE would make void
				shareGoCache(t)
			}
			t.Setenv(name, value)
			r, err := testHost(t).Run(t.Context(), &rpc.RunRequest{Info: info, Pwd: dir})
			if err != nil || r.GetError() != "" {
				t.Errorf("%v %s", err, r.GetError())
			}
			if _, err := goList(t.Context(), dir, "-deps", "."); err != nil {
				t.Error(err)
			}
		})
	}
}

// shareGoCache makes a home whose default for Go's cache is what is there already.
func shareGoCache(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".cache"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(strings.TrimSpace(string(out)), filepath.Join(home, ".cache", "go-build")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("GOCACHE", "")
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
