// Package console spans terminals whose screens are shown elsewhere: it keeps what a
// program draws, and tells what of it has changed.
package console

import (
	"fmt"
	"image/color"
	"io"
	"strings"
	"sync"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
)

// The bounds of a screen's size, in letters.
const (
	minSize = 2
	maxSize = 500
)

// keptLines is how many lines that have scrolled away are kept.
const keptLines = 2000

// Screen is a terminal. It is safe for concurrent use.
type Screen struct {
	mu       sync.Mutex
	terminal *vt.Emulator
	back     int // how many lines the view is scrolled back
	changed  chan struct{}
}

// Size is that of a screen, in letters.
type Size struct {
	Columns int `json:"columns"`
	Rows    int `json:"rows"`
}

// within makes a size one that a screen can have.
func (s Size) within() Size {
	return Size{min(max(s.Columns, minSize), maxSize), min(max(s.Rows, minSize), maxSize)}
}

// NewScreen makes an empty one.
func NewScreen(size Size) *Screen {
	size = size.within()
	s := &Screen{terminal: vt.NewEmulator(size.Columns, size.Rows), changed: make(chan struct{}, 1)}
	s.terminal.SetScrollbackSize(keptLines)
	return s
}

// Write draws what a program prints.
func (s *Screen) Write(text []byte) (int, error) {
	// In parts, so that who wants to see the screen needn't wait for all.
	for done := 0; done < len(text); {
		part := text[done:min(done+4096, len(text))]
		s.mu.Lock()
		n, err := s.terminal.Write(part)
		s.mu.Unlock()
		done += n
		s.mark()
		if err != nil {
			return done, err
		}
	}
	return len(text), nil
}

// Read reads what is typed, and what the terminal itself answers to the program. Keep
// reading: until it is read, drawing and typing block.
func (s *Screen) Read(to []byte) (int, error) { return s.terminal.Read(to) }

// Close ends Read.
func (s *Screen) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.terminal.Close()
}

// Changed has a word when there may be something new to show.
func (s *Screen) Changed() <-chan struct{} { return s.changed }

func (s *Screen) mark() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// do changes the terminal, from now on seen at its end.
func (s *Screen) do(change func(t *vt.Emulator)) {
	s.mu.Lock()
	s.back = 0
	change(s.terminal)
	s.mu.Unlock()
	s.mark()
}

// Type types a text.
func (s *Screen) Type(text string) { s.do(func(t *vt.Emulator) { t.SendText(text) }) }

// Paste types a text as a paste, which programs that want to can tell from typing. Lines
// end as the Enter key ends them.
func (s *Screen) Paste(text string) {
	text = strings.NewReplacer("\r\n", "\r", "\n", "\r", "\x1b", "").Replace(text)
	s.do(func(t *vt.Emulator) { t.Paste(text) })
}

// keys are those that type no text, by their names in browsers
// (https://www.w3.org/TR/uievents-key/).
var keys = map[string]rune{
	"Enter": vt.KeyEnter, "Tab": vt.KeyTab, "Backspace": vt.KeyBackspace, "Escape": vt.KeyEscape,
	"ArrowUp": vt.KeyUp, "ArrowDown": vt.KeyDown, "ArrowRight": vt.KeyRight, "ArrowLeft": vt.KeyLeft,
	"Insert": vt.KeyInsert, "Delete": vt.KeyDelete, "Home": vt.KeyHome, "End": vt.KeyEnd, "PageUp": vt.KeyPgUp, "PageDown": vt.KeyPgDown,
	"F1": vt.KeyF1, "F2": vt.KeyF2, "F3": vt.KeyF3, "F4": vt.KeyF4, "F5": vt.KeyF5, "F6": vt.KeyF6,
	"F7": vt.KeyF7, "F8": vt.KeyF8, "F9": vt.KeyF9, "F10": vt.KeyF10, "F11": vt.KeyF11, "F12": vt.KeyF12,
}

// Key presses a key that types no text. Others are ignored.
func (s *Screen) Key(name string, shift bool) {
	code, known := keys[name]
	if !known {
		return
	}
	press := vt.KeyPressEvent{Code: code}
	if shift && code == vt.KeyTab {
		press.Mod = vt.ModShift
	}
	s.do(func(t *vt.Emulator) { t.SendKey(press) })
}

// Resize gives it another size.
func (s *Screen) Resize(size Size) {
	size = size.within()
	s.do(func(t *vt.Emulator) { t.Resize(size.Columns, size.Rows) })
}

// Scroll shows what is so many lines further back; negative is forward.
func (s *Screen) Scroll(lines int) {
	s.mu.Lock()
	s.back = min(max(s.back+lines, 0), s.kept())
	s.mu.Unlock()
	s.mark()
}

