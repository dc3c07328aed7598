package stack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// TestMain makes this program also the `pulumi` of the tests, and a `lab` that runs it.
func TestMain(m *testing.M) {
	var err error
	switch filepath.Base(os.Args[0]) {
	case "pulumi":
		err = pulumi(os.Args[1:])
	case "lab":
		err = lab(os.Args[1:])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// programs makes the cache's folder with such programs.
func programs(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	for _, name := range []string{"pulumi", "lab"} {
		if err := symlink(self, filepath.Join(cache, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	return cache
}

// pulumi, with "proxy", prints by which proxies URLs are asked. With "read" it waits for the end of its input. With "count" and a file it
// writes how many interrupts it gets; with "raw" also, it takes the terminal's keys.
func pulumi(args []string) error {
	if args[0] == "proxy" {
		for _, url := range args[1:] {
			r, err := http.NewRequest(http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			proxy, err := http.ProxyFromEnvironment(r)
			if err != nil {
				return err
			}
			fmt.Println(proxy)
		}
		return nil
	}
	if args[0] == "read" {
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	}
	signals := make(chan os.Signal, 10)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if len(args) > 2 {
		if _, err := term.MakeRaw(int(os.Stdin.Fd())); err != nil {
			return err
		}
	}
	if err := os.WriteFile(args[1]+".ready", nil, 0o600); err != nil {
		return err
	}
	count, end := 0, time.After(10*time.Second)
	for {
		select {
		case <-signals:
			if count++; count == 1 {
				end = time.After(300 * time.Millisecond) // for a second one
			}
		case <-end:
			return os.WriteFile(args[1], fmt.Append(nil, count), 0o600)
		}
	}
}

// lab runs `pulumi` as the lab's command does.
func lab(args []string) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	s := &Stack{Project: args[0], Cache: args[0], State: args[0]}
	if args[1] == "terminal" {
		return s.Run(ctx, os.Stdout, args[2:]...)
	}
	return s.Run(ctx, &bytes.Buffer{}, args[2:]...)
}

func TestPulumiIsInterruptedOnce(t *testing.T) {
	for _, c := range []struct {
		name, mode, raw string
		interrupt       func(lab int, keyboard *os.File) error
	}{
		{"^C", "terminal", "", func(_ int, keyboard *os.File) error { _, err := keyboard.WriteString("\x03"); return err }},
		{"SIGTERM at a terminal", "terminal", "", func(lab int, _ *os.File) error { return syscall.Kill(lab, syscall.SIGTERM) }},
		{"SIGINT while pulumi draws", "terminal", "raw", func(lab int, _ *os.File) error { return syscall.Kill(lab, syscall.SIGINT) }},
		{"^C without pulumi on the terminal", "file", "", func(_ int, keyboard *os.File) error { _, err := keyboard.WriteString("\x03"); return err }},
		{"SIGINT", "file", "", func(lab int, _ *os.File) error { return syscall.Kill(lab, syscall.SIGINT) }},
		{"SIGTERM to the whole group", "file", "", func(lab int, _ *os.File) error { return syscall.Kill(-lab, syscall.SIGTERM) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cache := programs(t)
			count := filepath.Join(cache, "count")
			args := strings.Fields(cache + " " + c.mode + " count " + count + " " + c.raw)
			keyboard, screen := terminal(t)
			cmd := exec.Command(filepath.Join(cache, "bin", "lab"), args...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = screen, screen, screen
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
				if _, err := os.Stat(count + ".ready"); err == nil {
					break
				} else if time.Now().After(deadline) {
					t.Fatal("pulumi doesn't start")
				}
			}
			if err := c.interrupt(cmd.Process.Pid, keyboard); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was interrupted
			if got, err := os.ReadFile(count); err != nil || string(got) != "1" {
				t.Errorf("pulumi got %q interrupts (%v), want 1", got, err)
			}
		})
	}
}

// terminal returns the two ends of a terminal, whose output is not read.
func terminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	return keyboard, screen
}
