package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		type released struct {
			number uint32
			after  time.Duration
		}
		var got []released
		start := time.Now()
		l := newLine(70*time.Millisecond, func(n uint32) error {
			got = append(got, released{n, time.Since(start)})
			return nil
		})
		ended := make(chan error)
		go func() { ended <- l.run(ctx) }()
		l.arrive(1)
		l.arrive(2)
		time.Sleep(50 * time.Millisecond)
		l.arrive(3)
		time.Sleep(time.Second)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		want := []released{{2, 70 * time.Millisecond}, {3, 120 * time.Millisecond}}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestParse(t *testing.T) {
	if n, d, err := parse("2=1.5ms"); n != 2 || d != 1500*time.Microsecond || err != nil {
		t.Errorf("got %d, %s, %v", n, d, err)
	}
	for _, arg := range []string{"", "1", "1=", "x=1ms", "70000=1ms", "1=0s", "1=-5ms"} {
		if n, d, err := parse(arg); err == nil {
			t.Errorf("%q: got %d, %s", arg, n, d)
		}
	}
}
