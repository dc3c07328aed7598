package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/klog/v2"
	"sigs.k8s.io/yaml"

	"hybrid/internal/fakecloud"
	"hybrid/internal/observe"
)

// beMain makes the test's program the command itself.
const beMain = "HYBRID_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// hybrid is the command, not started yet.
func hybrid(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), beMain+"=1")
	return cmd
}

// serving runs it, and returns the address that it prints. end interrupts it, which must
// end well.
func serving(t *testing.T, args ...string) (address string, end func()) {
	t.Helper()
	cmd := hybrid(t, args...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "http://127.0.0.1:") {
		t.Fatalf("it prints %q, %v", line, err)
	}
	return strings.TrimSpace(line), func() {
		t.Helper()
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("it ends with %v", err)
		}
	}
}

// run runs it and returns its exit status and what it has printed.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := hybrid(t, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestCompletion(t *testing.T) {
	if code, out, errs := run(t, "completion", "bash"); code != 0 || !strings.Contains(out, "complete -o default") || errs != "" {
		t.Errorf("status %d, want bash's completion, got:\n%s%s", code, out, errs)
	}
	if _, out, _ := run(t, "__complete", "postgres", "sw"); !strings.HasPrefix(out, "switchover\t") {
		t.Errorf("`hybrid postgres sw` is completed by:\n%s", out)
	}
}

func TestStatus(t *testing.T) {
	c := fakecloud.New(t, 3, 2)
	c.Pulumi(t)
	code, out, errs := run(t, "status", "--stack", "dev")
	if code != 0 || !strings.HasPrefix(out, "stack dev  ✓ all healthy") || errs != "" || strings.Contains(out, "\x1b") {
		t.Errorf("status %d:\n%s%s", code, out, errs)
	}
	code, out, _ = run(t, "status", "-o", "json")
	var s observe.Snapshot
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != 0 || !s.Healthy || len(s.PostgreSQL.Replicas) != 6 {
		t.Errorf("status %d, %v:\n%s", code, err, out)
	}
	s = observe.Snapshot{}
	_, out, _ = run(t, "status", "-o", "yaml")
	if err := yaml.Unmarshal([]byte(out), &s); err != nil || len(s.Mesh.Peers) != 6 {
		t.Errorf("%v:\n%s", err, out)
	}
	if code, _, errs = run(t, "status", "-o", "xml"); code != 2 || !strings.Contains(errs, "want --output text, json, yaml") {
		t.Errorf("status %d: %s", code, errs)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(c.Kubeconfig()), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs = run(t, "status", "--kubeconfig", path); code != 0 {
		t.Errorf("status %d:\n%s%s", code, out, errs)
	}
}

func TestStatusOfDeadCluster(t *testing.T) {
	c := fakecloud.New(t, 3, 2)
	c.Cluster("frankfurt").Silent = true
	c.Pulumi(t)
	start := time.Now()
	code, out, _ := run(t, "status")
	if took := time.Since(start); code != 1 || took > 5*time.Second || !strings.Contains(out, "\n✗ cluster frankfurt: its API at ") || !strings.Contains(out, "\n    kubectl --context frankfurt ") {
		t.Errorf("status %d after %s:\n%s", code, took, out)
	}
}

func TestStatusOfBrokenContext(t *testing.T) {
	c := fakecloud.New(t, 3, 2)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	broken := strings.Replace(c.Kubeconfig(), `"contexts":[`, `"contexts":[{"name":"paris","context":{"cluster":"nosuch","user":"test"}},`, 1)
	if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := run(t, "status", "--kubeconfig", path, "-o", "json")
	var s observe.Snapshot
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != 1 || len(s.Clusters) != 4 || len(s.Problems) != 1 {
		t.Errorf("status %d, %v, problems %v:\n%s%s", code, err, s.Problems, out, errs)
	}
}

func TestNothingToLookAt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if code, _, errs := run(t, "status"); code != 2 || !strings.Contains(errs, "no `pulumi` on PATH") {
		t.Errorf("status %d: %s", code, errs)
	}
	if code, _, errs := run(t, "status", "--kubeconfig", "nosuch"); code != 2 || !strings.Contains(errs, "nosuch") {
		t.Errorf("status %d: %s", code, errs)
	}
}

func TestWatch(t *testing.T) {
	fakecloud.New(t, 1, 1).Pulumi(t)
	cmd := hybrid(t, "status", "--watch")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	heads := 0
	for lines := bufio.NewScanner(out); heads < 2 && lines.Scan(); {
		if strings.Contains(lines.Text(), "all healthy") {
			heads++
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || heads != 2 {
		t.Errorf("%d times, and then %v", heads, err)
	}
}

func TestView(t *testing.T) {
	fakecloud.New(t, 3, 2).Pulumi(t)
	path := filepath.Join(t.TempDir(), "picture.svg")
	if code, _, errs := run(t, "view", "--svg", path); code != 0 {
		t.Errorf("status %d: %s", code, errs)
	}
	if text, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(text, []byte("<svg ")) {
		t.Errorf("%v: %.200s", err, text)
	}
	address, end := serving(t, "view")
	r, err := http.Get(address + "events")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	for lines := bufio.NewReader(r.Body); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "data: ") {
			if !strings.Contains(line, `"healthy":true`) {
				t.Errorf("%.300s", line)
			}
			break
		}
	}
	end()
}

// What the libraries log is of no use on the screen, errors included.
func TestLibrariesAreSilent(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = write
	silence()
	klog.ErrorS(errors.New("closed"), "Unhandled Error")
	klog.Flush()
	os.Stderr = stderr
	write.Close()
	if said, err := io.ReadAll(read); err != nil || len(said) > 0 {
		t.Errorf("found %q on standard error, %v", said, err)
	}
}
