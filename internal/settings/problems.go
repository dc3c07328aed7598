// Package settings reads a stack's settings strictly, and collects what is wrong
// with them. Each package of the program has a Settings type of its own: this one
// has what these types share.
package settings

import (
	"fmt"
	"slices"
	"strings"
)

// Problems collects what is wrong with the settings.
type Problems []problem

type problem struct{ subject, text string }

// Add notes a problem: what it is about, and what was found, what was expected and
// what to do.
func (p *Problems) Add(subject, format string, args ...any) {
	*p = append(*p, problem{subject, fmt.Sprintf(format, args...)})
}

// AddAll notes several problems of one subject.
func (p *Problems) AddAll(subject string, texts []string) {
	for _, text := range texts {
		p.Add(subject, "%s", text)
	}
}

// Err is one error with all problems, those of one subject together, or nil.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	first := func(a problem) int {
		return slices.IndexFunc(p, func(b problem) bool { return a.subject == b.subject })
	}
	var lines strings.Builder
	for _, a := range slices.SortedStableFunc(slices.Values(p), func(a, b problem) int { return first(a) - first(b) }) {
		lines.WriteString("\n  - " + a.subject + ": " + a.text)
	}
	return fmt.Errorf("the stack's config has %d problem(s):%s", len(p), lines.String())
}

// Rename makes all problems about one subject.
func (p Problems) Rename(subject string) {
	for i := range p {
		p[i].subject = subject
	}
}

// Replace leaves one problem of a subject in place of all others.
func (p *Problems) Replace(subject, text string) {
	*p = slices.DeleteFunc(*p, func(a problem) bool { return a.subject == subject })
	p.Add(subject, "%s", text)
}
