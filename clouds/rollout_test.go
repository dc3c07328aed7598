package clouds

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"golang.org/x/crypto/ssh"
)

// rolled makes clusters after a former update, and returns the hooks of their nodes' turns.
func rolled(t *testing.T, former mockcloud.Former, make func(*pulumi.Context, *Rollout) error) (r *mockcloud.Record, hooks []string) {
	t.Helper()
	r, err := mockcloud.RunAfter(former, false, nil, func(ctx *pulumi.Context) error {
		f, err := ReadFormer(ctx)
		if err != nil {
			return err
		}
		rollout := NewRollout(ctx, f)
		rollout.register = func(name string, _ pulumi.ResourceHookFunction, _ *pulumi.ResourceHookOptions) (*pulumi.ResourceHook, error) {
			hooks = append(hooks, name)
			return nil, nil
		}
		return make(ctx, rollout)
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, hooks
}

// Machines that get another type take turns over all clusters, and no others wait.
func TestTurns(t *testing.T) {
	t.Parallel()
	connection := map[string]any{"connection": map[string]any{"host": "192.0.2.1", "user": "root", "privateKey": "key", "hostKey": "host key"}}
	former := mockcloud.Former{
		Outputs: map[string]any{"clusters": map[string]any{"london": map[string]any{}, "paris": map[string]any{}}},
		Resources: map[string]map[string]any{
			"london-1 digitalocean:index/droplet:Droplet": {"size": "small"},
			"london-2 digitalocean:index/droplet:Droplet": {"size": "large"},
			"london-3 digitalocean:index/droplet:Droplet": {"size": "small"},
			"paris-1 aws:ec2/instance:Instance":           {"instanceType": "small"},
			"paris-2 aws:ec2/instance:Instance":           {"instanceType": "large"},
			"london-1-init command:remote:Command":        connection,
			"paris-1-init command:remote:Command":         connection,
		},
	}
	r, hooks := rolled(t, former, func(ctx *pulumi.Context, rollout *Rollout) error {
		a := args(DigitalOcean)
		a.Workers, a.ControlPlaneType, a.WorkerType, a.Rollout = 3, "large", "large", rollout
		if _, err := NewCluster(ctx, "london", a); err != nil {
			return err
		}
		a = args(AWS)
		a.ControlPlaneType, a.WorkerType, a.Rollout = "large", "large", rollout
		_, err := NewCluster(ctx, "paris", a)
		return err
	})
	want := []string{"london-1-empty", "london-1-return", "london-3-empty", "london-3-return", "paris-1-empty", "paris-1-return"}
	if !slices.Equal(hooks, want) {
		t.Errorf("hooks %v, want %v", hooks, want)
	}
	for _, c := range []struct {
		name, other string
		want        bool
	}{
		{"london-3", "london-1", true},
		{"paris-1", "london-3", true},
		// These don't change.
		{"london-2", "london-1", false}, {"london-4", "london-1", false}, {"paris-2", "paris-1", false},
	} {
		if got := r.Needs(c.name, c.other); got != c.want {
			t.Errorf("%s waits for %s: %v, want %v", c.name, c.other, got, c.want)
		}
	}
}

// A cluster that isn't one yet has nothing to drain; one whose control plane can't be
// reached, as far as the state tells, stops no machine.
func TestTurnNeedsAControlPlane(t *testing.T) {
	t.Parallel()
	resources := map[string]map[string]any{"london-2 aws:ec2/instance:Instance": {"instanceType": "small"}}
	r := &Rollout{former: &Former{resources: resources}}
	if turn, opts, err := r.turn("london", "london-2", "large"); err != nil || turn.rollout != nil || len(opts) > 0 {
		t.Errorf("found %v, %v, want no turn", turn, err)
	}
	resources["london-1-init command:remote:Command"] = map[string]any{}
	if _, _, err := r.turn("london", "london-2", "large"); err == nil || !strings.Contains(err.Error(), "london-1-init") {
		t.Errorf("found %v, want an error about london-1-init", err)
	}
}

// sshServer runs one command, and returns how it is reached and what it was given.
func sshServer(t *testing.T, status byte) (l *login, command, script *string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if string(k.Marshal()) != string(key.Marshal()) {
			return nil, io.EOF
		}
		return nil, nil
	}}
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	command, script = new(string), new(string)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, channels, requests, err := ssh.NewServerConn(conn, config)
				if err != nil {
					return
				}
				go ssh.DiscardRequests(requests)
				for c := range channels {
					channel, asked, err := c.Accept()
					if err != nil {
						return
					}
					for r := range asked {
						_ = r.Reply(true, nil)
						if r.Type != "exec" {
							continue
						}
						text, _ := io.ReadAll(channel)
						*command, *script = string(r.Payload[4:]), string(text)
						_, _ = io.WriteString(channel.Stderr(), "said so")
						_, _ = channel.SendRequest("exit-status", false, []byte{0, 0, 0, status})
						channel.Close()
						break
					}
				}
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return &login{Host: "127.0.0.1", port: port, User: "root", PrivateKey: string(pem.EncodeToMemory(block)), HostKey: string(ssh.MarshalAuthorizedKey(key))}, command, script
}

