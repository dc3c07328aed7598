package replication

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a position in the write-ahead log, in bytes.
type LSN uint64

// ParseLSN reads PostgreSQL's notation, such as 0/1A2B3C4.
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	a, errA := strconv.ParseUint(high, 16, 32)
	b, errB := strconv.ParseUint(low, 16, 32)
	if !ok || errA != nil || errB != nil {
		return 0, fmt.Errorf("expected a position in the write-ahead log, such as 0/1A2B3C4, found %q", text)
	}
	return LSN(a<<32 | b), nil
}

func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint32(l)) }

// Position is how far a server's data go.
type Position struct {
	System   string // identifies the database cluster
	Timeline int    // grows with each promotion
	LSN      LSN
	Address  string // the pod's
	// Master is how far the master was when this replica last heard of it; zero
	// if it hasn't.
	Master LSN
}

func parsePosition(text string) (*Position, error) {
	f := strings.Fields(text)
	if len(f) != 5 {
		return nil, fmt.Errorf("expected system, timeline, position, address and the master's position, found %q", text)
	}
	timeline, err := strconv.Atoi(f[1])
	if err != nil {
		return nil, fmt.Errorf("timeline: %w", err)
	}
	p := &Position{System: f[0], Timeline: timeline, Address: f[3]}
	if p.LSN, err = ParseLSN(f[2]); err != nil {
		return nil, err
	}
	if f[4] != "-" {
		p.Master, err = ParseLSN(f[4])
	}
	return p, err
}

// ahead says whether this position has what the other has, and more.
func (p *Position) ahead(other *Position) bool {
	if p.Timeline != other.Timeline {
		return p.Timeline > other.Timeline
	}
	return p.LSN > other.LSN
}
