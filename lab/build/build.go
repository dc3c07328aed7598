// Package build makes the programs that the lab runs from pinned Go modules,
// and makes none of them again that hasn't changed.
package build

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"hybrid/lab/progress"
)

// Builder builds the programs of one checkout into one folder.
type Builder struct {
	Project string // the checkout
	Cache   string // where the programs go
	Log     *progress.Log
}

// Path is where a program stands once it is built.
func (b *Builder) Path(program string) string { return filepath.Join(b.Cache, "bin", program) }

// Built says whether every program has been built once, of this checkout or of another.
func (b *Builder) Built() (bool, error) {
	programs, err := b.programs()
	if err != nil {
		return false, err
	}
	return b.built(programs), nil
}

func (b *Builder) built(programs []program) bool {
	return !slices.ContainsFunc(programs, func(p program) bool { return !isFile(b.output(p)) })
}

// All builds every program that isn't built. They are compiled one after the other:
// each compilation uses all cores by itself, the largest packages take 5 GB, and what
// programs share is compiled once. Linking takes one core, so that the next program's
// compilation begins meanwhile. It tells built of each program that is there.
func (b *Builder) All(ctx context.Context, built func(name string)) error {
	programs, err := b.programs()
	if err != nil {
		return err
	}
	return b.all(ctx, programs, built)
}

func (b *Builder) all(ctx context.Context, programs []program, built func(name string)) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(2) // a linker takes 2 GB
	for _, p := range programs {
		compiled := make(chan struct{})
		all.Go(func() error {
			next := sync.OnceFunc(func() { close(compiled) })
			if err := b.one(ctx, p, next); err != nil {
				return fmt.Errorf("building %s: %w", p.name, err)
			}
			built(p.name)
			next()
			return nil
		})
		select {
		case <-compiled:
		case <-ctx.Done():
			return all.Wait()
		}
	}
	return all.Wait()
}

// Promtool builds Prometheus' tool for rules, if need be, and returns its path.
func (b *Builder) Promtool(ctx context.Context) (string, error) {
	return b.Path(promtool.name), b.one(ctx, promtool, func() {})
}

// NextKubernetes builds the minor version after that of the lab's clusters, if need be, and
// returns its path.
func (b *Builder) NextKubernetes(ctx context.Context) (string, error) {
	p, err := b.nextKubernetes()
	if err != nil {
		return "", err
	}
	return b.Path(p.name), b.one(ctx, p, func() {})
}

// output is where a program goes.
func (b *Builder) output(p program) string {
	if p.output != "" {
		return p.output
	}
	return b.Path(p.name)
}

// one builds a program, if need be. It calls compiled when only the linking is left.
func (b *Builder) one(ctx context.Context, p program, compiled func()) error {
	sum, err := p.sum(ctx, b.Project)
	if err != nil {
		return err
	}
	out := b.output(p)
	stamp := filepath.Join(b.Cache, "stamps", p.name)
	if built, err := os.ReadFile(stamp); err == nil && string(built) == sum && isFile(out) {
		return nil
	}
	return b.Log.Do("build "+p.name, func(s *progress.Step) error {
		flags, err := p.flags(ctx, b)
		if err != nil {
			return err
		}
		cpu, err := compile(ctx, s, filepath.Join(b.Project, p.dir), out, p, flags, compiled)
		if err != nil {
			return err
		}
		s.Result("%.0f CPU-s", cpu.Seconds())
		if err := b.record(p.name, cpu); err != nil {
			return err
		}
		// The stamp comes last: a build that was killed is done again.
		return writeFile(stamp, sum)
	})
}

// compile runs `go build` and returns the CPU time that it took.
func compile(ctx context.Context, s *progress.Step, dir, out string, p program, flags []string, compiled func()) (time.Duration, error) {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return 0, err
	}
	main, err := output(ctx, dir, slices.Concat([]string{"go", "list"}, flags, []string{p.pkg})...)
	if err != nil {
		return 0, err
	}
	// A running program's file can't be written to, but it can be replaced.
	fresh := out + ".new"
	args := slices.Concat([]string{"build", "-v", "-o", fresh, "-ldflags", p.ldflags}, flags, []string{p.pkg})
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, append([]string{rarely}, Env()...) // a user's own counts
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	said := watch(stderr, func(n int, pkg string) {
		s.Note("%d packages compiled, the last %s", n, pkg)
		if pkg == main { // the last one: it imports all others
			s.Note("link")
			compiled()
		}
	})
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("go %v in %s: %w\n%s", args, dir, err, said)
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return cpu, os.Rename(fresh, out)
}

// watch tells of each package that the compiler names and keeps what else is said.
func watch(r io.Reader, compiled func(n int, pkg string)) string {
	var said []string
	lines, n := bufio.NewScanner(r), 0
	for lines.Scan() {
		line := lines.Text()
		if isPackage(line) {
			n++
			compiled(n, line)
			continue
		}
		said = append(said, line)
	}
	var b bytes.Buffer
	for _, l := range said[max(0, len(said)-40):] {
		fmt.Fprintln(&b, l)
	}
	return b.String()
}

// isPackage tells `go build -v`'s package names from messages, which have
// spaces or colons.
func isPackage(line string) bool {
	return line != "" && !bytes.ContainsAny([]byte(line), " \t:#")
}

// record adds to the log of build times, from which docs/performance.md's
// figures are read.
func (b *Builder) record(name string, cpu time.Duration) error {
	f, err := os.OpenFile(filepath.Join(b.Cache, "build-times.tsv"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s\t%s\t%.1f\n", time.Now().UTC().Format(time.RFC3339), name, cpu.Seconds())
	return errors.Join(err, f.Close())
}

func isFile(path string) bool {
	i, err := os.Stat(path)
	return err == nil && i.Mode().IsRegular()
}

func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// output runs a command in a folder and returns what it prints.
func output(ctx context.Context, dir string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, Env()
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return "", fmt.Errorf("%v in %s: %w", slices.Clone(argv), dir, err)
	}
	return string(bytes.TrimSpace(out)), nil
}
