package docker

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestProgram(t *testing.T) {
	cmd := exec.Command("cat") // ends with its input
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if got := Program(pid); got != "cat" {
		t.Errorf("a process that runs: got %q, want cat", got)
	}
	in.Close()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(stat), ") Z ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it doesn't end: %s", stat)
		}
	}
	if got := Program(pid); got != "" {
		t.Errorf("a zombie: got %q, want nothing", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := Program(pid); got != "" {
		t.Errorf("no process: got %q, want nothing", got)
	}
}

func TestRunning(t *testing.T) {
	for stat, want := range map[string]string{
		"4711 (dockerd) S 1 4711":      "dockerd",
		"4711 (a) Z (b) R 1 4711 4711": "a) Z (b",
		"4711 (dockerd) Z 1 4711":      "",
		"4711 (dockerd) X 1 4711":      "",
		"":                             "",
	} {
		if got := running(stat); got != want {
			t.Errorf("%q: got %q, want %q", stat, got, want)
		}
	}
}
