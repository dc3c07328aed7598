package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
)

// edit replaces a text that a file of a module must have exactly once. Text that is
// no longer there fails the build. An empty old text takes away the whole file.
type edit struct{ module, file, old, new string }

// embed is a file of a module that a program embeds. go:embed takes nothing from
// outside its own module, so the go command is told that the file is in the program's
// folder.
type embed struct{ module, file string }

// flags makes what the edits and embedded files need, in the cache, and returns the
// go command's flags to build with it. The checkout and the module cache stay as
// they are.
func (p program) flags(ctx context.Context, b *Builder) ([]string, error) {
	var flags []string
	if p.pins != "" {
		flags = append(flags, "-modfile="+p.pins)
	}
	dir, made := filepath.Join(b.Project, p.dir), filepath.Join(b.Cache, "src", p.name)
	if len(p.edits) > 0 {
		file, err := p.editModules(ctx, b, dir, made)
		if err != nil {
			return nil, err
		}
		flags = append(flags, "-modfile="+file)
	}
	if len(p.embeds) > 0 {
		replace := map[string]string{}
		for _, e := range p.embeds {
			from, err := moduleDir(ctx, dir, e.module)
			if err != nil {
				return nil, err
			}
			replace[filepath.Join(dir, filepath.Base(e.file))] = filepath.Join(from, e.file)
		}
		text, err := json.Marshal(map[string]any{"Replace": replace})
		if err != nil {
			return nil, err
		}
		if err := writeFile(made+".overlay.json", string(text)); err != nil {
			return nil, err
		}
		flags = append(flags, "-overlay="+made+".overlay.json")
	}
	return flags, nil
}

// editModules writes go.mod and go.sum of a program with its edited modules instead
// of upstream's, and returns the path of the former.
func (p program) editModules(ctx context.Context, b *Builder, dir, made string) (string, error) {
	path := filepath.Join(dir, "go.mod")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	mod, err := modfile.Parse(path, text, nil)
	if err != nil {
		return "", err
	}
	edits := map[string][]edit{}
	for _, e := range p.edits {
		edits[e.module] = append(edits[e.module], e)
	}
	for module, es := range edits {
		to, err := editModule(ctx, b, dir, module, es)
		if err != nil {
			return "", err
		}
		if err := mod.AddReplace(module, "", to, ""); err != nil {
			return "", err
		}
	}
	if text, err = mod.Format(); err != nil {
		return "", err
	}
	if err := writeFile(made+".mod", string(text)); err != nil {
		return "", err
	}
	return made + ".mod", copyFile(filepath.Join(dir, "go.sum"), made+".sum")
}

// editModule copies a module to a folder of the cache and edits it there. The folder's
// name says what is in it: programs with the same edits share it, and so what is
// compiled from it.
func editModule(ctx context.Context, b *Builder, dir, module string, edits []edit) (string, error) {
	from, err := moduleDir(ctx, dir, module)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", edits))
	to := filepath.Join(b.Cache, "src", filepath.Base(from)+"-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		return to, err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", err
	}
	part, err := os.MkdirTemp(filepath.Dir(to), "part-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part)
	if err := os.CopyFS(part, os.DirFS(from)); err != nil {
		return "", err
	}
	for _, e := range edits {
		if err := e.apply(part); err != nil {
			return "", err
		}
	}
	if gomod := filepath.Join(part, "go.mod"); !isFile(gomod) { // older than modules
		if err := writeFile(gomod, "module "+module+"\n"); err != nil {
			return "", err
		}
	}
	if err := os.Rename(part, to); err != nil && !errors.Is(err, fs.ErrExist) { // ErrExist: made beside this
		return "", err
	}
	return to, nil
}

func (e edit) apply(dir string) error {
	path := filepath.Join(dir, e.file)
	if e.old == "" {
		return os.Remove(path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), e.old); n != 1 {
		return fmt.Errorf("%s of %s: want %q once, found it %d times: adapt the edits in lab/build to this version", e.file, e.module, e.old, n)
	}
	return os.WriteFile(path, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o644)
}

// moduleDir downloads a module, if need be, and returns its folder in the module cache.
func moduleDir(ctx context.Context, dir, module string) (string, error) {
	text, err := output(ctx, dir, "go", "mod", "download", "-json", module)
	if err != nil {
		return "", err
	}
	var m struct{ Dir, Error string }
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return "", err
	}
	if m.Error != "" {
		return "", errors.New(m.Error)
	}
	return m.Dir, nil
}
