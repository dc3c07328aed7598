package command

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"hybrid/lab/plugins/provider"
)

func call(t *testing.T) *provider.Call {
	return &provider.Call{Context: t.Context(), Untimed: t.Context()}
}

func TestLifecycle(t *testing.T) {
	s := serve(t)
	r := remoteCommand()
	in := m{"connection": s.connection(nil), "create": "echo made", "update": "echo changed", "delete": "echo gone"}
	id, out, err := r.Create(call(t), provider.From(in))
	if err != nil || provider.Str(out, "stdout") != "made" || !strings.HasPrefix(id, "cmd") {
		t.Fatalf("create: %q, %v, %v", id, out["stdout"], err)
	}
	if out, err = r.Update(call(t), id, out, provider.From(in)); err != nil || provider.Str(out, "stdout") != "changed" {
		t.Errorf("update: %v, %v", out["stdout"], err)
	}
	delete(in, "update")
	if out, err = r.Update(call(t), id, out, provider.From(in)); err != nil || provider.Str(out, "stdout") != "made" {
		t.Errorf("an update without a command of its own: %v, %v; want the create command", out["stdout"], err)
	}
	if err := r.Delete(call(t), id, out); err != nil {
		t.Error(err)
	}
	delete(in, "delete")
	if err := r.Delete(call(t), id, provider.From(in)); err != nil {
		t.Errorf("a delete without a command: %v", err)
	}
	if want := []string{"echo made", "echo changed", "echo made", "echo gone"}; !slices.Equal(s.ran, want) {
		t.Errorf("ran %q; want %q", s.ran, want)
	}
}

func TestStdin(t *testing.T) {
	s := serve(t)
	text := strings.Repeat("line\n", 10000)
	_, out, err := remoteCommand().Create(call(t), provider.From(m{"connection": s.connection(nil), "create": "cat", "stdin": text}))
	if err != nil || provider.Str(out, "stdout")+"\n" != text {
		t.Errorf("%d bytes came back, %v; want %d", len(provider.Str(out, "stdout")), err, len(text))
	}
}

func TestEnvironment(t *testing.T) {
	s := serve(t)
	in := m{"connection": s.connection(nil), "create": "echo", "environment": m{"OK_A": "b"}}
	// The former output may be refused: the server's AcceptEnv is seldom set.
	if _, err := remoteCommand().Update(call(t), "id", provider.From(m{"stdout": "before"}), provider.From(in)); err != nil || !slices.Equal(s.env, []string{"OK_A=b"}) {
		t.Errorf("environment %q, %v", s.env, err)
	}
	in["environment"] = m{"A": "b"}
	_, _, err := remoteCommand().Create(call(t), provider.From(in))
	if err == nil || !strings.Contains(err.Error(), "environment variable A") {
		t.Errorf("got %v; want that A isn't taken", err)
	}
}

func TestFailureShowsStderr(t *testing.T) {
	s := serve(t)
	for logging, stdout := range map[string]bool{"": true, logStderr: false, logNone: false} {
		in := m{"connection": s.connection(nil), "create": "fail for a reason"}
		if logging != "" {
			in["logging"] = logging
		}
		_, _, err := remoteCommand().Create(call(t), provider.From(in))
		if err == nil || !strings.Contains(err.Error(), "for a reason") || !strings.Contains(err.Error(), "status 3") {
			t.Errorf("logging %q: got %v; want the status and stderr", logging, err)
		} else if strings.Contains(err.Error(), "on stdout") != stdout {
			t.Errorf("logging %q: stdout in the error: %v; want %v", logging, !stdout, stdout)
		}
		if err != nil && strings.Contains(err.Error(), "fail for") {
			t.Errorf("the error shows the command, which may be secret: %v", err)
		}
	}
}

func TestDialsAgain(t *testing.T) {
	s := serve(t)
	s.refuse = 2
	if _, _, err := remoteCommand().Create(call(t), provider.From(m{"connection": s.connection(nil), "create": "echo"})); err != nil {
		t.Errorf("after two refusals: %v", err)
	}
	s.refuse, s.dialled = 100, 0
	_, _, err := remoteCommand().Create(call(t), provider.From(m{"connection": s.connection(m{"dialErrorLimit": 1}), "create": "echo"}))
	if err == nil || !strings.Contains(err.Error(), "2 attempts") {
		t.Errorf("got %v; want a failure after 2 attempts", err)
	}
}

func TestHostKeyIsPinned(t *testing.T) {
	s := serve(t)
	other, _ := newKey(t)
	start := time.Now()
	_, _, err := remoteCommand().Create(call(t), provider.From(m{
		"connection": s.connection(m{"hostKey": string(ssh.MarshalAuthorizedKey(other.PublicKey())), "dialErrorLimit": 100}), "create": "echo",
	}))
	if !errors.Is(err, errHostKey) || len(s.ran) != 0 {
		t.Errorf("got %v, ran %q; want a refusal", err, s.ran)
	}
	if took := time.Since(start); s.dialled != 1 || took > 5*time.Second {
		t.Errorf("dialled %d times in %v: another key doesn't become the pinned one", s.dialled, took)
	}
}

