package languagehost

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	compile "hybrid/lab/build"
)

// The times after which a build says that it goes on: the first one, and from
// then on. A cold build of the clouds' SDKs takes minutes.
var (
	firstNews = 3 * time.Second
	newsEvery = 5 * time.Second
)

// build compiles the package in a folder into a file. `go build` doesn't touch
// the file if it is up to date.
func build(ctx context.Context, dir, target string, say func(string)) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("the folder for the program: %w", err)
	}
	// With -v go names each package when it starts on it. The environment is that of
	// the lab's own builds: with another one all would be compiled once more.
	cmd := exec.CommandContext(ctx, "go", "build", "-v", "-o", target, ".")
	cmd.Dir, cmd.Env = dir, compile.Env()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p := newProgress()
	out, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	var read sync.WaitGroup
	read.Go(func() { p.read(out) })
	done := make(chan struct{})
	read.Go(func() { p.report(done, say) })
	err := runLocked(cmd)
	w.Close()
	close(done)
	read.Wait()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("building the program was interrupted: %w", ctx.Err())
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("building the program: there is no `go` on PATH: install Go from https://go.dev/dl")
	case err != nil:
		return fmt.Errorf("the program doesn't compile (go build in %s: %w):\n%s", dir, err, p.errors())
	}
	return nil
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// packageLine is what `go build -v` prints when it starts on a package.
var packageLine = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.~/+-]*$`)

// progress is what a build has printed.
type progress struct {
	mu       sync.Mutex
	start    time.Time
	packages int
	latest   string
	failed   []string
}

func newProgress() *progress { return &progress{start: time.Now()} }

// read sorts lines into packages and errors.
func (p *progress) read(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			p.add(line)
		}
		if err != nil {
			return
		}
	}
}

func (p *progress) add(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case packageLine.MatchString(line):
		p.packages++
		p.latest = line
	case strings.HasPrefix(line, "go: downloading "):
		p.latest = strings.TrimPrefix(line, "go: ")
	default:
		p.failed = append(p.failed, line)
	}
}

// report says where the build is until it is done.
func (p *progress) report(done <-chan struct{}, say func(string)) {
	timer := time.NewTimer(firstNews)
	defer timer.Stop()
	for {
		select {
		case <-done:
			return
		case <-timer.C:
			say(p.line())
			timer.Reset(newsEvery)
		}
	}
}

func (p *progress) line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	seconds := int(time.Since(p.start).Seconds())
	if p.latest == "" {
		return fmt.Sprintf("building the program: %d s", seconds)
	}
	return fmt.Sprintf("building the program: %d s, %d packages, at %s", seconds, p.packages, p.latest)
}

// errors returns the lines that tell what is wrong, each package's under its
// name as go prints them.
func (p *progress) errors() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.failed) == 0 {
		return "(go printed no reason)"
	}
	return strings.Join(p.failed, "\n")
}
