// Command delay makes lines between clouds as long as they are in life: it lets the
// packets of the kernel's queues (NFQUEUE) wait. A router runs it, also where the
// kernel has no netem.
//
//	delay QUEUE=DURATION...
//
// It prints "ready" when all queues are served, and ends when one can't be any more:
// what is in a queue that isn't served is dropped.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/florianl/go-nfqueue/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sync/errgroup"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "delay:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	group, ctx := errgroup.WithContext(context.Background())
	for _, arg := range args {
		number, delay, err := parse(arg)
		if err != nil {
			return err
		}
		l, err := serve(ctx, number, delay, group)
		if err != nil {
			return fmt.Errorf("queue %d: %w: is nfnetlink_queue in the kernel?", number, err)
		}
		group.Go(func() error { return l.run(ctx) })
	}
	fmt.Println("ready")
	return group.Wait()
}

func parse(arg string) (number uint16, delay time.Duration, err error) {
	n, d, _ := strings.Cut(arg, "=")
	parsed, errNumber := strconv.ParseUint(n, 10, 16)
	delay, errDelay := time.ParseDuration(d)
	if errNumber != nil || errDelay != nil || delay <= 0 {
		return 0, 0, fmt.Errorf("want a queue's number and a delay, as in 1=70ms, found %q", arg)
	}
	return uint16(parsed), delay, nil
}

// serve begins to take a queue's packets.
func serve(ctx context.Context, number uint16, delay time.Duration, group *errgroup.Group) (*line, error) {
	queue, err := nfqueue.Open(&nfqueue.Config{
		NfQueue: number, AfFamily: syscall.AF_INET, MaxQueueLen: capacity,
		// The packets themselves stay in the kernel, and large ones whole.
		Copymode: nfqueue.NfQnlCopyMeta, Flags: nfqueue.NfQaCfgFlagGSO,
	})
	if err != nil {
		return nil, err
	}
	// A message for each packet that isn't read yet.
	if err := queue.Con.SetReadBuffer(16 << 20); err != nil {
		return nil, err
	}
	// A burst that overflows it is lost, as on a line; the queue goes on.
	if err := queue.SetOption(netlink.NoENOBUFS, true); err != nil {
		return nil, err
	}
	l := newLine(delay, func(upTo uint32) error { return queue.SetVerdictBatch(upTo, nfqueue.NfAccept) })
	failed := make(chan error, 1)
	err = queue.RegisterWithErrorFunc(ctx, func(a nfqueue.Attribute) int {
		if a.PacketID != nil {
			l.arrive(*a.PacketID)
		}
		return 0
	}, func(err error) int {
		// A change of rules empties the kernel's queue. Releasing a packet that was in it
		// then fails, and the queue still works.
		if errors.Is(err, syscall.ENOENT) {
			return 0
		}
		failed <- err
		return 1
	})
	if err != nil {
		return nil, err
	}
	group.Go(func() error {
		select {
		case err := <-failed:
			return fmt.Errorf("queue %d: %w", number, err)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), queue.Close())
		}
	})
	return l, nil
}
