package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"hybrid/lab/plugins/provider"
)

// The vendor's defaults, and how the pauses between dials grow.
const (
	defaultDials   = 10
	defaultTimeout = 15 // seconds per dial
	firstPause     = 200 * time.Millisecond
	longestPause   = 5 * time.Second
)

// errHostKey says that the other end isn't who it should be. No retry mends it.
var errHostKey = errors.New("the server's host key isn't the pinned one")

// client is a connection, perhaps through another one.
type client struct {
	*ssh.Client
	closers []func() error
}

// Close closes the connection and those that it goes through.
func (c *client) Close() error {
	err := c.Client.Close()
	for _, f := range c.closers {
		err = errors.Join(err, f())
	}
	return err
}

// dial connects, through the proxy if there is one.
func dial(c *provider.Call, con props) (*client, error) {
	through := func(ctx context.Context, d *net.Dialer, addr string) (net.Conn, error) {
		return d.DialContext(ctx, "tcp", addr)
	}
	var closers []func() error
	if proxy := provider.Obj(con, "proxy"); proxy != nil {
		p, err := retry(c, proxy, through)
		if err != nil {
			return nil, fmt.Errorf("the proxy: %w", err)
		}
		closers = append(closers, p.Close)
		through = func(ctx context.Context, _ *net.Dialer, addr string) (net.Conn, error) {
			return p.DialContext(ctx, "tcp", addr)
		}
	}
	end, err := retry(c, con, through)
	if err != nil {
		for _, f := range closers {
			err = errors.Join(err, f())
		}
		return nil, err
	}
	end.closers = append(end.closers, closers...)
	return end, nil
}

type dialer func(ctx context.Context, d *net.Dialer, addr string) (net.Conn, error)

// retry dials as often as the connection's dialErrorLimit allows: a machine that
// has just been created answers after some seconds.
func retry(c *provider.Call, con props, through dialer) (*client, error) {
	cfg, closer, err := config(con)
	if err != nil {
		return nil, err
	}
	addr := net.JoinHostPort(provider.Str(con, "host"), strconv.Itoa(provider.Int(con, "port", 22)))
	limit, pause := provider.Int(con, "dialErrorLimit", defaultDials), firstPause
	for try := 1; ; try++ {
		conn, err := connect(c, addr, cfg, through)
		if err == nil {
			return &client{conn, []func() error{closer}}, nil
		}
		if errors.Is(err, errHostKey) || limit >= 0 && try > limit || c.Err() != nil {
			return nil, errors.Join(fmt.Errorf("connecting to %s as %s, %d attempts: %w", addr, cfg.User, try, err), closer())
		}
		c.Log.Status(c, c.URN, fmt.Sprintf("dial %d of %s failed, trying again: %v", try, addr, err))
		select {
		case <-c.Done():
		case <-time.After(pause):
		}
		pause = min(pause*3/2, longestPause)
	}
}

// connect dials once. The timeout bounds the handshake too: a host that accepts
// and then says nothing would hold us for ever.
func connect(ctx context.Context, addr string, cfg *ssh.ClientConfig, through dialer) (*ssh.Client, error) {
	if cfg.Timeout > 0 {
		timed, cancel := context.WithTimeout(ctx, cfg.Timeout)
		defer cancel()
		ctx = timed
	}
	conn, err := through(ctx, &net.Dialer{Timeout: cfg.Timeout}, addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	cc, channels, requests, err := ssh.NewClientConn(conn, addr, cfg)
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("no SSH handshake: %w", ctx.Err())
		}
		return nil, err
	}
	if !stop() {
		cc.Close()
		return nil, ctx.Err()
	}
	return ssh.NewClient(cc, channels, requests), nil
}

// config makes an SSH client's configuration of a connection, and a function
// that frees what it holds.
func config(con props) (*ssh.ClientConfig, func() error, error) {
	user := provider.Str(con, "user")
	if user == "" {
		user = "root"
	}
	cfg := &ssh.ClientConfig{
		User: user, HostKeyCallback: ssh.InsecureIgnoreHostKey(), // as the vendor's, where nothing is pinned
		Timeout: time.Duration(provider.Int(con, "perDialTimeout", defaultTimeout)) * time.Second,
	}
	if text := provider.Str(con, "hostKey"); text != "" {
		key, err := parseHostKey(text)
		if err != nil {
			return nil, nil, err
		}
		// The server is asked for no particular type of key, as by the vendor's
		// provider: a server with several may show one of another type, and fails.
		cfg.HostKeyCallback = func(host string, remote net.Addr, found ssh.PublicKey) error {
			if err := ssh.FixedHostKey(key)(host, remote, found); err != nil {
				return fmt.Errorf("%w: expected %s %s, found %s %s (a server that has keys of several types may show any: let it have the pinned one alone)",
					errHostKey, key.Type(), ssh.FingerprintSHA256(key), found.Type(), ssh.FingerprintSHA256(found))
			}
			return nil
		}
	}
	if err := authenticate(cfg, con); err != nil {
		return nil, nil, err
	}
	sock := provider.Str(con, "agentSocketPath")
	if sock == "" {
		sock = os.Getenv("SSH_AUTH_SOCK")
	}
	if sock == "" {
		if len(cfg.Auth) == 0 {
			return nil, nil, errors.New("the connection has no privateKey, no password and no SSH agent: set one of them")
		}
		return cfg, func() error { return nil }, nil
	}
	conn, err := net.Dial("unix", sock)
	if err != nil {
		return nil, nil, fmt.Errorf("the SSH agent: %w", err)
	}
	cfg.Auth = append(cfg.Auth, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
	return cfg, conn.Close, nil
}

func parseHostKey(text string) (ssh.PublicKey, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("failed to parse host key (expected a line such as /etc/ssh/ssh_host_ed25519_key.pub has): %w", err)
	}
	return key, nil
}

// authenticate adds the private key and the password.
func authenticate(cfg *ssh.ClientConfig, con props) error {
	if text := provider.Str(con, "privateKey"); text != "" {
		var signer ssh.Signer
		var err error
		if password := provider.Str(con, "privateKeyPassword"); password != "" {
			signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(text), []byte(password))
		} else {
			signer, err = ssh.ParsePrivateKey([]byte(text))
		}
		if err != nil {
			return fmt.Errorf("privateKey: %w", err)
		}
		cfg.Auth = append(cfg.Auth, ssh.PublicKeys(signer))
	}
	if password := provider.Str(con, "password"); password != "" {
		answer := func(_, _ string, questions []string, _ []bool) ([]string, error) {
			answers := make([]string, len(questions))
			for i := range answers {
				answers[i] = password
			}
			return answers, nil
		}
		cfg.Auth = append(cfg.Auth, ssh.Password(password), ssh.KeyboardInteractive(answer))
	}
	return nil
}
