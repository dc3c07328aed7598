package command

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hybrid/lab/plugins/provider"
)

func TestLocalLifecycle(t *testing.T) {
	r := localCommand()
	folder := t.TempDir()
	file := filepath.Join(folder, "deleted")
	in := m{
		"create": "cat; echo made $A; echo aside >&2", "update": "echo changed", "delete": "cat >deleted",
		"stdin": "it is ", "environment": m{"A": "b"}, "dir": folder,
	}
	id, out, err := r.Create(call(t), provider.From(in))
	if err != nil || id == "" || provider.Str(out, "stdout") != "it is made b" || provider.Str(out, "stderr") != "aside" {
		t.Fatalf("create: %q, %v, %v", id, out, err)
	}
	if out, err = r.Update(call(t), id, out, provider.From(in)); err != nil || provider.Str(out, "stdout") != "changed" {
		t.Errorf("update: %v, %v", out["stdout"], err)
	}
	if err := r.Delete(call(t), id, out); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "it is " {
		t.Errorf("delete got %q on standard input, %v", text, err)
	}
	_, out, err = r.Create(call(t), provider.From(m{"create": "echo $0", "interpreter": []any{"/bin/echo", "-n"}}))
	if err != nil || provider.Str(out, "stdout") != "echo $0" {
		t.Errorf("another interpreter: %v, %v", out["stdout"], err)
	}
}

func TestLocalFailureShowsStderr(t *testing.T) {
	_, _, err := localCommand().Create(call(t), provider.From(m{"create": "echo for a reason >&2; exit 3", "logging": logNone}))
	if err == nil || !strings.Contains(err.Error(), "for a reason") || !strings.Contains(err.Error(), "status 3") {
		t.Errorf("got %v; want the status and stderr", err)
	}
}

// All that a command has started ends when it is cancelled.
func TestLocalCancellation(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	started := filepath.Join(t.TempDir(), "started")
	ended := make(chan error, 1)
	go func() {
		_, _, err := localCommand().Create(&provider.Call{Context: ctx, Untimed: ctx}, provider.From(m{"create": ": >" + started + "; sleep 60 & wait"}))
		ended <- err
	}()
	for {
		if _, err := os.Stat(started); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a command that was cancelled has ended well")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the command goes on")
	}
}
