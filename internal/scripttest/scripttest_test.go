package scripttest

import (
	"os"
	"path/filepath"
	"testing"
)

// A program that a test makes up takes the place of the link, not of what the link
// leads to: that is this machine's.
func TestProgramLeavesTheMachinesOwn(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own")
	if err := os.WriteFile(own, []byte("own"), 0o755); err != nil {
		t.Fatal(err)
	}
	m := New(t)
	if err := os.Symlink(own, filepath.Join(m.Dir, "bin", "tool")); err != nil {
		t.Fatal(err)
	}
	m.Program("tool", "exit 1")
	if got, err := os.ReadFile(own); err != nil || string(got) != "own" {
		t.Errorf("found %q, %v; want it as it was", got, err)
	}
}
