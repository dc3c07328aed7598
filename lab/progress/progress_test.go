package progress

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// buffer is a bytes.Buffer that a test may read while a timer writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *buffer) waitFor(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(b.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %q within 10 s; the output is:\n%s", text, b.String())
		}
	}
}

func TestStepBeatsAndEnds(t *testing.T) {
	var out buffer
	l := &Log{w: &out, every: time.Millisecond}
	want := errors.New("boom")
	err := l.Do("build", func(s *Step) error {
		s.Note("package %d", 7)
		out.waitFor(t, "  … build (0s): package 7\n")
		s.Result("%d CPU-s", 9)
		return want
	})
	if !errors.Is(err, want) {
		t.Errorf("Do returned %v, want %v", err, want)
	}
	if s := out.String(); !strings.HasPrefix(s, "• build\n") || !strings.Contains(s, "✗ build (") || !strings.HasSuffix(s, "): 9 CPU-s\n") {
		t.Errorf("the output is:\n%s", s)
	}
}

func TestIdleSpeaksWhenNothingIsWritten(t *testing.T) {
	var out buffer
	i := newIdle(&out, time.Millisecond)
	if _, err := i.Write([]byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	out.waitFor(t, "hello\n")
	out.waitFor(t, "  … 0s\n")
	i.Close()
	before := out.String()
	time.Sleep(20 * time.Millisecond)
	if after := out.String(); after != before {
		t.Errorf("it went on after Close:\n%s", after)
	}
}

// Of two steps side by side only one can have a terminal's line.
func TestTheNewestStepHasTheSpinner(t *testing.T) {
	var out buffer
	l := &Log{w: &out, terminal: true, every: time.Millisecond}
	err := l.Do("first", func(*Step) error {
		out.waitFor(t, "first (0s)")
		return l.Do("second", func(*Step) error {
			out.waitFor(t, "second (0s)")
			before := strings.Count(out.String(), "first (0s)")
			time.Sleep(20 * time.Millisecond)
			if after := strings.Count(out.String(), "first (0s)"); after != before {
				t.Errorf("the first step drew %d times while the second ran", after-before)
			}
			return nil
		})
	})
	if err != nil || !strings.Contains(out.String(), "✓ second (") || !strings.Contains(out.String(), "✓ first (") {
		t.Errorf("got %v and:\n%s", err, out.String())
	}
}
