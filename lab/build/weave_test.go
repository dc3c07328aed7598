package build

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hybrid/lab/progress"
)

// The edits are to the sources as the module proxy has them: this finds out
// whether they still apply, and whether cgo is gone.
func TestEditedWeaveNeedsNoLibpcap(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	b := &Builder{Project: root, Cache: t.TempDir(), Log: progress.New(os.Stderr)}
	programs, err := b.programs()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(programs, func(p program) bool { return p.name == "weaver" })
	p := programs[i]
	dir, err := p.prepare(t.Context(), b, filepath.Join(root, p.dir))
	if err != nil {
		t.Fatal(err)
	}
	out, err := output(t.Context(), dir, "go", "list", "-deps", p.pkg) // fails if go.mod or go.sum lack anything
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]bool{}
	for line := range strings.Lines(out) {
		packages[strings.TrimSpace(line)] = true
	}
	if packages["github.com/google/gopacket/pcap"] || !packages["hybrid/lab/weave/pcap"] {
		t.Errorf("want hybrid/lab/weave/pcap instead of gopacket's; the program is made of %q", slices.Sorted(maps.Keys(packages)))
	}
}

func TestAnEditAppliesOnceOrNotAtAll(t *testing.T) {
	for text, want := range map[string]string{"a b c": "a x c", "a c": "", "b b": ""} {
		dir := t.TempDir()
		if err := writeFile(filepath.Join(dir, "f"), text); err != nil {
			t.Fatal(err)
		}
		err := edit{"f", "b", "x"}.apply(dir)
		got, _ := os.ReadFile(filepath.Join(dir, "f"))
		if want == "" && (err == nil || string(got) != text) || want != "" && (err != nil || string(got) != want) {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestEditsArePartOfTheKey(t *testing.T) {
	b, p := project(t)
	one, err := p.sum(t.Context(), b.Project)
	if err != nil {
		t.Fatal(err)
	}
	p.edits = []edit{{"a", "b", "c"}}
	if two, err := p.sum(t.Context(), b.Project); err != nil || two == one {
		t.Errorf("with an edit: got %s, %v; want another key than %s", two, err, one)
	}
}
