// Package page shows a hybrid cloud as a picture: in a browser, live, or in a file.
package page

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Element is one of the picture's SVG elements.
type Element struct {
	ID string `json:"id"`
	// In is the ID of the element that it is in; empty for a layer.
	In    string            `json:"in,omitempty"`
	Tag   string            `json:"tag,omitempty"`
	Attrs map[string]string `json:"attrs,omitempty"`
	Text  string            `json:"text,omitempty"`
}

// Scene is a picture: its elements in the order in which they are painted, each
// after the one that it is in.
type Scene struct {
	Width, Height int
	Elements      []Element
}

// add adds an element. attrs are names and values in turn.
func (s *Scene) add(in, id, tag, text string, attrs ...string) {
	e := Element{ID: id, In: in, Tag: tag, Text: text, Attrs: map[string]string{}}
	for i := 0; i < len(attrs); i += 2 {
		e.Attrs[attrs[i]] = attrs[i+1]
	}
	s.Elements = append(s.Elements, e)
}

// Change is what makes one scene of another.
type Change struct {
	Width  int      `json:"width"`
	Height int      `json:"height"`
	Remove []string `json:"remove,omitempty"`
	// Put has new elements, and of others the attributes that have changed, the
	// empty ones being gone, and the text.
	Put []Element `json:"put,omitempty"`
}

// From tells how to get to s from an earlier scene, which may be nil. An element
// keeps its tag and its place as long as it keeps its ID.
func (s *Scene) From(before *Scene) Change {
	c := Change{Width: s.Width, Height: s.Height}
	old := map[string]Element{}
	if before != nil {
		for _, e := range before.Elements {
			old[e.ID] = e
		}
	}
	for _, e := range s.Elements {
		was, ok := old[e.ID]
		delete(old, e.ID)
		switch {
		case !ok:
			c.Put = append(c.Put, e)
		case was.Text != e.Text || !maps.Equal(was.Attrs, e.Attrs):
			c.Put = append(c.Put, difference(was, e))
		}
	}
	if before != nil {
		for _, e := range before.Elements {
			if _, gone := old[e.ID]; gone {
				c.Remove = append(c.Remove, e.ID)
			}
		}
	}
	return c
}

func difference(was, is Element) Element {
	d := Element{ID: is.ID, Text: is.Text, Attrs: map[string]string{}}
	for name, value := range is.Attrs {
		if was.Attrs[name] != value {
			d.Attrs[name] = value
		}
	}
	for name := range was.Attrs {
		if _, ok := is.Attrs[name]; !ok {
			d.Attrs[name] = ""
		}
	}
	return d
}

// SVG is the picture as a file of its own. title describes it in a sentence.
func (s *Scene) SVG(title string) []byte {
	inside := map[string][]Element{}
	for _, e := range s.Elements {
		inside[e.In] = append(inside[e.In], e)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" class="picture">`+"\n", s.Width, s.Height, s.Width, s.Height)
	fmt.Fprintf(&b, "<title>%s</title>\n<style>\n%s</style>\n", escape(title), pictureCSS)
	// A page has a background of its own.
	fmt.Fprintf(&b, `<rect class="paper" width="%d" height="%d"/>`+"\n", s.Width, s.Height)
	write(&b, inside, "")
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

func write(b *strings.Builder, inside map[string][]Element, in string) {
	for _, e := range inside[in] {
		fmt.Fprintf(b, `<%s id="%s"`, e.Tag, escape(e.ID))
		for _, name := range slices.Sorted(maps.Keys(e.Attrs)) {
			fmt.Fprintf(b, ` %s="%s"`, name, escape(e.Attrs[name]))
		}
		b.WriteString(">" + escape(e.Text))
		if len(inside[e.ID]) > 0 {
			b.WriteByte('\n')
			write(b, inside, e.ID)
		}
		fmt.Fprintf(b, "</%s>\n", e.Tag)
	}
}

func escape(text string) string {
	var b strings.Builder
	// A builder takes everything.
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}
