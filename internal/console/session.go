package console

import (
	"context"
	"io"
	"sync"
	"time"

	"k8s.io/client-go/tools/remotecommand"
)

// frameTime is the least time between two frames: what is drawn meanwhile is shown
// together.
const frameTime = 33 * time.Millisecond

// waiting bounds what may be typed while the program doesn't read, in bytes.
const waiting = 1 << 20

// Input is what a viewer does. One of its fields is set.
type Input struct {
	// Text is typed, Paste is pasted, and Key is the name of one that types no text.
	Text  string `json:"text,omitempty"`
	Paste string `json:"paste,omitempty"`
	Key   string `json:"key,omitempty"`
	Shift bool   `json:"shift,omitempty"` // with Key
	// Scroll is by how many lines, back.
	Scroll int   `json:"scroll,omitempty"`
	Size   *Size `json:"size,omitempty"`
	// Drawn says that the last frame is on the viewer's screen, and the next may come.
	Drawn bool `json:"drawn,omitempty"`
}

// Viewer is who looks at a session. Its methods are called by one goroutine each.
type Viewer interface {
	// Show shows a frame.
	Show(*Frame) error
	// Next waits for what the viewer does. An error ends the session.
	Next() (*Input, error)
}

// Program runs with a terminal until it ends, or ctx does.
type Program func(ctx context.Context, in io.Reader, out io.Writer, sizes remotecommand.TerminalSizeQueue) error

// Run runs a program for a viewer. It returns when the program has ended and its last
// output has been shown, and then the program's error; or when the viewer has gone.
func Run(ctx context.Context, size Size, v Viewer, program Program) error {
	ctx, cancel := context.WithCancel(ctx)
	s := &session{Screen: NewScreen(size), viewer: v, drawn: make(chan struct{}, 1)}
	s.sizes = sizes{make(chan remotecommand.TerminalSize, 1), ctx.Done()}
	s.sizes.set(size.within())
	s.typed.changed = sync.NewCond(&s.typed.mu)
	var all sync.WaitGroup
	all.Go(func() { s.collect() })
	shown := make(chan error, 1)
	over, done := context.WithCancel(ctx)
	all.Go(func() { shown <- s.show(ctx, over.Done()) })
	go func() { // it ends with the viewer's connection, which who has called Run closes
		s.listen()
		cancel()
	}()
	err := program(ctx, &s.typed, s, &s.sizes)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	done()
	if lost := <-shown; err == nil {
		err = lost
	}
	cancel()
	s.typed.end()
	s.Close()
	all.Wait()
	return err
}

type session struct {
	*Screen
	viewer Viewer
	drawn  chan struct{}
	sizes  sizes
	typed  typed
}

// listen does what the viewer does, until it goes.
func (s *session) listen() {
	for {
		in, err := s.viewer.Next()
		if err != nil {
			return
		}
		switch {
		case in.Drawn:
			select {
			case s.drawn <- struct{}{}:
			default:
			}
		case in.Size != nil:
			s.Resize(*in.Size)
			s.sizes.set(in.Size.within())
		case in.Scroll != 0:
			s.Scroll(in.Scroll)
		case in.Paste != "":
			s.Paste(in.Paste)
		case in.Key != "":
			s.Key(in.Key, in.Shift)
		default:
			s.Type(in.Text)
		}
	}
}

// show shows frames, each when the one before has been drawn, and the last one when the
// program is over.
func (s *session) show(ctx context.Context, over <-chan struct{}) error {
	shown := map[int]string{}
	for last := false; !last; {
		select {
		case <-s.Changed():
		case <-over:
			last = true
		case <-ctx.Done():
			return nil
		}
		if err := s.viewer.Show(s.Frame(shown)); err != nil {
			return err
		}
		if last {
			return nil
		}
		select {
		case <-s.drawn:
		case <-over:
		case <-ctx.Done():
			return nil
		}
		select {
		case <-time.After(frameTime):
		case <-over:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// collect takes what is typed from the screen: it must never wait for the program.
func (s *session) collect() {
	part := make([]byte, 4096)
	for {
		n, err := s.Read(part)
		s.typed.add(part[:n])
		if err != nil {
			return
		}
	}
}

// typed is what the program hasn't read yet.
type typed struct {
	mu      sync.Mutex
	changed *sync.Cond
	text    []byte
	ended   bool
}

// add keeps a text. What is too much is lost: the program doesn't read.
func (t *typed) add(text []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.text)+len(text) <= waiting {
		t.text = append(t.text, text...)
	}
	t.changed.Broadcast()
}

func (t *typed) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.changed.Broadcast()
}

func (t *typed) Read(to []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.text) == 0 && !t.ended {
		t.changed.Wait()
	}
	if len(t.text) == 0 {
		return 0, io.EOF
	}
	n := copy(to, t.text)
	t.text = t.text[n:]
	return n, nil
}

// sizes has the newest size that the program doesn't know yet.
type sizes struct {
	next chan remotecommand.TerminalSize // has room for one
	over <-chan struct{}
}

func (s *sizes) set(size Size) {
	next := remotecommand.TerminalSize{Width: uint16(size.Columns), Height: uint16(size.Rows)}
	for {
		select {
		case s.next <- next:
			return
		default:
		}
		select { // the older one
		case <-s.next:
		default:
		}
	}
}

// Next waits for another size. It returns nil when the session ends.
func (s *sizes) Next() *remotecommand.TerminalSize {
	select {
	case size := <-s.next:
		return &size
	case <-s.over:
		return nil
	}
}
