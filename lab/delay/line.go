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

// run releases packets when they are due, until ctx ends.
func (l *line) run(ctx context.Context) error {
	for {
		var p packet
		select {
		case <-ctx.Done():
			return ctx.Err()
		case p = <-l.under:
		}
		time.Sleep(time.Until(p.due))
		if err := l.release(p.number); err != nil {
			return err
		}
	}
}