func TestWrongUserKey(t *testing.T) {
	s := serve(t)
	_, private := newKey(t)
	_, _, err := remoteCommand().Create(call(t), provider.From(m{"connection": s.connection(m{"privateKey": private, "dialErrorLimit": 1}), "create": "echo"}))
	if err == nil || !strings.Contains(err.Error(), "unable to authenticate") {
		t.Errorf("got %v", err)
	}
}

func TestProxy(t *testing.T) {
	s := serve(t)
	// The server doesn't forward: the error is that of the proxy's refusal.
	_, _, err := remoteCommand().Create(call(t), provider.From(m{"connection": s.connection(m{"proxy": s.connection(nil), "dialErrorLimit": 0}), "create": "echo"}))
	if err == nil || len(s.ran) != 0 {
		t.Errorf("got %v, ran %q; want a failure", err, s.ran)
	}
}

func TestCancellationClosesTheSession(t *testing.T) {
	s := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, _, err := remoteCommand().Create(&provider.Call{Context: ctx, Untimed: ctx}, provider.From(m{"connection": s.connection(nil), "create": "hang"}))
		ended <- err
	}()
	for running := false; !running; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		running = len(s.ran) == 1
		s.mu.Unlock()
	}
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v; want a cancellation", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the command goes on")
	}
}

// The vendor's provider waits for the end of a session however long it takes: a step
// that must end in time has to see to that on the machine.
func TestTimeBoundsTheDialingOnly(t *testing.T) {
	s := serve(t)
	timed, expire := context.WithCancelCause(t.Context())
	untimed, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, _, err := remoteCommand().Create(&provider.Call{Context: timed, Untimed: untimed}, provider.From(m{"connection": s.connection(nil), "create": "hang"}))
		ended <- err
	}()
	for running := false; !running; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		running = len(s.ran) == 1
		s.mu.Unlock()
	}
	expire(context.DeadlineExceeded)
	select {
	case err := <-ended:
		t.Fatalf("got %v; want the session to go on", err)
	case <-time.After(200 * time.Millisecond):
	}
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v; want a cancellation", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the command goes on")
	}
	_, _, err := remoteCommand().Create(&provider.Call{Context: timed, Untimed: t.Context()}, provider.From(m{"connection": s.connection(nil), "create": "echo"}))
	if err == nil || !strings.Contains(err.Error(), "connecting to") {
		t.Errorf("got %v; want no dialing when the time is up", err)
	}
}

func TestDeadPeerIsNoticed(t *testing.T) {
	s := serve(t)
	before := keepaliveInterval
	keepaliveInterval = 100 * time.Millisecond
	defer func() { keepaliveInterval = before }()
	ended := make(chan error, 1)
	go func() {
		_, _, err := remoteCommand().Create(call(t), provider.From(m{"connection": s.connection(nil), "create": "hang"}))
		ended <- err
	}()
	for running := false; !running; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		running = len(s.ran) == 1
		s.mu.Unlock()
	}
	select {
	case err := <-ended:
		t.Fatalf("a server that answers is taken for dead: %v", err)
	case <-time.After(5 * keepaliveInterval):
	}
	close(s.mute)
	select {
	case err := <-ended:
		if !errors.Is(err, errPeerGone) {
			t.Errorf("got %v; want %v", err, errPeerGone)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it is not noticed that the server is dead")
	}
}

func TestCheck(t *testing.T) {
	for want, in := range map[string]m{
		"expected one of stdout":   {"logging": "all"},
		"failed to parse host key": {"connection": m{"host": "h", "hostKey": "SHA256:abc"}},
		"from 1 to 65535":          {"connection": m{"host": "h", "port": 0}},
	} {
		if f := check(nil, provider.From(in)); len(f) != 1 || !strings.Contains(f[0].Reason, want) {
			t.Errorf("%v: got %v; want %q", in, f, want)
		}
	}
}

func TestTriggersReplace(t *testing.T) {
	s := remoteCommand().Schema
	if d := s.Diff(provider.From(m{"triggers": []any{"a"}}), nil, provider.From(m{"triggers": []any{"b"}})); len(d.ReplaceKeys) != 1 {
		t.Errorf("another trigger: %+v; want a replacement", d)
	}
	if d := s.Diff(provider.From(m{"create": "a"}), nil, provider.From(m{"create": "b"})); len(d.ReplaceKeys) != 0 {
		t.Errorf("another command: %+v; want an update", d)
	}
}

func TestLines(t *testing.T) {
	var got []string
	l := &lines{say: func(s string) { got = append(got, s) }}
	for _, part := range []string{"a", "b\nc\n", "\nd"} {
		if _, err := l.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	l.flush()
	if want := []string{"ab", "c", "", "d"}; !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
}
