package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// AptInstall installs Debian packages without those that they only recommend.
// It needs root on Debian or Ubuntu.
func AptInstall(ctx context.Context, progress func(string), packages ...string) error {
	if os.Geteuid() != 0 || !debianLike() {
		return fmt.Errorf("installing %s: this is not root on Debian or Ubuntu: install it by hand", strings.Join(packages, ", "))
	}
	// One of many sources that can't be reached fails the update, but matters only
	// if the installation fails too.
	updated := aptGet(ctx, progress, "update")
	install := append([]string{"install", "-y", "--no-install-recommends"}, packages...)
	if err := aptGet(ctx, progress, install...); err != nil {
		return errors.Join(updated, err)
	}
	return nil
}

// Some other apt-get, such as the nightly one, may be at work.
const (
	aptTimeout = 5 * time.Minute
	aptRetry   = 2 * time.Second
)

func aptGet(ctx context.Context, progress func(string), arguments ...string) error {
	tick := time.NewTicker(aptRetry)
	defer tick.Stop()
	for deadline := time.Now().Add(aptTimeout); ; {
		cmd := exec.CommandContext(ctx, "apt-get", arguments...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
		err := RunWithProgress(cmd, progress)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("apt-get %s: %w", strings.Join(arguments, " "), err)
		if !locked(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
			progress("waiting for another apt-get to end")
		}
	}
}

// locked reads it from apt-get's messages: its exit status is the same for all errors.
func locked(err error) bool {
	return strings.Contains(err.Error(), "Could not get lock") || strings.Contains(err.Error(), "Unable to acquire the dpkg frontend lock")
}

// RunWithProgress runs a command and hands on the lines that it prints. Output
// that the command sends elsewhere stays there. A failure carries the last lines.
func RunWithProgress(cmd *exec.Cmd, progress func(string)) error {
	r, w := io.Pipe()
	if cmd.Stdout == nil {
		cmd.Stdout = w
	}
	cmd.Stderr = w
	var last []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			progress(lines.Text())
			last = append(last, lines.Text())
			last = last[max(0, len(last)-5):]
		}
		_, _ = io.Copy(io.Discard, r) // a line too long to scan must not block the command
	}()
	err := cmd.Run()
	w.Close()
	<-done
	if err != nil {
		return fmt.Errorf("%w; it said:\n%s", err, strings.Join(last, "\n"))
	}
	return nil
}

// debianLike says whether apt-get installs this system's packages.
func debianLike() bool {
	text, err := os.ReadFile("/etc/os-release")
	return err == nil && isDebianLike(string(text))
}

// isDebianLike reads os-release(5): ID, or one of the words of ID_LIKE.
func isDebianLike(osRelease string) bool {
	for line := range strings.Lines(osRelease) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key != "ID" && key != "ID_LIKE" {
			continue
		}
		ids := strings.Fields(strings.Trim(value, `"'`))
		if slices.Contains(ids, "debian") || slices.Contains(ids, "ubuntu") {
			return true
		}
	}
	return false
}
