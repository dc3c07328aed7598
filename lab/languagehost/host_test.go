package languagehost

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

// testHost returns a host whose engine is at an address without a server.
func testHost(t *testing.T) *host {
	t.Helper()
	h := newHost("127.0.0.1:1", func(string) {})
	t.Cleanup(h.cancel)
	return h
}

// program writes a Go program and returns what the engine says of it.
func program(t *testing.T, source string) *rpc.ProgramInfo {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example\n\ngo 1.26\n", "main.go": "package main\n\n" + source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	options, err := structpb.NewStruct(map[string]any{"buildTarget": "bin/program"})
	if err != nil {
		t.Fatal(err)
	}
	return &rpc.ProgramInfo{RootDirectory: dir, ProgramDirectory: dir, EntryPoint: ".", Options: options}
}

func run(t *testing.T, h *host, source string) *rpc.RunResponse {
	t.Helper()
	info := program(t, source)
	response, err := h.Run(t.Context(), &rpc.RunRequest{
		Info: info, Pwd: info.GetRootDirectory(), Stack: "dev", DryRun: true, Parallel: 7, MonitorAddress: "monitor",
		Config: map[string]string{"hybrid:a": "b"}, ConfigSecretKeys: []string{"hybrid:s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func TestRunReportsHowItEnds(t *testing.T) {
	if constant.ExitStatusLoggedError != 32 {
		t.Fatalf("the SDK's status for an error that was shown is %d, the test's 32", constant.ExitStatusLoggedError)
	}
	for name, test := range map[string]struct {
		source, want string
		bail         bool
	}{
		"succeeds":         {"func main() {}", "", false},
		"said why":         {"import \"os\"\n\nfunc main() { os.Exit(32) }", "", true},
		"fails":            {"import \"os\"\n\nfunc main() { os.Exit(3) }", "exit status 3", false},
		"doesn't compile":  {"func main() { nosuch() }", "undefined: nosuch", false},
		"names the place":  {"func main() { nosuch() }", "main.go:3:15", false},
		"import not there": {"import _ \"example/nosuch\"\n\nfunc main() {}", "example/nosuch", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, testHost(t), test.source)
			if r.GetBail() != test.bail || (test.want == "") != (r.GetError() == "") || !strings.Contains(r.GetError(), test.want) {
				t.Errorf("got bail %v, error %q; want %v, %q", r.GetBail(), r.GetError(), test.bail, test.want)
			}
		})
	}
}

func TestRunGivesTheSettings(t *testing.T) {
	source := `import ("os"; "strings")

func main() {
	for _, want := range []string{"PULUMI_STACK=dev", "PULUMI_DRY_RUN=true", "PULUMI_PARALLEL=7", "PULUMI_MONITOR=monitor",
		"PULUMI_ENGINE=127.0.0.1:1", "PULUMI_CONFIG={\"hybrid:a\":\"b\"}", "PULUMI_CONFIG_SECRET_KEYS=[\"hybrid:s\"]"} {
		if !strings.Contains("\n"+strings.Join(os.Environ(), "\n")+"\n", "\n"+want+"\n") {
			println("no", want)
			os.Exit(3)
		}
	}
}
`
	if r := run(t, testHost(t), source); r.GetError() != "" {
		t.Error(r.GetError())
	}
}

func TestCancelStopsTheProgram(t *testing.T) {
	h := testHost(t)
	started := filepath.Join(t.TempDir(), "started")
	ended := make(chan *rpc.RunResponse, 1)
	source := `import ("os"; "time")

func main() {
	_ = os.WriteFile("` + started + `", nil, 0o600)
	time.Sleep(time.Minute)
}
`
	info := program(t, source)
	go func() {
		r, _ := h.Run(context.Background(), &rpc.RunRequest{Info: info, Pwd: info.GetRootDirectory()})
		ended <- r
	}()
	await(t, "the program starts", func() bool { _, err := os.Stat(started); return err == nil })
	if _, err := h.Cancel(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-ended:
		if !r.GetBail() {
			t.Errorf("an interrupted program is reported as %v; want a bail", r)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the program goes on after Cancel")
	}
	if r := run(t, h, "func main() {}"); r.GetError() == "" && !r.GetBail() {
		t.Error("a program was run after Cancel")
	}
}

// await waits for something that happens in other processes.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute in vain: %s", what)
		}
	}
}

func TestTarget(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "ready"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	info := func(option, value string) *rpc.ProgramInfo {
		options, err := structpb.NewStruct(map[string]any{option: value})
		if err != nil {
			t.Fatal(err)
		}
		return &rpc.ProgramInfo{RootDirectory: root, ProgramDirectory: root, Options: options}
	}
	if path, built, err := target(info("buildTarget", "bin/x")); err != nil || built || path != filepath.Join(root, "bin/x") {
		t.Errorf("buildTarget: %q, %v, %v", path, built, err)
	}
	if path, built, err := target(info("binary", "ready")); err != nil || !built || path != filepath.Join(root, "ready") {
		t.Errorf("binary: %q, %v, %v", path, built, err)
	}
	if _, _, err := target(info("binary", "nosuch")); err == nil {
		t.Error("a binary that isn't there was taken")
	}
	first, _, err := target(info("other", ""))
	second, _, _ := target(info("other", ""))
	if err != nil || first != second {
		t.Errorf("without options the place isn't stable: %q, %q, %v", first, second, err)
	}
}
