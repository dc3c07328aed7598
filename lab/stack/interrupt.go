package stack

import (
	"context"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// share lets a command read the terminal, which only the foreground process group may.
// It gets each interrupt once all the same: at the second one Pulumi ends at once and
// leaves its state unfinished.
func share(ctx context.Context, cmd *exec.Cmd) {
	interrupt := cmd.Cancel
	cmd.SysProcAttr = nil
	cmd.Cancel = func() error {
		if typed(ctx) {
			return nil // the terminal has told it
		}
		return interrupt()
	}
}

// typed says whether ctx, of signal.NotifyContext, was ended by the terminal: with ^C
// it interrupts all of the foreground group. In raw mode, as when Pulumi draws on it,
// ^C is a key like others, and an interrupt comes from elsewhere.
func typed(ctx context.Context) bool {
	if cause := context.Cause(ctx); cause == nil || cause.Error() != os.Interrupt.String()+" signal received" {
		return false
	}
	terminal := int(os.Stdin.Fd())
	group, err := unix.IoctlGetInt(terminal, unix.TIOCGPGRP)
	if err != nil || group != unix.Getpgrp() {
		return false
	}
	mode, err := unix.IoctlGetTermios(terminal, unix.TCGETS)
	return err == nil && mode.Lflag&unix.ISIG != 0
}
