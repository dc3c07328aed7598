package progress

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Idle passes on what is written to it and adds a line whenever nothing came
// for a Heartbeat. It is for the output of a program that is silent while it
// waits, such as `pulumi up` without a terminal. It is safe for concurrent use.
type Idle struct {
	mu    sync.Mutex
	w     io.Writer
	start time.Time
	timer *time.Timer
	every time.Duration
}

// NewIdle starts at once; Close ends it.
func NewIdle(w io.Writer) *Idle { return newIdle(w, Heartbeat) }

func newIdle(w io.Writer, every time.Duration) *Idle {
	i := &Idle{w: w, start: time.Now(), every: every}
	i.timer = time.AfterFunc(every, i.beat)
	return i
}

func (i *Idle) beat() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.timer == nil {
		return
	}
	fmt.Fprintf(i.w, "  … %s\n", time.Since(i.start).Round(time.Second))
	i.timer.Reset(i.every)
}

// Write implements io.Writer.
func (i *Idle) Write(b []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.timer != nil {
		i.timer.Reset(i.every)
	}
	return i.w.Write(b)
}

// Close ends the heartbeat.
func (i *Idle) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.timer.Stop()
	i.timer = nil
	return nil
}
