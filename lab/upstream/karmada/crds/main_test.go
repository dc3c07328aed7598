package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The definitions that the program embeds must be those of the version of
// Karmada that this module pins.
func TestDefinitionsAreCurrent(t *testing.T) {
	fresh := t.TempDir()
	if err := generate(fresh); err != nil {
		t.Fatal(err)
	}
	const checkedIn = "../../../../federation/crds"
	want, have := read(t, fresh), read(t, checkedIn)
	for name := range have {
		if _, ok := want[name]; !ok {
			t.Errorf("%s/%s: no Go type makes it: run `go generate ./federation/crds`", checkedIn, name)
		}
	}
	for name, text := range want {
		if have[name] != text {
			t.Errorf("%s/%s is missing or stale: run `go generate ./federation/crds`", checkedIn, name)
		}
	}
}

// read returns the texts of the definitions in a folder by their files' names.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(file)] = string(text)
	}
	return texts
}
