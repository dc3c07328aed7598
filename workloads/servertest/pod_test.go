// Package servertest runs the scripts of PostgreSQL's pods with real servers: each
// pod is a folder and an address of the loopback network. It needs PostgreSQL's
// programs; `make servers` runs it.
package servertest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// port is that of every server. Nothing else should use it.
const port = "25432"

// Passwords that quoting must survive.
const (
	postgresPassword    = `it's:a\postgres"$(secret)`
	replicationPassword = `it's:a\replication"$(secret)`
)

// world is all pods of a test, on the machines of several clusters.
type world struct {
	*testing.T
	dir        string
	credential *syscall.Credential // whom servers run as: they refuse root
	bin        string              // where PostgreSQL's programs are

	service, witness *proxy // what psql-master and psql-witness lead to
}

// newWorld makes a world with its certificates and secrets, and a witness.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, bin: programs(t)}
	var err error
	// Short, for a socket's path has 107 bytes.
	if w.dir, err = os.MkdirTemp("", "pg"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(w.dir) })
	if os.Getuid() == 0 {
		w.credential = unprivileged(t)
	}
	w.write("secrets/postgres", postgresPassword)
	w.write("secrets/replication", replicationPassword)
	w.write("settings/parameters", "fsync = off\nshared_buffers = 4MB\nwal_keep_size = 64MB\nmax_wal_senders = 16\n")
	w.write("settings/synchronous", "")
	certificates(w, "tls", "psql-master", "psql-replica", "psql-witness")
	scripts, err := filepath.Glob("../scripts/*.sh")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("found no scripts: %v", err)
	}
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		w.write("scripts/"+filepath.Base(path), string(text))
	}
	w.own(w.dir)
	w.service, w.witness = newProxy(t, "127.9.0.2"), newProxy(t, "127.9.0.3")
	return w
}

// programs finds PostgreSQL's.
func programs(t *testing.T) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1])
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		t.Fatal("these tests need PostgreSQL's programs: install them, on Debian and Ubuntu by \"apt-get install postgresql\"")
	}
	return filepath.Dir(path)
}

func unprivileged(t *testing.T) *syscall.Credential {
	t.Helper()
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	t.Fatal("this runs as root, which PostgreSQL refuses, and there is no user postgres or nobody")
	return nil
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// write writes a file as Kubernetes would.
func (w *world) write(name, text string) {
	w.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
	w.own(w.path(name))
}

// own gives all below a path to the servers' user.
func (w *world) own(root string) {
	w.Helper()
	if w.credential == nil {
		return
	}
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, int(w.credential.Uid), int(w.credential.Gid))
	})
	if err != nil {
		w.Fatal(err)
	}
}

// pod is a folder, an address, and what runs there.
type pod struct {
	*world
	node, script, address string
	folder                string
	env                   []string
	process               *exec.Cmd
	log                   *log
}

// pod makes a pod, which doesn't run yet. number makes its address.
func (w *world) pod(script, node string, number int, env ...string) *pod {
	w.Helper()
	p := &pod{world: w, node: node, script: script, address: fmt.Sprintf("127.9.1.%d", number), folder: fmt.Sprint(script[:1], number), env: env, log: &log{name: fmt.Sprintf("%s %s", script, node), t: w.T}}
	for _, dir := range []string{"data", "run", "sockets"} {
		if err := os.MkdirAll(p.at(dir), 0o700); err != nil {
			w.Fatal(err)
		}
	}
	w.own(p.at(""))
	w.Cleanup(func() {
		p.kill()
		if w.Failed() {
			w.Logf("log of %s on %s:\n%s", script, node, p.log)
		}
	})
	return p
}

// at is the path of a file of the pod.
func (p *pod) at(name string) string {
	return filepath.Join(p.dir, p.folder, name)
}

func (p *pod) environment() []string {
	return append([]string{
		"PATH=" + p.bin + ":/usr/sbin:/usr/bin:/sbin:/bin", "PGDATA=/of/the/image",
		"NODE=" + p.node, "POD_IP=" + p.address, "POD_CIDR=127.0.0.0/8", "LISTEN=" + p.address, "PORT=" + port,
		"SCRIPTS=" + p.path("scripts"), "SECRETS=" + p.path("secrets"), "TLS=" + p.path("tls"), "SETTINGS=" + p.path("settings"),
		"DATA=" + p.at("data"), "RUN=" + p.at("run"), "SOCKETS=" + p.at("sockets"),
		"MASTER=host=psql-master hostaddr=" + p.service.address, "WITNESS=host=psql-witness hostaddr=" + p.world.witness.address,
		"FENCE=4", "REFRESH=5",
	}, p.env...)
}

