package stack

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func lockOf(t *testing.T, pid int, host string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"pid": pid, "hostname": host, "username": "root"})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestUnlock(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	// A `pulumi` that waits for its input to end.
	living := exec.Command(filepath.Join(programs(t), "bin", "pulumi"), "read")
	in, err := living.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	dead := exec.Command("true")
	if err := errors.Join(living.Start(), dead.Run()); err != nil {
		t.Fatal(err)
	}
	defer living.Wait()
	defer in.Close()
	for _, c := range []struct {
		name, lock string
		fails      bool
	}{
		{"a dead process", lockOf(t, dead.Process.Pid, host), false},
		{"a living process", lockOf(t, living.Process.Pid, host), true},
		{"another program under the same number", lockOf(t, os.Getpid(), host), false},
		{"another machine", lockOf(t, dead.Process.Pid, host+"-other"), true},
		{"half a file", `{"pid":`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Stack{State: t.TempDir()}
			path := filepath.Join(s.backend(), ".pulumi/locks/organization/hybrid/dev/1.json")
			write(t, path, c.lock)
			mended, err := s.unlock()
			if (err != nil) != c.fails {
				t.Fatalf("unlock: %v, want an error: %v", err, c.fails)
			}
			if _, err := os.Stat(path); (err == nil) != c.fails {
				t.Errorf("the lock is there: %v, want %v", err == nil, c.fails)
			}
			if (len(mended) == 1) == c.fails {
				t.Errorf("mended: %q", mended)
			}
		})
	}
}

func TestRestore(t *testing.T) {
	for _, c := range []struct {
		name, state, backup, want string
		fails                     bool
	}{
		{"whole", `{"a":1}`, `{"a":0}`, `{"a":1}`, false},
		{"half", `{"a":`, `{"a":0}`, `{"a":0}`, false},
		{"half, and no backup", `{"a":`, ``, `{"a":`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Stack{State: t.TempDir()}
			path := filepath.Join(s.backend(), ".pulumi/stacks/hybrid/dev.json")
			write(t, path, c.state)
			if c.backup != "" {
				write(t, path+".bak", c.backup)
			}
			_, err := s.restore()
			if (err != nil) != c.fails {
				t.Fatalf("restore: %v, want an error: %v", err, c.fails)
			}
			if c.fails && !strings.Contains(err.Error(), "make down") {
				t.Errorf("%q doesn't say what to do", err)
			}
			got, err := os.ReadFile(path)
			if err != nil || string(got) != c.want {
				t.Errorf("the state is %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestReplaceSideBySide(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := strings.Repeat("a context\n", 10_000)
	var group errgroup.Group
	for range 20 {
		group.Go(func() error { return replace(path, text) })
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != text {
		t.Errorf("got %d bytes, %v; want %d", len(got), err, len(text))
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v; want mode 0600", info, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("got %v, %v; want nothing but the file", left, err)
	}
}
