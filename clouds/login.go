package clouds

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// login is how the remote commands of a node reach it: their connection, as it lies
// in the stack's state.
type login struct {
	Host       string `json:"host"`
	User       string `json:"user"`
	PrivateKey string `json:"privateKey"`
	HostKey    string `json:"hostKey"`
	// port is SSH's, unless a test has another.
	port string
}

// run runs a command over SSH with the pinned host key, and gives it a script to
// read. While the node lets it in not yet, it tries again: it may be starting. tell, if
// not nil, gets each line that the command says. The error is what it has said, if it
// fails.
func (l *login) run(ctx context.Context, command, script string, tell func(line string)) error {
	config, err := l.config()
	if err != nil {
		return err
	}
	client, err := l.dial(ctx, config)
	for err != nil {
		if errors.Is(err, errHostKey) { // it stays another machine
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
		// When time is up, the reason why the last try failed says more than that.
		if c, again := l.dial(ctx, config); again == nil || ctx.Err() == nil {
			client, err = c, again
		}
	}
	defer context.AfterFunc(ctx, func() { client.Close() })()
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	var said bytes.Buffer
	session.Stdin, session.Stderr = strings.NewReader(script), &said
	if tell != nil {
		told := make(chan struct{})
		r, w := io.Pipe()
		go func() {
			defer close(told)
			for lines := bufio.NewScanner(r); lines.Scan(); {
				tell(lines.Text())
			}
			_, _ = io.Copy(io.Discard, r) // after a line that is too long
		}()
		defer func() { w.Close(); <-told }()
		session.Stderr = io.MultiWriter(&said, w)
	}
	if err := session.Run(command); err != nil {
		return fmt.Errorf("%s: %w: %s", l.Host, err, strings.TrimSpace(said.String()))
	}
	return nil
}

// errHostKey is that of a machine that is not the one which the stack has met.
var errHostKey = errors.New("host key mismatch")

// config is how the node is spoken to.
func (l *login) config() (*ssh.ClientConfig, error) {
	signer, err := ssh.ParsePrivateKey([]byte(l.PrivateKey))
	if err != nil {
		return nil, fmt.Errorf("%s: the SSH key in the stack's state: %w", l.Host, err)
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey([]byte(l.HostKey))
	if err != nil {
		return nil, fmt.Errorf("%s: the SSH host key in the stack's state: %w", l.Host, err)
	}
	return &ssh.ClientConfig{
		User: l.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyAlgorithms: []string{hostKey.Type()},
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if !bytes.Equal(key.Marshal(), hostKey.Marshal()) {
				return fmt.Errorf("%w: want %s, which the stack's state has, found %s: another machine has this address",
					errHostKey, ssh.FingerprintSHA256(hostKey), ssh.FingerprintSHA256(key))
			}
			return nil
		},
	}, nil
}

func (l *login) dial(ctx context.Context, config *ssh.ClientConfig) (*ssh.Client, error) {
	address := net.JoinHostPort(l.Host, cmp.Or(l.port, "22"))
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	// A machine that has just gone doesn't even close the connection.
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", l.Host, err), conn.Close())
	}
	return ssh.NewClient(c, channels, requests), conn.SetDeadline(time.Time{})
}
