package build

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"

	"hybrid/lab/progress"
)

// The edits are to the sources as the module proxy has them: this finds out
// whether they still apply, and whether what they are to leave out is gone.
func TestEditsLeaveOutWhatTheyAreMadeFor(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	b := &Builder{Project: root, Cache: filepath.Join(t.TempDir(), "a cache"), Log: progress.New(os.Stderr)}
	programs, err := b.programs()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{ // program → parts of paths of packages
		"weaver":                     {"github.com/google/gopacket/pcap"},
		"pulumi-resource-kubernetes": {KubernetesSDK},
		"promtool":                   {"github.com/docker/", "github.com/linode/", "github.com/gophercloud/"},
		"pulumi":                     {"github.com/aws/", "github.com/Azure/", "cloud.google.com/", "google.golang.org/api/option", "github.com/hashicorp/vault/"},
	}
	for _, p := range append(programs, promtool) {
		if len(p.edits) == 0 {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			packages := packages(t, b, p, "{{.ImportPath}}")
			for _, pkg := range packages {
				for _, o := range out[p.name] {
					if strings.HasPrefix(pkg, o) {
						t.Errorf("the program is made of %s, want it left out", pkg)
					}
				}
			}
			if len(packages) < 50 {
				t.Errorf("the program is made of %q, want all of its packages", packages)
			}
		})
	}
}

// packages says of each package that a program is compiled from what the template asks.
func packages(t *testing.T, b *Builder, p program, template string) []string {
	t.Helper()
	flags, err := p.flags(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	argv := slices.Concat([]string{"go", "list", "-deps", "-f", template}, flags, []string{p.pkg})
	out, err := output(t.Context(), filepath.Join(b.Project, p.dir), argv...) // fails if go.mod or go.sum lack anything
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(out, "\n")
}

// Two programs with the same edits are compiled from one folder, and one that is there
// is not made again.
func TestSameEditsShareAFolder(t *testing.T) {
	b, p := project(t)
	dir := filepath.Join(b.Project, p.dir)
	edits := []edit{{"golang.org/x/mod", "modfile/rule.go", "package modfile", "package modfile // edited"}}
	if err := copyFile("../go.sum", filepath.Join(dir, "go.sum")); err != nil {
		t.Fatal(err)
	}
	version, err := Version("..", edits[0].module)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(dir, "go.mod"), "module example\n\ngo 1.26\n\nrequire golang.org/x/mod "+version+"\n"); err != nil {
		t.Fatal(err)
	}
	one, err := editModule(t.Context(), b, dir, edits[0].module, edits)
	if err != nil {
		t.Fatal(err)
	}
	first := modified(t, one)
	two, err := editModule(t.Context(), b, dir, edits[0].module, edits)
	if err != nil || two != one || modified(t, two).After(first) {
		t.Errorf("the second program's folder is %s, %v; want %s, untouched", two, err, one)
	}
	edits[0].new = "package modfile // otherwise"
	if other, err := editModule(t.Context(), b, dir, edits[0].module, edits); err != nil || other == one {
		t.Errorf("with other edits the folder is %s, %v; want another than %s", other, err, one)
	}
}

func TestAnEditAppliesOnceOrNotAtAll(t *testing.T) {
	for text, want := range map[string]string{"a b c": "a x c", "a c": "", "b b": ""} {
		dir := t.TempDir()
		if err := writeFile(filepath.Join(dir, "f"), text); err != nil {
			t.Fatal(err)
		}
		err := edit{"m", "f", "b", "x"}.apply(dir)
		got, _ := os.ReadFile(filepath.Join(dir, "f"))
		if want == "" && (err == nil || string(got) != text) || want != "" && (err != nil || string(got) != want) {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestAnEditWithoutATextTakesTheFileAway(t *testing.T) {
	dir := t.TempDir()
	e := edit{"m", "f", "", ""}
	if err := e.apply(dir); err == nil {
		t.Error("no error for a file that isn't there")
	}
	if err := writeFile(filepath.Join(dir, "f"), "a"); err != nil {
		t.Fatal(err)
	}
	if err := e.apply(dir); err != nil || isFile(filepath.Join(dir, "f")) {
		t.Errorf("got %v; want the file gone", err)
	}
}

func TestEditsArePartOfTheKey(t *testing.T) {
	b, p := project(t)
	one, err := p.sum(t.Context(), b.Project)
	if err != nil {
		t.Fatal(err)
	}
	p.edits = []edit{{"m", "a", "b", "c"}}
	if two, err := p.sum(t.Context(), b.Project); err != nil || two == one {
		t.Errorf("with an edit: got %s, %v; want another key than %s", two, err, one)
	}
}

// A reader finds what a module uses by itself in one place.
func TestDirectRequirementsAreInOneBlock(t *testing.T) {
	var files []string
	for _, pattern := range []string{"../../go.mod", "../go.mod", "../upstream/*/go.mod"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		mod, err := modfile.Parse(path, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		blocks := 0
		for _, statement := range mod.Syntax.Stmt {
			direct := false
			for _, r := range mod.Require {
				start, end := statement.Span()
				direct = direct || !r.Indirect && start.Line <= r.Syntax.Start.Line && r.Syntax.Start.Line <= end.Line
			}
			if direct {
				blocks++
			}
		}
		if blocks != 1 {
			t.Errorf("%s has %d blocks with direct requirements, want one", path, blocks)
		}
	}
	if len(files) < 7 {
		t.Errorf("found %q, want the go.mod of every module", files)
	}
}
