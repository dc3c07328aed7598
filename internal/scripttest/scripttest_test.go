package scripttest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

// A program that a test makes up takes the place of the link, not of what the link leads
// to: that is this machine's, or other tests' too.
func TestProgramLeavesTheMachinesOwn(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own")
	if err := os.WriteFile(own, []byte("own"), 0o755); err != nil {
		t.Fatal(err)
	}
	m, other := New(t, "kubectl"), New(t, "kubectl")
	if err := os.Symlink(own, filepath.Join(m.Dir, "bin", "tool")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tool", "kubectl", "date"} {
		m.Program(name, "exit 1")
	}
	if got, err := os.ReadFile(own); err != nil || string(got) != "own" {
		t.Errorf("found %q, %v; want it as it was", got, err)
	}
	_, _, calls, err := other.Run("PATH=$ROOT/bin; kubectl get nodes && date >/dev/null", "script", "create")
	if err != nil {
		t.Errorf("another machine's programs: %v", err)
	}
	Called(t, calls, "kubectl get nodes")
}
