package docker

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
		"enough disk":       {checkFree("/var", 15_000_000_000), ""},
		"not enough disk":   {checkFree("/var", 14_900_000_000), "needs 15 GB of free disk at /var, there are 14.9"},
		"a folder on disk":  {checkDisk("/"), ""},
		"no folder on disk": {checkDisk("/no/such/folder"), "/no/such/folder"},
	} {
		if test.err == nil && test.want != "" || test.err != nil && (test.want == "" || !strings.Contains(test.err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", name, test.err, test.want)
		}
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
