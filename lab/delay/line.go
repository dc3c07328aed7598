package main

import (
	"context"
	"time"
)

// capacity is how many packets may be under way on a line. The kernel drops what is
// more, as a line does that is full.
const capacity = 1 << 17

// line lets packets wait for as long as they are under way, in their order. Packets
// are known by the numbers that the kernel counts them with.
type line struct {
	delay time.Duration
	under chan packet
	// release lets go of all packets up to a number.
	release func(upTo uint32) error
}

type packet struct {
	number uint32
	due    time.Time
}

func newLine(delay time.Duration, release func(uint32) error) *line {
	return &line{delay, make(chan packet, capacity), release}
}

// arrive takes a packet.
func (l *line) arrive(number uint32) { l.under <- packet{number, time.Now().Add(l.delay)} }

// together is how much earlier than it is due a packet may be let go of with another. Each
// release takes the kernel as long as it takes to carry a packet through the lab.
const together = time.Millisecond

// run releases packets when they are due, until ctx ends.
func (l *line) run(ctx context.Context) error {
	var next *packet // has arrived, and isn't due
	for ctx.Err() == nil {
		last := next
		if last == nil {
			select {
			case <-ctx.Done():
				continue
			case p := <-l.under:
				last = &p
			}
		}
		time.Sleep(time.Until(last.due))
		last, next = l.due(last)
		if err := l.release(last.number); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// due returns the last packet that is due when one is, and the one after that; nil if none
// has arrived.
func (l *line) due(last *packet) (_, next *packet) {
	limit := time.Now().Add(together)
	for {
		select {
		case p := <-l.under:
			if p.due.After(limit) {
				return last, &p
			}
			last = &p
		default:
			return last, nil
		}
	}
}
