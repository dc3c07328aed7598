package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/remotecommand"
)

// viewer sees all frames and does what is in next.
type viewer struct {
	next   chan *Input
	frames []*Frame
	slow   time.Duration
}

func (v *viewer) Show(f *Frame) error {
	v.frames = append(v.frames, f)
	go func() {
		time.Sleep(v.slow)
		v.next <- &Input{Drawn: true}
	}()
	return nil
}

func (v *viewer) Next() (*Input, error) {
	in, ok := <-v.next
	if !ok {
		return nil, io.EOF
	}
	return in, nil
}

// seen is what the frames together show.
func (v *viewer) seen() string {
	lines := map[int]string{}
	rows := 0
	for _, f := range v.frames {
		rows = f.Rows
		for y, spans := range f.Lines {
			lines[y] = ""
			for _, s := range spans {
				lines[y] += s.Text
			}
		}
	}
	var b strings.Builder
	for y := range rows {
		b.WriteString(lines[y] + "\n")
	}
	return b.String()
}

// What is typed reaches the program, and the last that it prints is shown.
func TestRun(t *testing.T) {
	v := &viewer{next: make(chan *Input, 100)}
	v.next <- &Input{Size: &Size{30, 5}}
	v.next <- &Input{Text: "hello"}
	v.next <- &Input{Key: "Enter"}
	err := Run(t.Context(), Size{20, 3}, v, func(_ context.Context, in io.Reader, out io.Writer, sizes remotecommand.TerminalSizeQueue) error {
		var line []byte
		for !bytes.HasSuffix(line, []byte("\r")) {
			letter := make([]byte, 1)
			if _, err := in.Read(letter); err != nil {
				return err
			}
			line = append(line, letter...)
		}
		size := sizes.Next() // the newest
		fmt.Fprintf(out, "%q at %d×%d", line, size.Width, size.Height)
		return nil
	})
	if want := `"hello\r" at 30×5`; err != nil || !strings.HasPrefix(v.seen(), want) {
		t.Errorf("%v, %q, want %s", err, v.seen(), want)
	}
}

// A megabyte is shown in few frames, however slow the viewer is, and none of them
// keeps the program waiting for long.
func TestMuch(t *testing.T) {
	v := &viewer{next: make(chan *Input, 100), slow: 200 * time.Millisecond}
	start := time.Now()
	err := Run(t.Context(), Size{120, 40}, v, func(_ context.Context, _ io.Reader, out io.Writer, _ remotecommand.TerminalSizeQueue) error {
		line := []byte(strings.Repeat("all work and no play ", 5) + "\r\n")
		for sent := 0; sent < 1<<20; sent += len(line) {
			if _, err := out.Write(line); err != nil {
				return err
			}
		}
		_, err := out.Write([]byte("the end"))
		return err
	})
	took := time.Since(start)
	if most := int(took/v.slow) + 3; err != nil || len(v.frames) > most || !strings.Contains(v.seen(), "the end") {
		t.Errorf("%v, %d frames in %s, want at most %d with the end", err, len(v.frames), took, most)
	}
	t.Logf("%d frames in %s", len(v.frames), took)
}

// A program's error is the session's, and why it was ended, too.
func TestErrors(t *testing.T) {
	broken := errors.New("it has broken")
	v := &viewer{next: make(chan *Input, 100)}
	if err := Run(t.Context(), Size{20, 3}, v, func(context.Context, io.Reader, io.Writer, remotecommand.TerminalSizeQueue) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("found %v, want %v", err, broken)
	}
	// Who goes ends the program.
	v = &viewer{next: make(chan *Input, 100)}
	time.AfterFunc(50*time.Millisecond, func() { close(v.next) })
	_ = Run(t.Context(), Size{20, 3}, v, func(ctx context.Context, _ io.Reader, _ io.Writer, _ remotecommand.TerminalSizeQueue) error {
		<-ctx.Done()
		return ctx.Err()
	})
	// A program that doesn't read keeps the viewer from nothing.
	v = &viewer{next: make(chan *Input, 100)}
	for range 50 {
		v.next <- &Input{Paste: strings.Repeat("x", waiting/10)}
	}
	_ = Run(t.Context(), Size{20, 3}, v, func(ctx context.Context, _ io.Reader, out io.Writer, _ remotecommand.TerminalSizeQueue) error {
		for len(v.next) > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		_, err := out.Write([]byte("still here"))
		return err
	})
	if !strings.Contains(v.seen(), "still here") {
		t.Errorf("found %q", v.seen())
	}
}
