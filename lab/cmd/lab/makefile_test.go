package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"hybrid/lab/build"
)

// goStub stands for the go command: it notes its environment, and makes a program that
// prints what `lab env` might.
const goStub = `#!/bin/sh
case "$*" in
"env GOHOSTOS GOHOSTARCH") printf 'GOOS\nGOARCH\n'; exit ;;
esac
env > "$NOTE"
before=
for word; do
	if [ "$before" = -o ]; then
		mkdir -p "$(dirname "$word")"
		printf '#!/bin/sh\necho "export A=b"\n' > "$word"
		chmod +x "$word"
	fi
	before=$word
done
`

// makeEnv runs `make -s env` in a checkout with variables, and returns what it prints
// and the go command's environment.
func makeEnv(t *testing.T, variables ...string) (out string, env []string) {
	t.Helper()
	text, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	bin, checkout := t.TempDir(), filepath.Join(t.TempDir(), "a checkout")
	stub := strings.NewReplacer("GOOS\\n", runtime.GOOS+"\\n", "GOARCH\\n", runtime.GOARCH+"\\n").Replace(goStub)
	for path, text := range map[string]string{filepath.Join(checkout, "Makefile"): string(text), filepath.Join(checkout, "lab", "go.mod"): "", filepath.Join(bin, "go"): stub} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	note := filepath.Join(t.TempDir(), "note")
	cmd := exec.CommandContext(t.Context(), "make", "-s", "env")
	cmd.Dir = checkout
	cmd.Env = append([]string{"PATH=" + bin + ":/usr/bin:/bin", "NOTE=" + note, "HOME=" + t.TempDir()}, variables...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("make: %v: %s", err, stderr.String())
	}
	noted, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	return stdout.String(), strings.Split(string(noted), "\n")
}

// find is a variable's last value, which counts.
func find(env []string, name string) (value string, found bool) {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			value, found = v, true
		}
	}
	return value, found
}

// What the user's shell has exported neither gets into what it evaluates nor changes
// what is built.
func TestMakeWhateverIsExported(t *testing.T) {
	home := filepath.Join(t.TempDir(), "John's $(touch made) Smith")
	for name, c := range map[string]struct {
		variables []string
		cache     string // where there is a certain one
	}{
		"nothing":               {nil, ""},
		"CDPATH":                {[]string{"CDPATH=.:/tmp"}, ""},
		"MAKEFLAGS":             {[]string{"MAKEFLAGS=-j8"}, ""},
		"spaces in HOME":        {[]string{"HOME=" + home}, home + "/.cache"},
		"spaces in the cache's": {[]string{"XDG_CACHE_HOME=" + home}, home},
		"a relative cache":      {[]string{"XDG_CACHE_HOME=relative path", "HOME=" + home}, home + "/.cache"},
		"Go's": {[]string{"GOOS=windows", "GOARCH=arm64", "GOAMD64=v3", "GOFLAGS=-mod=vendor", "GOWORK=/go.work", "CGO_ENABLED=1", "GO111MODULE=off",
			"GOEXPERIMENT=nosuch", "GOFIPS140=latest"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, env := makeEnv(t, c.variables...)
			if out != "export A=b\n" {
				t.Errorf("the shell evaluates %q, want what the lab's command prints", out)
			}
			if c.cache != "" {
				if _, err := os.Stat(filepath.Join(c.cache, "hybrid-lab", "bin", "lab")); err != nil {
					t.Error(err)
				}
			}
			for _, name := range []string{"GOOS", "GOARCH", "GOAMD64", "GOFLAGS", "GOWORK", "CGO_ENABLED", "GO111MODULE", "GOEXPERIMENT", "GOFIPS140"} {
				got, found := find(env, name)
				if want, wanted := find(build.Env(), name); got != want || found != wanted {
					t.Errorf("make gives the go command %s=%q, the lab's own builds have %q", name, got, want)
				}
			}
			if value, found := find(env, "XDG_CACHE_HOME"); found && !filepath.IsAbs(value) {
				t.Errorf("the go command gets XDG_CACHE_HOME=%s, which it refuses", value)
			}
		})
	}
}
