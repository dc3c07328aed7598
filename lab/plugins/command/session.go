package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"hybrid/lab/plugins/provider"
)

// maxErrorOutput is how much of a failed command's output its error carries, in
// bytes from the end.
const maxErrorOutput = 8 * 1024

// keepaliveInterval is how often a peer is asked whether it lives, and how long
// it may take to answer. A VM that is gone sends nothing that would end the
// connection.
var keepaliveInterval = 15 * time.Second

// errPeerGone says that the other end no longer answers.
var errPeerGone = errors.New("the connection is dead: the server no longer answers")

type variable struct {
	name, value string
	optional    bool
}

// session is one command.
type session struct {
	script, stdin, logging string
	environment            []variable
}

// execute runs a command and returns its stdout and stderr. As with the vendor it
// waits however long that takes: the resource's time bounds the dialing only.
func execute(c *provider.Call, conn *client, s session) (props, error) {
	ctx, cancel := context.WithCancelCause(c.Untimed)
	defer cancel(nil)
	// Closing the connection is what ends a session that waits for its server.
	stop := context.AfterFunc(ctx, func() { conn.Client.Close() })
	defer stop()
	go keepalive(ctx, conn, cancel)

	ses, err := conn.NewSession()
	if err != nil {
		return nil, cause(ctx, err)
	}
	defer ses.Close()
	for _, v := range s.environment {
		if err := ses.Setenv(v.name, v.value); err != nil {
			if !v.optional {
				return nil, cause(ctx, fmt.Errorf("the SSH server doesn't take the environment variable %s (its AcceptEnv doesn't name it): %w", v.name, err))
			}
			c.Log.Status(ctx, c.URN, fmt.Sprintf("the SSH server doesn't take %s: its AcceptEnv doesn't name it", v.name))
		}
	}
	if s.stdin != "" {
		ses.Stdin = strings.NewReader(s.stdin)
	}
	out := capture(ctx, c, s.logging)
	ses.Stdout, ses.Stderr = out.writers()
	return out.end(cause(ctx, ses.Run(s.script)))
}

// captured is what a command prints.
type captured struct {
	stdout, stderr, failed bytes.Buffer
	outLines, errLines     *lines
	logging                string
}

func capture(ctx context.Context, c *provider.Call, logging string) *captured {
	info := func(line string) { c.Log.Info(ctx, c.URN, line) }
	return &captured{outLines: &lines{say: info}, errLines: &lines{say: info}, logging: logging}
}

func (p *captured) writers() (stdout, stderr io.Writer) {
	// What must not be logged must not be in an error either, but for stderr:
	// without it there is no telling what went wrong.
	outWriters, errWriters := []io.Writer{&p.stdout}, []io.Writer{&p.stderr, &p.failed}
	if p.logging == "" || p.logging == logBoth || p.logging == logStdout {
		outWriters = append(outWriters, p.outLines, &p.failed)
	}
	if p.logging == "" || p.logging == logBoth || p.logging == logStderr {
		errWriters = append(errWriters, p.errLines)
	}
	lock := &sync.Mutex{}
	return &lockedWriter{lock, io.MultiWriter(outWriters...)}, &lockedWriter{lock, io.MultiWriter(errWriters...)}
}

// end is the outputs of a command that has ended.
func (p *captured) end(err error) (props, error) {
	p.outLines.flush()
	p.errLines.flush()
	if err != nil {
		return nil, withOutput(err, p.failed.Bytes())
	}
	return provider.From(map[string]any{
		"stdout": strings.TrimSuffix(p.stdout.String(), "\n"), "stderr": strings.TrimSuffix(p.stderr.String(), "\n"),
	}), nil
}

// cause prefers the reason why the context ended to the error that it led to.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil && err != nil {
		return c
	}
	return err
}

func withOutput(err error, output []byte) error {
	output = bytes.TrimSpace(output[max(0, len(output)-maxErrorOutput):])
	if len(output) == 0 {
		return err
	}
	return fmt.Errorf("%w:\n%s", err, output)
}

// keepalive asks the server for a sign of life until the context ends, and ends
// it if there is none.
func keepalive(ctx context.Context, conn *client, cancel context.CancelCauseFunc) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(keepaliveInterval):
		}
		answered := make(chan error, 1)
		go func() {
			// Any answer will do: servers refuse requests that they don't know.
			_, _, err := conn.SendRequest("keepalive@openssh.com", true, nil)
			answered <- err
		}()
		select {
		case <-ctx.Done():
			return
		case err := <-answered:
			if err != nil {
				cancel(fmt.Errorf("%w: %w", errPeerGone, err))
				return
			}
		case <-time.After(keepaliveInterval):
			cancel(errPeerGone)
			return
		}
	}
}

// lines passes on whole lines.
type lines struct {
	say  func(string)
	rest []byte
}

func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte{'\n'})
		if !found {
			return len(b), nil
		}
		l.say(string(line))
		l.rest = rest
	}
}

func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.say(string(l.rest))
		l.rest = nil
	}
}

// lockedWriter is a writer that the two streams of a session share.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
