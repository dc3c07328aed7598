package faults

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Verdict is what was promised and what came of it.
type Verdict struct {
	Acked, Local, Read int
	// Lost are rows that were acknowledged and that the database doesn't have.
	Lost []Event
	// Overlaps are acknowledgements by a server after another one had begun to give
	// any: two could write.
	Overlaps []Overlap
	// Pauses are the longest times without an acknowledgement, or an answer, by client
	// and target.
	Pauses []Pause
}

// Overlap is a row that a server acknowledged although another one was the leader.
type Overlap struct {
	Late  Event // by the one
	Since Event // the first by the other
}

// Pause is the longest one that a client had with a target.
type Pause struct {
	Kind, Client, Target string
	Begun                time.Time
	Lasted               time.Duration
}

// Judge judges a history, by the rows that the database has in the end.
func (h *History) Judge(has map[int64]bool) *Verdict {
	acked := h.Events(Acked)
	reads := h.Events(Read)
	v := &Verdict{Acked: len(acked), Local: len(h.Events(Local)), Read: len(reads)}
	for _, e := range acked {
		if !has[e.Row] {
			v.Lost = append(v.Lost, e)
		}
	}
	v.Overlaps = overlaps(acked)
	v.Pauses = append(pauses(acked), pauses(reads)...)
	return v
}

// reign is the time in which a server acknowledged rows of one timeline.
type reign struct{ first, last Event }

// overlaps finds what was acknowledged by a server after the next one's first
// acknowledgement. Clients see both with one clock; what was still on its way from the
// old one when the new one begins is far older than any election takes.
func overlaps(acked []Event) (all []Overlap) {
	type key struct {
		timeline int
		server   string
	}
	reigns := map[key]*reign{}
	var order []*reign
	slices.SortStableFunc(acked, func(a, b Event) int { return a.At.Compare(b.At) })
	for _, e := range acked {
		k := key{e.Timeline, e.Server}
		r := reigns[k]
		if r == nil {
			r = &reign{first: e}
			reigns[k] = r
			order = append(order, r)
		}
		r.last = e
	}
	for i, r := range order {
		for _, next := range order[i+1:] {
			if r.last.At.After(next.first.At) {
				all = append(all, Overlap{Late: r.last, Since: next.first})
			}
		}
	}
	return all
}

// pauses finds the longest of each client with each target. Time before the first
// event and after the last one isn't counted.
func pauses(events []Event) (all []Pause) {
	last, longest := map[string]Event{}, map[string]Pause{}
	for _, e := range events {
		k := e.Client + " " + e.Target
		if before, ok := last[k]; ok {
			if d := e.At.Sub(before.At); d > longest[k].Lasted {
				longest[k] = Pause{e.Kind, e.Client, e.Target, before.At, d}
			}
		}
		last[k] = e
	}
	for _, p := range longest {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Pause) int { return cmp.Compare(a.Client+" "+a.Target, b.Client+" "+b.Target) })
	return all
}

// Err is nil if all promises were kept.
func (v *Verdict) Err() error {
	var wrong []string
	if n := len(v.Lost); n > 0 {
		e := v.Lost[0]
		wrong = append(wrong, fmt.Sprintf("%d of %d acknowledged rows are lost; the first was acknowledged at %s by %s on timeline %d", n, v.Acked, clock(e.At), e.Server, e.Timeline))
	}
	for _, o := range v.Overlaps {
		wrong = append(wrong, fmt.Sprintf("%s acknowledged a row of timeline %d at %s, though %s did one of timeline %d at %s: two could write",
			o.Late.Server, o.Late.Timeline, clock(o.Late.At), o.Since.Server, o.Since.Timeline, clock(o.Since.At)))
	}
	if v.Acked == 0 {
		wrong = append(wrong, "no row was acknowledged")
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(wrong, "; "))
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }

func (v *Verdict) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d rows acknowledged, %d lost, %d times two could write, %d commits that weren't waited for, %d reads", v.Acked, len(v.Lost), len(v.Overlaps), v.Local, v.Read)
	for _, p := range v.Pauses {
		if p.Target != ByName {
			continue // a client that asks a member itself waits until it leads
		}
		fmt.Fprintf(&b, "\n  %-5s from %-10s longest pause %5.1f s, from %s", p.Kind, p.Client, p.Lasted.Seconds(), clock(p.Begun))
	}
	return b.String()
}
