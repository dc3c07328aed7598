package console

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// text is what a screen shows.
func text(s *Screen) string {
	var all []string
	f := s.Frame(map[int]string{})
	for y := range f.Rows {
		line := ""
		for _, span := range f.Lines[y] {
			line += span.Text
		}
		all = append(all, strings.TrimRight(line, " "))
	}
	return strings.TrimRight(strings.Join(all, "\n"), "\n")
}

func screen(t *testing.T, columns, rows int, written string) *Screen {
	t.Helper()
	s := NewScreen(Size{columns, rows})
	if _, err := s.Write([]byte(written)); err != nil {
		t.Fatal(err)
	}
	return s
}

// typed is what a program gets for what a viewer does.
func typedBy(t *testing.T, s *Screen, do func()) string {
	t.Helper()
	done := make(chan struct{})
	go func() {
		do()
		s.Close()
		close(done)
	}()
	var all []byte
	part := make([]byte, 100)
	for {
		n, err := s.Read(part)
		all = append(all, part[:n]...)
		if err != nil {
			<-done
			return string(all)
		}
	}
}

func TestScreen(t *testing.T) {
	for name, c := range map[string]struct{ written, want string }{
		"lines":            {"one\r\ntwo", "one\ntwo"},
		"cursor":           {"\x1b[2;3Hhere\x1b[1;1Hthere", "there\n  here"},
		"the other screen": {"kept\x1b[?1049h\x1b[Hvi", "vi"},
		"and back":         {"kept\x1b[?1049hvi\x1b[?1049l", "kept"},
		"a region scrolls": {"a\r\nb\r\nc\x1b[1;2r\x1b[2;1H\n\x1b[r", "b\n\nc"},
		"erased":           {"all of it\x1b[4G\x1b[K", "all"},
		"scrolled away":    {"1\r\n2\r\n3\r\n4\r\n5\r\n6", "3\n4\n5\n6"},
	} {
		if found := text(screen(t, 20, 4, c.written)); found != c.want {
			t.Errorf("%s: found %q, want %q", name, found, c.want)
		}
	}
}

func TestSpans(t *testing.T) {
	f := screen(t, 20, 2, "a\x1b[1;31mred\x1b[0m\x1b[38;5;200mx\x1b[7my\x1b[0m 世é").Frame(map[int]string{})
	want := []Span{
		{Text: "a"}, {Text: "red", Front: "1", Style: "b"}, {Text: "x", Front: "#ff00d7"}, {Text: "y", Front: "#ff00d7", Style: "r"},
		{Text: " "}, {Text: "世", Width: 2}, {Text: "é", Width: 1},
	}
	found := f.Lines[0]
	if len(found) < len(want) {
		t.Fatalf("found %+v, want %+v", found, want)
	}
	for i := range want {
		if found[i] != want[i] {
			t.Errorf("found %+v, want %+v", found[i], want[i])
		}
	}
	if f.Cursor == nil || *f.Cursor != [2]int{10, 0} {
		t.Errorf("the cursor is at %v, want 10, 0", f.Cursor)
	}
}

// Of two frames the second has only what has changed.
func TestFrames(t *testing.T) {
	s := screen(t, 20, 4, "one\r\ntwo")
	shown := map[int]string{}
	if f := s.Frame(shown); len(f.Lines) != 4 {
		t.Errorf("the first frame has %d lines", len(f.Lines))
	}
	if _, err := s.Write([]byte(" three")); err != nil {
		t.Fatal(err)
	}
	if f := s.Frame(shown); len(f.Lines) != 1 || f.Lines[1][0].Text != "two three" {
		t.Errorf("the second frame: %+v", f.Lines)
	}
}

func TestScroll(t *testing.T) {
	s := screen(t, 20, 3, "1\r\n2\r\n3\r\n4\r\n5\r\n6")
	s.Scroll(2)
	if found := text(s); found != "2\n3\n4" {
		t.Errorf("two lines back: %q", found)
	}
	s.Scroll(100)
	if f := s.Frame(map[int]string{}); f.Back != 3 || f.Kept != 3 || f.Cursor != nil || text(s) != "1\n2\n3" {
		t.Errorf("all the way back: %+v %q", f, text(s))
	}
	s.Scroll(-100)
	if found := text(s); found != "4\n5\n6" {
		t.Errorf("back again: %q", found)
	}
}

func TestKeys(t *testing.T) {
	for name, c := range map[string]struct {
		written string
		do      func(*Screen)
		want    string
	}{
		"a letter":           {"", func(s *Screen) { s.Type("ü\x03") }, "ü\x03"},
		"enter":              {"", func(s *Screen) { s.Key("Enter", false) }, "\r"},
		"an arrow":           {"", func(s *Screen) { s.Key("ArrowUp", false) }, "\x1b[A"},
		"an arrow for vi":    {"\x1b[?1h", func(s *Screen) { s.Key("ArrowUp", false) }, "\x1bOA"},
		"shift and tab":      {"", func(s *Screen) { s.Key("Tab", true) }, "\x1b[Z"},
		"an unknown key":     {"", func(s *Screen) { s.Key("AudioVolumeUp", false) }, ""},
		"a paste":            {"", func(s *Screen) { s.Paste("a\nb\r\n") }, "a\rb\r"},
		"a bracketed paste":  {"\x1b[?2004h", func(s *Screen) { s.Paste("a\nb") }, "\x1b[200~a\rb\x1b[201~"},
		"no end of brackets": {"\x1b[?2004h", func(s *Screen) { s.Paste("a\x1b[201~rm") }, "\x1b[200~a[201~rm\x1b[201~"},
	} {
		s := screen(t, 20, 4, c.written)
		if found := typedBy(t, s, func() { c.do(s) }); found != c.want {
			t.Errorf("%s: found %q, want %q", name, found, c.want)
		}
	}
}

func TestResize(t *testing.T) {
	s := screen(t, 20, 4, "one\r\ntwo")
	s.Resize(Size{10, 6})
	if f := s.Frame(map[int]string{}); f.Size != (Size{10, 6}) || text(s) != "one\ntwo" {
		t.Errorf("%+v %q", f.Size, text(s))
	}
	s.Resize(Size{-1, 1 << 20})
	if f := s.Frame(map[int]string{}); f.Size != (Size{minSize, maxSize}) {
		t.Errorf("%+v", f.Size)
	}
}

// What vi and top have drawn on a screen of 80×24, as another terminal (tmux) shows it.
func TestRecordings(t *testing.T) {
	for _, name := range []string{"vi", "top"} {
		var recorded [2][]byte
		for i, ending := range []string{".out", ".txt"} {
			var err error
			if recorded[i], err = os.ReadFile(filepath.Join("testdata", name+ending)); err != nil {
				t.Fatal(err)
			}
		}
		s := NewScreen(Size{80, 24})
		go func() { // what it answers to their questions
			_, _ = io.Copy(io.Discard, s)
		}()
		defer s.Close()
		if _, err := s.Write(recorded[0]); err != nil {
			t.Fatal(err)
		}
		if found := text(s); found != strings.TrimRight(string(recorded[1]), "\n") {
			t.Errorf("%s: found\n%s\nwant\n%s", name, found, recorded[1])
		}
	}
}