// start starts the pod's container.
func (p *pod) start() *pod {
	p.Helper()
	p.process = exec.Command("sh", filepath.Join(p.path("scripts"), p.script+".sh"))
	p.process.Env = p.environment()
	p.process.Stdout, p.process.Stderr = p.log, p.log
	p.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.credential}
	if err := p.process.Start(); err != nil {
		p.Fatal(err)
	}
	return p
}

// kill ends all of it at once, as the loss of a machine does.
func (p *pod) kill() {
	if p.process == nil {
		return
	}
	_ = syscall.Kill(-p.process.Process.Pid, syscall.SIGKILL)
	_ = p.process.Wait()
	p.process = nil
	// Backends have process groups of their own: they end when they notice.
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		l, err := net.Listen("tcp", p.address+":"+port)
		if err == nil {
			l.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// end ends the container as Kubernetes does.
func (p *pod) end() {
	p.Helper()
	if err := p.process.Process.Signal(syscall.SIGTERM); err != nil {
		p.Fatal(err)
	}
	if err := p.process.Wait(); err != nil {
		p.Errorf("%s on %s ended by %v, want a clean end", p.script, p.node, err)
	}
	p.process = nil
}

// run runs a program in the pod, as kubectl exec does.
func (p *pod) run(stdin string, args ...string) (string, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = p.environment()
	cmd.Stdin = strings.NewReader(stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.credential}
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s on %s: %q: %w: %s", p.script, p.node, args, err, stderr.String())
	}
	return strings.TrimSpace(out.String()), err
}

// query asks the pod's own server, through its socket.
func (p *pod) query(sql string) (string, error) {
	return p.run(sql, filepath.Join(p.bin, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "host="+p.at("sockets")+" port="+port+" user=postgres dbname=postgres")
}

// client asks a server over the network, as an application does.
func (w *world) client(address, name, sql string) (string, error) {
	cmd := exec.Command(filepath.Join(w.bin, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
		fmt.Sprintf("host=%s hostaddr=%s port=%s user=postgres dbname=postgres sslmode=verify-full sslrootcert=%s connect_timeout=3", name, address, port, w.path("tls/ca.crt")))
	cmd.Env = []string{"PATH=/usr/bin:/bin", "PGPASSWORD=" + postgresPassword}
	cmd.Stdin = strings.NewReader(sql)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// must is for what has to succeed.
func (p *pod) must(sql string) string {
	p.Helper()
	out, err := p.query(sql)
	if err != nil {
		p.Fatal(err)
	}
	return out
}

// eventually waits for a condition.
func (w *world) eventually(within time.Duration, what string, condition func() error) {
	w.Helper()
	start := time.Now()
	for {
		err := condition()
		if err == nil {
			w.Logf("%s: after %s", what, time.Since(start).Round(100*time.Millisecond))
			return
		}
		if time.Since(start) > within {
			w.Fatalf("%s: not within %s: %v", what, within, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// says waits for an answer.
func (p *pod) says(within time.Duration, sql, want string) {
	p.Helper()
	p.eventually(within, fmt.Sprintf("%s on %s: %s", p.script, p.node, sql), func() error {
		got, err := p.query(sql)
		if err == nil && got != want {
			err = fmt.Errorf("%q is %q, want %q", sql, got, want)
		}
		return err
	})
}

// writable waits until a client can write.
func (p *pod) writable(within time.Duration) {
	p.Helper()
	p.eventually(within, "writable on "+p.node, func() error {
		_, err := p.client(p.address, "psql-master", "CREATE TABLE IF NOT EXISTS probe (t timestamptz); INSERT INTO probe VALUES (now())")
		return err
	})
}

// log is what a container prints.
type log struct {
	name string
	t    *testing.T

	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *log) has(text string) error {
	if strings.Contains(l.String(), text) {
		return nil
	}
	return errors.New("the log of " + l.name + " doesn't say: " + text)
}
