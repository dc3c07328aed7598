// Package terminal shows a hybrid cloud on one screen of text.
package terminal

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"hybrid/internal/observe"
)

// Options say how to show it.
type Options struct {
	Color bool
	// All shows every line, however many there are.
	All bool
	// Changes shows what has changed in the last hour, too.
	Changes bool
	// Mesh shows the mesh alone, with every peer.
	Mesh bool
	// PostgreSQL shows the database alone.
	PostgreSQL bool
}

// Of many lines only as many are shown; what isn't well comes first.
const (
	maxProblems = 8
	maxRows     = 10
	maxChanges  = 10
)

// screen is what is being written.
type screen struct {
	Options
	strings.Builder
}

// Write writes a snapshot.
func Write(w io.Writer, s *observe.Snapshot, o Options) error {
	out := &screen{Options: o}
	switch {
	case o.Mesh:
		out.problems(Of(s.Problems, "mesh"))
		out.mesh(&s.Mesh)
	case o.PostgreSQL:
		out.problems(Of(s.Problems, "postgresql"))
		out.postgres(&s.PostgreSQL)
	default:
		out.head(s)
		out.problems(s.Problems)
		out.clusters(s.Clusters)
		out.mesh(&s.Mesh)
		out.federation(&s.Federation)
		out.postgres(&s.PostgreSQL)
		out.zone(&s.Zone)
		if o.Changes {
			out.changes(s.Changes)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// Table writes rows under their headings, as tables in a snapshot are.
func Table(w io.Writer, headings []string, rows [][]string, o Options) error {
	out := &screen{Options: o}
	var all []row
	for _, cells := range rows {
		all = append(all, row{cells: cells})
	}
	out.table(headings, all)
	_, err := io.WriteString(w, out.String())
	return err
}

// Of are the problems of a part.
func Of(all []observe.Problem, part string) []observe.Problem {
	return slices.DeleteFunc(slices.Clone(all), func(p observe.Problem) bool { return p.Part != part })
}

func (o *screen) printf(format string, a ...any) { fmt.Fprintf(o, format, a...) }

// title begins a part.
func (o *screen) title(name, text string) {
	if o.Len() > 0 {
		o.WriteByte('\n')
	}
	o.printf("%s  %s\n", o.paint(bold, name), text)
}

func (o *screen) head(s *observe.Snapshot) {
	name := "the hybrid cloud"
	if s.Stack != "" {
		name = "stack " + s.Stack
	}
	word := o.paint(green, "✓ all healthy")
	if n := len(s.Problems); n > 0 {
		word = o.paint(red, "✗ "+count(n, "problem"))
	}
	o.printf("%s  %s  %s\n", o.paint(bold, name), word, o.paint(dim, s.Time.Format("2006-01-02 15:04:05")))
}

// problems are those first that are causes.
func (o *screen) problems(all []observe.Problem) {
	if len(all) == 0 {
		return
	}
	if o.Len() > 0 {
		o.WriteByte('\n')
	}
	for i, p := range all {
		if i == maxProblems && !o.All && len(all) > maxProblems+1 {
			o.printf("%s … and %d more: hybrid status --all\n", o.paint(red, "✗"), len(all)-i)
			break
		}
		o.printf("%s %s\n", o.paint(red, "✗"), p.Text)
		if p.Command != "" {
			o.printf("    %s\n", p.Command)
		}
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