func TestLogin(t *testing.T) {
	t.Parallel()
	l, command, script := sshServer(t, 0)
	if err := l.run(t.Context(), "sh -s turn leave", "the script", nil); err != nil || *command != "sh -s turn leave" || *script != "the script" {
		t.Errorf("found %v, command %q, script %q", err, *command, *script)
	}
	l, _, _ = sshServer(t, 1)
	if err := l.run(t.Context(), "x", "", nil); err == nil || !strings.Contains(err.Error(), "said so") {
		t.Errorf("found %v, want what the command has said", err)
	}
	// Another host than the one that the stack has met is given nothing, and not asked again.
	l, command, _ = sshServer(t, 0)
	other, _, _ := sshServer(t, 0)
	l.HostKey = other.HostKey
	if err := l.run(t.Context(), "x", "secret", nil); !errors.Is(err, errHostKey) || *command != "" {
		t.Errorf("found %v, command %q", err, *command)
	}
	// Nor is anything tried without a key.
	l.PrivateKey = ""
	if err := l.run(t.Context(), "x", "secret", nil); err == nil || !strings.Contains(err.Error(), "the SSH key in the stack's state") {
		t.Errorf("found %v", err)
	}
}

func TestTurnScript(t *testing.T) {
	t.Parallel()
	params := map[string]string{"NODE": "london-2", "VERSION": ""}
	const pods = `Running=True kube-system/well\nRunning=False default/slow\nSucceeded=False default/done\nFailed=False default/gone\n`
	answers := func(m *machine, ready, pods string) {
		// The lease is renewed each time.
		m.Program("kubectl", `case $* in
		*"get lease"*) echo x >>`+m.Dir+`/renewals; grep -c x `+m.Dir+`/renewals ;;
		*"get pods"*) printf '`+pods+`' ;;
		*drain*) ;;
		*kubeletVersion*) printf '`+ready+`=v1.35.4' ;;
		*"get node"*) printf '`+ready+`' ;;
		esac`)
	}
	m := newMachine(t)
	answers(m, "True", pods)
	_, stderr, calls, err := m.run("turn", "empty", params)
	if err != nil || !slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, "drain london-2") }) {
		t.Errorf("found %v, %s: %v", err, stderr, calls)
	}
	// One was not ready before: it needn't be afterwards.
	_, stderr, calls, err = m.run("turn", "return", params)
	if err != nil || !slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, "uncordon london-2") }) {
		t.Errorf("found %v, %s: %v", err, stderr, calls)
	}
	// Nor while it has another version than it should.
	if _, stderr, calls, err = m.run("turn", "return", map[string]string{"NODE": "london-2", "VERSION": "v1.36.5"}); err == nil || !strings.Contains(stderr, "not Ready with Kubernetes v1.36.5") || strings.Contains(strings.Join(calls, "\n"), "uncordon") {
		t.Errorf("found %v, %s", err, stderr)
	}
	// The next node's turn doesn't come while pods are missing.
	if _, _, _, err = m.run("turn", "empty", params); err != nil {
		t.Fatal(err)
	}
	m.Program("sleep", "")
	answers(m, "True", pods+`Pending= default/new\n`)
	if _, stderr, _, err = m.run("turn", "return", params); err == nil || !strings.Contains(stderr, "london-2 came back, so no other node is stopped: pod default/slow, pod default/new;") {
		t.Errorf("found %v, %s", err, stderr)
	}
	// Nor while the node isn't Ready.
	answers(m, "Unknown", pods)
	if _, stderr, calls, err = m.run("turn", "return", params); err == nil || !strings.Contains(stderr, "not Ready") || strings.Contains(strings.Join(calls, "\n"), "uncordon") {
		t.Errorf("found %v, %s", err, stderr)
	}
}