// kept is how many lines can be scrolled back. Programs that draw the whole screen have
// none.
func (s *Screen) kept() int {
	if s.terminal.IsAltScreen() {
		return 0
	}
	return s.terminal.ScrollbackLen()
}

// Frame is a screen, or what of it has changed.
type Frame struct {
	Size
	// Lines are those that have changed, by their number from above.
	Lines map[int][]Span `json:"lines"`
	// Cursor is its column and row; nil if it isn't shown.
	Cursor *[2]int `json:"cursor"`
	// Back is how many lines the view is scrolled back, of Kept.
	Back int `json:"back"`
	Kept int `json:"kept"`
}

// Span is a text of one style.
type Span struct {
	Text string `json:"text"`
	// Width is its width in letters where that isn't their number: wide letters are spans
	// of their own.
	Width int `json:"width,omitempty"`
	// Front and Back are a number from 0 to 15 for a color of the theme, #rrggbb, or
	// empty for the usual color.
	Front string `json:"front,omitempty"`
	Back  string `json:"back,omitempty"`
	// Style has b for bold, f for faint, i for italic, u for underlined, s for struck
	// through, r for reversed and h for hidden.
	Style string `json:"style,omitempty"`
}

// Frame is the screen as it is now, without the lines that are the same as those that
// were shown last. It updates shown.
func (s *Screen) Frame(shown map[int]string) *Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.terminal
	s.back = min(s.back, s.kept())
	f := &Frame{Size: Size{t.Width(), t.Height()}, Lines: map[int][]Span{}, Back: s.back, Kept: s.kept()}
	for y := range f.Rows {
		line := s.line(y)
		if key := fmt.Sprint(line); shown[y] != key {
			shown[y] = key
			f.Lines[y] = line
		}
	}
	if at := t.CursorPosition(); !t.CursorHidden() && at.Y+s.back < f.Rows {
		f.Cursor = &[2]int{min(at.X, f.Columns-1), at.Y + s.back}
	}
	return f
}

// line is the y-th from above, of what is in view.
func (s *Screen) line(y int) []Span {
	cell := func(x int) *uv.Cell { return s.terminal.CellAt(x, y-s.back) }
	if y < s.back {
		row := s.terminal.ScrollbackLen() - s.back + y
		cell = func(x int) *uv.Cell { return s.terminal.ScrollbackCellAt(x, row) }
	}
	spans := []Span{}
	width := s.terminal.Width()
	for x := 0; x < width; {
		c := cell(x)
		if c == nil {
			c = &uv.EmptyCell
		}
		r := Span{Text: c.Content, Front: name(c.Style.Fg), Back: name(c.Style.Bg), Style: style(&c.Style)}
		if r.Text == "" {
			r.Text = " "
		}
		wide := max(1, c.Width)
		x += wide
		if plain := wide == 1 && len(r.Text) == 1; !plain {
			r.Width = wide // whatever the browser's font makes of it
		} else if n := len(spans) - 1; n >= 0 && spans[n].Width == 0 && spans[n].Front == r.Front && spans[n].Back == r.Back && spans[n].Style == r.Style {
			spans[n].Text += r.Text
			continue
		}
		spans = append(spans, r)
	}
	if n := len(spans) - 1; n >= 0 && spans[n] == (Span{Text: spans[n].Text}) {
		if spans[n].Text = strings.TrimRight(spans[n].Text, " "); spans[n].Text == "" {
			spans = spans[:n]
		}
	}
	return spans
}

// name is a color's.
func name(c color.Color) string {
	switch c := c.(type) {
	case nil:
		return ""
	case ansi.BasicColor:
		return fmt.Sprint(int(c))
	case ansi.IndexedColor:
		if c < 16 {
			return fmt.Sprint(int(c))
		}
	}
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}

func style(s *uv.Style) string {
	var b strings.Builder
	for _, x := range []struct {
		is     bool
		letter byte
	}{
		{s.Attrs&uv.AttrBold != 0, 'b'}, {s.Attrs&uv.AttrFaint != 0, 'f'}, {s.Attrs&uv.AttrItalic != 0, 'i'},
		{s.Underline != uv.UnderlineNone, 'u'}, {s.Attrs&uv.AttrStrikethrough != 0, 's'},
		{s.Attrs&uv.AttrReverse != 0, 'r'}, {s.Attrs&uv.AttrConceal != 0, 'h'},
	} {
		if x.is {
			b.WriteByte(x.letter)
		}
	}
	return b.String()
}

var _ io.ReadWriteCloser = (*Screen)(nil)
