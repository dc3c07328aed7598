package terminal

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The colors, as terminals number them.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint colors a text, if colors are wanted.
func (o *screen) paint(color, text string) string {
	if !o.Color || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// row is a line of a table.
type row struct {
	cells []string
	bad   bool
}

// table writes rows under their headings, aligned. Of many, it shows those that
// are bad and says how many others there are.
func (o *screen) table(headings []string, rows []row) {
	hidden, alsoBad := 0, 0
	if len(rows) > maxRows && !o.All {
		var shown []row
		for _, r := range rows {
			if r.bad {
				shown = append(shown, r)
			}
		}
		hidden = len(rows) - len(shown)
		if len(shown) > maxRows {
			alsoBad = len(shown) - maxRows
			hidden += alsoBad
			shown = shown[:maxRows]
		}
		rows = shown
	}
	if len(rows) > 0 {
		widths := make([]int, len(headings))
		for i, h := range headings {
			widths[i] = utf8.RuneCountInString(h)
			for _, r := range rows {
				widths[i] = max(widths[i], utf8.RuneCountInString(r.cells[i]))
			}
		}
		o.printf("%s\n", o.paint(dim, line(headings, widths)))
		for _, r := range rows {
			text := line(r.cells, widths)
			if r.bad {
				text = o.paint(red, text)
			}
			o.printf("%s\n", text)
		}
	}
	if hidden > 0 {
		text := fmt.Sprintf("… %d more, all of them well: hybrid status --all", hidden)
		if alsoBad > 0 {
			text = fmt.Sprintf("… %d more, %d of them not well: hybrid status --all", hidden, alsoBad)
		}
		o.printf("  %s\n", o.paint(dim, text))
	}
}

func line(cells []string, widths []int) string {
	var b strings.Builder
	for i, c := range cells {
		fmt.Fprintf(&b, "  %s%s", c, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c)))
	}
	return strings.TrimRight(b.String(), " ")
}
