package docker

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/system"
)

func TestIsDebianLike(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want bool
	}{
		"debian": {"PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n", true},
		"ubuntu": {"ID=ubuntu\nID_LIKE=debian\n", true},
		"mint":   {"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", true},
		"fedora": {"ID=fedora\nNAME=debian\n", false},
		"empty":  {"", false},
	} {
		if got := isDebianLike(test.text); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestChecks(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want string // part of the message; empty: no error
	}{
		"amd64":             {checkPlatform("linux", "amd64"), ""},
		"arm64":             {checkPlatform("linux", "arm64"), "this host is linux/arm64"},
		"darwin":            {checkPlatform("darwin", "amd64"), "this host is darwin/amd64"},
		"nominally 6 GiB":   {checkMemory("MemFree: 1 kB\nMemTotal: 5950000 kB\n"), ""},
		"4 GiB":             {checkMemory("MemTotal: 4194304 kB\n"), "needs 6 GiB of memory, this host has 4.0"},
		"no total":          {checkMemory("MemFree: 4194304 kB\n"), "found none"},
		"enough disk":       {checkFree("/var", 15_000_000_000, 15_000_000_000), ""},
		"not enough disk":   {checkFree("/var", 14_900_000_000, 15_000_000_000), "needs 15 GB of free disk at /var, there are 14.9"},
		"nothing to write":  {checkFree("/var", 0, 0), ""},
		"a folder on disk":  {checkDisk("/", 1), ""},
		"no folder on disk": {checkDisk("/no/such/folder", 1), "/no/such/folder"},
	} {
		if test.err == nil && test.want != "" || test.err != nil && (test.want == "" || !strings.Contains(test.err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", name, test.err, test.want)
		}
	}
}

func TestCheckEngine(t *testing.T) {
	const socket = "unix:///var/run/docker.sock"
	for name, test := range map[string]struct {
		host, api string
		info      system.Info
		want      string // empty: no error
	}{
		"Debian's":         {socket, "1.41", system.Info{OperatingSystem: "Debian GNU/Linux 12 (bookworm)", SecurityOptions: []string{"name=seccomp,profile=default"}}, ""},
		"no new privilege": {socket, "1.51", system.Info{SecurityOptions: []string{"name=seccomp,profile=builtin", "name=cgroupns", "name=no-new-privileges"}}, ""},
		"userns-remap":     {socket, "1.41", system.Info{SecurityOptions: []string{"name=seccomp,profile=default", "name=userns"}}, "take userns-remap out of /etc/docker/daemon.json and `sudo systemctl restart docker`"},
		"rootless":         {"unix:///run/user/1000/docker.sock", "1.51", system.Info{SecurityOptions: []string{"name=seccomp", "name=rootless"}}, "`sudo systemctl start docker`"},
		"Docker Desktop":   {"unix:///home/x/.docker/desktop/docker.sock", "1.51", system.Info{OperatingSystem: "Docker Desktop"}, "install Docker Engine"},
		"another machine":  {"tcp://192.0.2.1:2376", "1.51", system.Info{}, "`unset DOCKER_HOST`"},
		"this machine":     {"tcp://127.0.0.1:2375", "1.51", system.Info{}, ""},
		"by its name":      {"tcp://localhost:2375", "1.51", system.Info{}, ""},
		"too old":          {socket, "1.40", system.Info{ServerVersion: "19.03.15"}, "needs Docker Engine 20.10 or later, this is 19.03.15"},
	} {
		err := checkEngine(test.host, test.api, test.info)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

// What is more already, and what can't be read or changed, stays as it is.
func TestRaiseBuffer(t *testing.T) {
	for name, test := range map[string]struct {
		has, want, said string
	}{
		"less":       {"212992\n", "4194304", "rmem_default from 212992 to 4194304 until the next boot"},
		"more":       {"8388608\n", "8388608\n", ""},
		"not a host": {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "rmem_default")
			if test.has != "" {
				if err := os.WriteFile(file, []byte(test.has), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var said string
			raiseBuffer(file, bufferBytes, func(line string) { said += line })
			if got, _ := os.ReadFile(file); string(got) != test.want || !strings.HasSuffix(said, test.said) || (said == "") != (test.said == "") {
				t.Errorf("got %q and %q, want %q and %q", got, said, test.want, test.said)
			}
		})
	}
}

// The lab's machines have the buffers of those in life.
func TestBufferIsThatOfMachines(t *testing.T) {
	text, err := os.ReadFile("../../../clouds/cloud-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("net.core.rmem_default = %d\n", bufferBytes); !strings.Contains(string(text), want) {
		t.Errorf("clouds/cloud-config.yaml has no line %q", want)
	}
}

// Docker 28 no longer loads the module that machines need.
func TestLoadBridgeFilter(t *testing.T) {
	for name, test := range map[string]struct {
		there    bool
		modprobe string
		want     string // empty: no error
		said     string
	}{
		"loaded":     {true, "exit 1", "", ""},
		"loads":      {false, "touch $FILE", "", "loaded this host's kernel module br_netfilter until the next boot"},
		"may not":    {false, "echo Operation not permitted >&2; exit 1", "`sudo modprobe br_netfilter`: exit status 1: Operation not permitted", ""},
		"has no use": {false, "exit 0", "`sudo modprobe br_netfilter`: there is still no", ""},
	} {
		t.Run(name, func(t *testing.T) {
			bin, file := t.TempDir(), filepath.Join(t.TempDir(), "bridge-nf-call-iptables")
			if err := os.WriteFile(filepath.Join(bin, "modprobe"), []byte("#!/bin/sh\n[ \"$*\" = br_netfilter ] || exit 2\n"+test.modprobe+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			if test.there {
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
			t.Setenv("FILE", file)
			said := ""
			err := loadBridgeFilter(t.Context(), file, func(line string) { said += line })
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) || said != test.said {
				t.Errorf("got %v, said %q; want %q, %q", err, said, test.want, test.said)
			}
		})
	}
}

func TestFindSystemPrograms(t *testing.T) {
	t.Setenv("PATH", "/usr/bin:/usr/sbin")
	for range 2 {
		if err := findSystemPrograms(); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := os.Getenv("PATH"), "/usr/bin:/usr/sbin:/usr/local/sbin:/sbin"; got != want {
		t.Errorf("PATH is %s, want %s", got, want)
	}
}

func TestRunWithProgress(t *testing.T) {
	var lines []string
	cmd := exec.Command("sh", "-c", "echo one; echo two >&2; exit 3")
	err := RunWithProgress(cmd, func(line string) { lines = append(lines, line) })
	if got := strings.Join(lines, " "); got != "one two" {
		t.Errorf("lines: got %q, want \"one two\"", got)
	}
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "two") {
		t.Errorf("error: got %v, want the status and the last lines", err)
	}
}

func TestReadPID(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	if _, ok := readPID(file); ok {
		t.Error("a missing file: got a process")
	}
	if err := os.WriteFile(file, []byte("4711\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if pid, ok := readPID(file); !ok || pid != 4711 {
		t.Errorf("got %d, %v, want 4711", pid, ok)
	}
}

func TestLocked(t *testing.T) {
	for text, want := range map[string]bool{
		"E: Could not get lock /var/lib/apt/lists/lock. It is held by process 32088 (apt-get)": true,
		"E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend)":            true,
		"E: Unable to locate package docker.io":                                                false,
	} {
		if got := locked(errors.New(text)); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}
