package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sum is the key of all that a program is made of: its sources and pins, the
// edits and flags, and the compiler. Modules are pinned by go.sum, so their content
// needs no look.
func (p program) sum(ctx context.Context, project string) (string, error) {
	goversion, err := output(ctx, project, "go", "env", "GOVERSION", "GOOS", "GOARCH")
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintln(h, goversion, p.pkg, p.ldflags, p.output, p.edits, p.embeds)
	if err := hashModule(h, filepath.Join(project, p.dir), p.modfile()); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hashModule hashes every file of a module that can be part of a program. It
// leaves out modules below it, tests, folders that the go command ignores, and pins
// other than those of modfile.
func hashModule(h io.Writer, dir, modfile string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path == dir {
				return nil
			}
			if isFile(filepath.Join(path, "go.mod")) || ignored(name) {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, ".") || !d.Type().IsRegular() || !compiled(path) {
			return nil
		}
		if pins := filepath.Ext(name); (pins == ".mod" || pins == ".sum") && strings.TrimSuffix(name, pins)+".mod" != modfile {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		fmt.Fprintln(h, rel)
		_, err = io.Copy(h, f)
		return err
	})
}

func ignored(dir string) bool {
	return strings.HasPrefix(dir, ".") || slices.Contains([]string{"testdata", "bin", "docs", "e2e"}, dir)
}

// compiled says whether a file can end up in a program: Go sources, module
// pins, and what go:embed takes, which is anything below a folder with Go files.
func compiled(path string) bool {
	switch filepath.Ext(path) {
	case ".go", ".mod", ".sum":
		return true
	case ".md":
		return false
	}
	siblings, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.go"))
	parents, err2 := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(path)), "*.go"))
	return err == nil && err2 == nil && len(siblings)+len(parents) > 0
}
