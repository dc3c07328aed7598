package faults

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// The kinds of events.
const (
	// Acked is a row whose commit was acknowledged.
	Acked = "acked"
	// Local is one of which the server said that no replica may have it.
	Local = "local"
	// Read is an answer to a question for the newest row.
	Read = "read"
	// Failed is a try that failed: the row may be there or not.
	Failed = "failed"
)

// ByName is the target of who asks a service by its name.
const ByName = "by name"

// Event is what a client saw. All clients are of one machine, and have one clock.
type Event struct {
	Kind string `json:"kind"`
	// Client and Target are where it was and whom it asked: a member, or a service.
	Client string `json:"client"`
	Target string `json:"target"`
	// Server and Timeline are those that answered.
	Server   string    `json:"server,omitempty"`
	Timeline int       `json:"timeline,omitempty"`
	Row      int64     `json:"row,omitempty"`
	Begun    time.Time `json:"begun"`
	At       time.Time `json:"at"`
	Error    string    `json:"error,omitempty"`
}

// History has all events.
type History struct {
	mu     sync.Mutex
	events []Event
}

// Add adds one.
func (h *History) Add(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

// Follow adds what a client prints, an event a line, until it ends. Of one that was
// killed, the last line may be a part.
func (h *History) Follow(r io.Reader) error {
	var broken error
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if broken != nil {
			return broken
		}
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			broken = fmt.Errorf("a client says %.200q: %w", lines.Text(), err)
			continue
		}
		h.Add(e)
	}
	return lines.Err()
}

// Events returns a copy of all of a kind.
func (h *History) Events(kind string) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []Event
	for _, e := range h.events {
		if e.Kind == kind {
			all = append(all, e)
		}
	}
	return all
}
