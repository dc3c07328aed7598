package command

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

type m = map[string]any

// server is an SSH server in this process.
type server struct {
	*testing.T
	addr    *net.TCPAddr
	hostKey ssh.Signer
	client  string // the private key that it lets in

	mu      sync.Mutex
	ran     []string
	env     []string
	refuse  int           // so many connections are closed at once
	mute    chan struct{} // from its closing on nothing is answered
	dialled int
}

func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, string(pem.EncodeToMemory(block))
}

func serve(t *testing.T) *server {
	t.Helper()
	t.Setenv("SSH_AUTH_SOCK", "")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	s := &server{T: t, addr: listener.Addr().(*net.TCPAddr), mute: make(chan struct{})}
	s.hostKey, _ = newKey(t)
	user, private := newKey(t)
	s.client = private
	cfg := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(user.PublicKey().Marshal()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}}
	cfg.AddHostKey(s.hostKey)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.dialled++
			refused := s.dialled <= s.refuse
			s.mu.Unlock()
			if refused {
				conn.Close()
				continue
			}
			go s.handle(conn, cfg)
		}
	}()
	return s
}

func (s *server) handle(conn net.Conn, cfg *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(conn, cfg)
	if err != nil {
		return
	}
	go func() {
		for r := range requests {
			select {
			case <-s.mute:
			default:
				_ = r.Reply(false, nil)
			}
		}
	}()
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		go s.session(channel, requests)
	}
}

// session understands a few commands.
func (s *server) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	for r := range requests {
		switch r.Type {
		case "env":
			var v struct{ Name, Value string }
			_ = ssh.Unmarshal(r.Payload, &v)
			accepted := strings.HasPrefix(v.Name, "OK_")
			if accepted {
				s.mu.Lock()
				s.env = append(s.env, v.Name+"="+v.Value)
				s.mu.Unlock()
			}
			_ = r.Reply(accepted, nil)
		case "exec":
			var v struct{ Command string }
			_ = ssh.Unmarshal(r.Payload, &v)
			_ = r.Reply(true, nil)
			s.mu.Lock()
			s.ran = append(s.ran, v.Command)
			s.mu.Unlock()
			go s.run(channel, v.Command)
		default:
			_ = r.Reply(false, nil)
		}
	}
}

func (s *server) run(channel ssh.Channel, command string) {
	status := uint32(0)
	switch word, rest, _ := strings.Cut(command, " "); word {
	case "echo":
		fmt.Fprintln(channel, rest)
	case "cat":
		_, _ = io.Copy(channel, channel)
	case "fail":
		fmt.Fprintln(channel, "on stdout")
		fmt.Fprintln(channel.Stderr(), rest)
		status = 3
	case "hang":
		return
	}
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
	channel.Close()
}

func (s *server) connection(extra m) m {
	con := m{
		"host": "127.0.0.1", "port": s.addr.Port, "user": "ubuntu", "privateKey": s.client, "dialErrorLimit": 2, "perDialTimeout": 5,
		"hostKey": string(ssh.MarshalAuthorizedKey(s.hostKey.PublicKey())),
	}
	for k, v := range extra {
		con[k] = v
	}
	return con
}
