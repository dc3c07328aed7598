// Package progress shows what the user waits for: a spinner for each step on a
// terminal, plain lines elsewhere, and never silence for long.
package progress

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/term"
)

// Heartbeat is how often a step without a terminal says that it still runs. A
// reader of a log must never wonder for more than ten seconds.
const Heartbeat = 5 * time.Second

const frame = 100 * time.Millisecond

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// Log writes steps to a terminal or a file. Steps may run side by side: a terminal's
// spinner is that of the newest.
type Log struct {
	w        io.Writer
	terminal bool
	every    time.Duration

	mu      sync.Mutex
	running []*Step
}

// New writes to w, with spinners if that is a terminal.
func New(w *os.File) *Log {
	l := &Log{w: w, terminal: term.IsTerminal(int(w.Fd())), every: Heartbeat}
	if l.terminal {
		l.every = frame
	}
	return l
}

// Terminal says whether a person is looking.
func (l *Log) Terminal() bool { return l.terminal }

// Println writes a line between steps.
func (l *Log) Println(a ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.w, a...)
}

// Step is a step under way. It is safe for concurrent use.
type Step struct {
	mu           sync.Mutex
	note, result string
}

// Note says what the step is doing now.
func (s *Step) Note(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note = fmt.Sprintf(format, a...)
}

// Result says what came of the step; it stays on the screen.
func (s *Step) Result(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result = fmt.Sprintf(format, a...)
}

func (s *Step) texts() (note, result string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.note, s.result
}

// Do runs one step under its name and returns its error, unchanged.
func (l *Log) Do(name string, run func(*Step) error) error {
	s, start := &Step{}, time.Now()
	done := make(chan error, 1)
	go func() { done <- run(s) }()
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	l.begin(name, s)
	for i := 0; ; i++ {
		select {
		case err := <-done:
			l.end(name, s, time.Since(start), err)
			return err
		case <-tick.C:
			l.beat(i, name, s, time.Since(start))
		}
	}
}

func (l *Log) begin(name string, s *Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = append(l.running, s)
	if !l.terminal {
		fmt.Fprintf(l.w, "• %s\n", name)
	}
}

func (l *Log) beat(i int, name string, s *Step, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.terminal && s != l.running[len(l.running)-1] {
		return
	}
	note, _ := s.texts()
	if note != "" {
		note = ": " + note
	}
	if l.terminal {
		line := fmt.Sprintf("%c %s (%s)%s", spinner[i%len(spinner)], name, took.Round(time.Second), note)
		fmt.Fprintf(l.w, "\r\x1b[K%s", l.fit(line))
		return
	}
	fmt.Fprintf(l.w, "  … %s (%s)%s\n", name, took.Round(time.Second), note)
}

// fit keeps a spinner's line within the terminal: one that wraps can't be drawn over.
func (l *Log) fit(line string) string {
	f, ok := l.w.(*os.File)
	if !ok {
		return line
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if r := []rune(line); err == nil && width > 1 && len(r) >= width {
		return string(r[:width-1])
	}
	return line
}

func (l *Log) end(name string, s *Step, took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = slices.DeleteFunc(l.running, func(r *Step) bool { return r == s })
	if l.terminal {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
	mark, detail := "✓", ""
	if err != nil {
		mark = "✗"
	}
	if _, result := s.texts(); result != "" {
		detail = ": " + result
	}
	fmt.Fprintf(l.w, "%s %s (%s)%s\n", mark, name, took.Round(100*time.Millisecond), detail)
}
