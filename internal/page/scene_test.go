package page

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/fakecloud"
	"hybrid/internal/golden"
	"hybrid/internal/observe/observetest"
)

func cut(c *fakecloud.Cloud) { c.Cluster("frankfurt").Silent = true }

var silence = regexp.MustCompile(`silent for \d+ s`)

func TestSVG(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file            string
		clusters, nodes int
		change          func(*fakecloud.Cloud)
	}{
		{"healthy", 3, 2, nil},
		{"cut", 3, 2, cut},
		{"one", 1, 1, nil},
		{"many", 30, 10, nil},
	} {
		t.Run(c.file, func(t *testing.T) {
			s := observetest.Look(t, c.clusters, c.nodes, c.change)
			found := Draw(s).SVG(Summary(s))
			for d := xml.NewDecoder(bytes.NewReader(found)); ; {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if c.file == "many" { // too large to be kept
				return
			}
			found = silence.ReplaceAll(found, []byte("silent for 8 s"))
			golden.Compare(t, filepath.Join("testdata", c.file+".svg"), found)
		})
	}
}

func count(s *Scene, class string) (n int) {
	for _, e := range s.Elements {
		if slices.Contains(strings.Fields(e.Attrs["class"]), class) {
			n++
		}
	}
	return n
}

func TestDraw(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*fakecloud.Cloud)
		want   map[string]int // elements with a class
	}{
		// 12 links between nodes of different clusters and 3 within one, and a label
		// for each two clusters.
		{"healthy", nil, map[string]int{"region": 3, "node": 6, "leader": 1, "replica": 6, "stream": 6, "link": 15 + 3, "down": 0, "bad": 0}},
		// Of frankfurt's pods, nothing but their streams is known: 4, and its region
		// with what stands there; and the other two mustn't be lost now.
		{"cut", cut, map[string]int{"region": 3, "node": 6, "leader": 1, "replica": 2, "stream": 6, "link": 15 + 3, "down": 8 + 1 + 2, "bad": 4 + 1 + 1 + 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			scene := Draw(observetest.Look(t, 3, 2, c.change))
			for class, n := range c.want {
				if got := count(scene, class); got != n {
					t.Errorf("%d elements of class %s, want %d", got, class, n)
				}
			}
		})
	}
}

// Nothing is outside, and boxes of one kind don't overlap.
func TestLayout(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {2, 3}, {3, 2}, {5, 2}, {4, 4}, {30, 10}, {7, 1}} {
		s := observetest.Look(t, size[0], size[1], nil)
		for _, narrow := range []bool{false, true} {
			p := arrange(s, narrow)
			if narrow && p.width > 372 {
				t.Errorf("%v: %d wide is too much for a phone", size, p.width)
			}
			for kind, boxes := range map[string]map[string]box{"region": p.regions, "node": p.nodes, "pod": p.pods} {
				for name, a := range boxes {
					if a.x < 0 || a.y < 0 || a.x+a.w > p.width || a.y+a.h > p.height {
						t.Errorf("%v: %s %s at %v is outside of %d×%d", size, kind, name, a, p.width, p.height)
					}
					for other, b := range boxes {
						if name < other && a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h {
							t.Errorf("%v: %ss %s at %v and %s at %v overlap", size, kind, name, a, other, b)
						}
					}
				}
			}
		}
	}
}

// apply does what the page does.
func apply(elements []Element, c Change) []Element {
	elements = slices.DeleteFunc(slices.Clone(elements), func(e Element) bool { return slices.Contains(c.Remove, e.ID) })
	for _, put := range c.Put {
		i := slices.IndexFunc(elements, func(e Element) bool { return e.ID == put.ID })
		if i < 0 {
			elements = append(elements, put)
			continue
		}
		e := elements[i]
		attrs := map[string]string{}
		for k, v := range e.Attrs {
			attrs[k] = v
		}
		for k, v := range put.Attrs {
			if attrs[k] = v; v == "" {
				delete(attrs, k)
			}
		}
		e.Attrs, e.Text = attrs, put.Text
		elements[i] = e
	}
	return elements
}

func TestChange(t *testing.T) {
	t.Parallel()
	healthy, broken := Draw(observetest.Look(t, 3, 2, nil)), Draw(observetest.Look(t, 3, 2, cut))
	sorted := func(all []Element) []Element {
		all = slices.Clone(all)
		slices.SortFunc(all, func(a, b Element) int { return strings.Compare(a.ID, b.ID) })
		return all
	}
	for _, c := range []struct{ from, to *Scene }{{nil, healthy}, {healthy, broken}, {broken, healthy}, {healthy, healthy}} {
		var before []Element
		if c.from != nil {
			before = c.from.Elements
		}
		change := c.to.From(c.from)
		after, want := sorted(apply(before, change)), sorted(c.to.Elements)
		if len(after) != len(want) {
			t.Fatalf("%d elements, want %d", len(after), len(want))
		}
		for i := range want {
			if !equal(after[i], want[i]) {
				t.Errorf("found %+v, want %+v", after[i], want[i])
			}
		}
	}
	if c := healthy.From(healthy); len(c.Put)+len(c.Remove) > 0 {
		t.Errorf("nothing has changed, and there is %+v", c)
	}
}

func equal(a, b Element) bool {
	if a.ID != b.ID || a.Tag != b.Tag || a.In != b.In || a.Text != b.Text || len(a.Attrs) != len(b.Attrs) {
		return false
	}
	for k, v := range a.Attrs {
		if b.Attrs[k] != v {
			return false
		}
	}
	return true
}

// IDs are told apart, and what an element is in comes before it.
func TestIDs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{"": true}
	for _, e := range Draw(observetest.Look(t, 3, 2, cut)).Elements {
		if seen[e.ID] {
			t.Errorf("%s is there twice", e.ID)
		}
		if !seen[e.In] {
			t.Errorf("%s is in %s, which comes later", e.ID, e.In)
		}
		seen[e.ID] = true
	}
}

func BenchmarkDraw(b *testing.B) {
	s := observetest.Look(b, 30, 10, nil)
	before := Draw(s)
	for b.Loop() {
		Draw(s).From(before)
	}
}
