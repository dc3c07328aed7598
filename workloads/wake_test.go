package workloads

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"hybrid/internal/scripttest"
)

// Patroni is told once that its server has died, and not before, or when it stops in order.
func TestWake(t *testing.T) {
	script, err := scripts.ReadFile("scripts/pod/wake.sh")
	if err != nil {
		t.Fatal(err)
	}
	patroni, server := process(t), process(t)
	m := scripttest.New(t)
	const file = "var/lib/psql/data/postmaster.pid"
	m.File(file, strconv.Itoa(server.Pid)+"\n/var/lib/psql/data\n")
	m.Program("python3", "")
	for _, name := range []string{"head", "tail"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		m.Program(name, `exec `+path+` "$@"`)
	}
	t.Setenv("ROOT", m.Dir)
	cmd := exec.Command("sh", "-c", string(script), "sh", strconv.Itoa(patroni.Pid))
	cmd.Env = append(os.Environ(), "PATH="+m.Dir+"/bin:"+os.Getenv("PATH"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	calls := func(what string) int {
		said, _ := os.ReadFile(m.Dir + "/calls")
		return strings.Count(string(said), what)
	}
	const look, wait, told = "head -n 1", "tail -f", `"PATCH", "/config"`
	await := func(what string, times int) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); calls(what) < times; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%q was called %d times, want %d", what, calls(what), times)
			}
		}
	}
	await(wait, 1)
	if n := calls(told); n != 0 {
		t.Errorf("told %d times of a server that runs", n)
	}
	_ = server.Kill()
	await(told, 1)
	await(look, 3) // at what the server has left, too
	// The next one stops in order.
	server = process(t)
	m.File(file, strconv.Itoa(server.Pid)+"\n")
	await(wait, 2)
	if err := os.Remove(m.Dir + "/" + file); err != nil {
		t.Fatal(err)
	}
	_ = server.Kill()
	await(look, calls(look)+2)
	_ = patroni.Kill()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if n := calls(told); n != 1 {
		t.Errorf("told %d times of a server that has died, want once", n)
	}
}

// process is one that does nothing.
func process(t *testing.T) *os.Process {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	go func() { _ = cmd.Wait() }() // or it would be there still for kill -0
	return cmd.Process
}
