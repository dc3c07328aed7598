// Package dockertest tests machines, networks and routers on a real Docker engine.
// Its tests fail where there is none.
package dockertest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hybrid/lab/image"
	"hybrid/lab/packages"
	"hybrid/lab/registry"
	"hybrid/lab/registry/store"
	"hybrid/lab/system/docker"
	"hybrid/lab/system/paths"
	"hybrid/lab/vm"

	"github.com/docker/docker/client"
	"golang.org/x/crypto/ssh"
)

var (
	addr   = netip.MustParseAddr
	prefix = netip.MustParsePrefix
	all    = []netip.Prefix{prefix("0.0.0.0/0")}
)

// Lab is an empty lab, ready for machines.
type Lab struct {
	*testing.T
	*vm.Host
	Docker *client.Client
	key    ssh.Signer
	start  time.Time
}

// Open prepares Docker, the machines' image and the registry, removes what other
// tests left, and removes what this one leaves.
//
// The programs in the image and the registry come from the folder in
// HYBRID_LAB_PROGRAMS: kube, containerd, containerd-shim-runc-v2, coredns, karmada,
// pause, weaver, weaveutil, kube-utils, registry and s3. Without it the folder of the
// user's cache is taken, where `make up` builds them.
func Open(t *testing.T) *Lab {
	t.Helper()
	l := &Lab{T: t, start: time.Now()}
	ctx := t.Context()
	l.must(docker.Ensure(ctx, 0, l.progress))
	state, err := paths.State()
	l.must(err)
	// A state of its own, in which everything counts as the user's: what a killed run
	// leaves goes when the lab starts the next time. Not before: a dockerd that Ensure
	// starts stays.
	state = filepath.Join(state, paths.Tests)
	l.must(os.RemoveAll(state))
	t.Setenv("HYBRID_LAB_STATE", state)
	l.Docker, err = docker.Connect(ctx)
	l.must(err)
	dir, err := store.Dir()
	l.must(err)
	kubernetes := packages.Kubernetes{Version: registry.Kubernetes, Program: l.program("kube")}
	l.must(packages.Build(store.Packages(dir), []packages.Kubernetes{kubernetes}, l.progress))
	debs, err := packages.Files(store.Packages(dir), kubernetes)
	l.must(err)
	ref, err := image.Ensure(ctx, l.Docker, image.Inputs{
		Packages: debs, Containerd: l.program("containerd"), Shim: l.program("containerd-shim-runc-v2"), Ctr: l.program("ctr"),
	}, l.progress)
	l.must(err)
	database, err := image.EnsureDatabase(ctx, l.Docker, l.progress)
	l.must(err)
	l.must(registry.Build(ctx, l.Docker, registry.Inputs{
		Kube: l.program("kube"), CoreDNS: l.program("coredns"), Karmada: l.program("karmada"), Pause: l.program("pause"),
		Weaver: l.program("weaver"), WeaveUtil: l.program("weaveutil"), KubeUtils: l.program("kube-utils"),
		Server: l.program("registry"), S3: l.program("s3"), Hybrid: l.program("hybrid"), VMImage: ref, DatabaseImage: database,
	}, l.progress))
	l.Host, err = vm.Open(ctx)
	l.must(err)
	l.must(l.Purge(ctx, false))
	t.Cleanup(func() {
		l.must(l.Purge(context.Background(), false))
		l.must(os.RemoveAll(state))
		l.Host.Close()
		l.Docker.Close()
	})
	_, private, err := ed25519.GenerateKey(rand.Reader)
	l.must(err)
	l.key, err = ssh.NewSignerFromKey(private)
	l.must(err)
	l.Mark("the lab is open")
	return l
}

func (l *Lab) program(name string) string {
	dir := os.Getenv("HYBRID_LAB_PROGRAMS")
	if dir == "" {
		cache, err := paths.Cache()
		l.must(err)
		dir = filepath.Join(cache, "bin")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		l.Fatalf("%v: run `make up` once, or set HYBRID_LAB_PROGRAMS to a folder with kube, containerd, containerd-shim-runc-v2, coredns, karmada, pause, weaver, weaveutil, kube-utils and registry", err)
	}
	return path
}

func (l *Lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *Lab) progress(line string) { l.Log(line) }

// Mark logs the time since the lab was opened.
func (l *Lab) Mark(what string) { l.Logf("%6.1f s: %s", time.Since(l.start).Seconds(), what) }

// Machine creates a machine that has the lab's key, as the clouds give it.
func (l *Lab) Machine(m vm.Machine, userData string) vm.Machine {
	l.Helper()
	m.ID, m.UserData = "i-"+m.Name, userData
	m.MetaData = fmt.Sprintf("instance-id: %s\nlocal-hostname: %s\npublic-keys:\n  - %s", m.ID, m.Name, ssh.MarshalAuthorizedKey(l.key.PublicKey()))
	if m.PublicIP.IsValid() {
		m.VendorData = "#cloud-config\nusers: []\ndisable_root: false\n"
	}
	l.must(l.CreateMachine(l.Context(), m))
	return m
}

// SSH runs a command on a machine as a user at the workstation would. It waits
// for a machine that boots.
func (l *Lab) SSH(user string, at netip.Addr, command string) (string, error) {
	config := &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(l.key)}, Timeout: 5 * time.Second,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the machine is this test's own
	}
	var conn *ssh.Client
	err := Eventually(30*time.Second, func() (err error) {
		conn, err = ssh.Dial("tcp", net.JoinHostPort(at.String(), "22"), config)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("ssh %s@%s: %w", user, at, err)
	}
	defer conn.Close()
	session, err := conn.NewSession()
	if err != nil {
		return "", err
	}
	out, err := session.CombinedOutput(command)
	return strings.TrimSpace(string(out)), err
}

// Exec runs a command on a machine by Docker, past all firewalls.
func (l *Lab) Exec(m vm.Machine, command string) (string, error) {
	out, err := exec.CommandContext(l.Context(), "docker", "exec", "hybrid-lab-"+m.Name, "sh", "-c", command).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Booted waits for cloud-init's end.
func (l *Lab) Booted(m vm.Machine) {
	l.Helper()
	if out, err := l.Exec(m, "cloud-init status --wait"); err != nil {
		l.Fatalf("%s: cloud-init: %v: %s", m.Name, err, out)
	}
}

// Eventually tries until it succeeds or the time is over.
func Eventually(limit time.Duration, try func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("not within %v", limit), err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// insecure is a client for certificates of a test's own cluster.
func insecure() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}
