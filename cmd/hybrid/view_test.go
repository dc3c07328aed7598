package main

import (
	"bufio"
	"net/http"
	"os"
	"regexp"
	"testing"

	"hybrid/internal/fakecloud"
)

// With --shell the address that is printed has a token, and nothing is served without it.
func TestViewShell(t *testing.T) {
	fakecloud.New(t, 3, 2).Pulumi(t)
	cmd := hybrid(t, "view", "--shell")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	parts := regexp.MustCompile(`^(http://127\.0\.0\.1:\d+/)([A-Za-z0-9_-]{32})/\n$`).FindStringSubmatch(line)
	if err != nil || parts == nil {
		t.Fatalf("it prints %q, %v", line, err)
	}
	for address, want := range map[string]int{parts[1]: http.StatusForbidden, parts[1] + "panes.js": http.StatusForbidden, parts[1] + parts[2] + "/": http.StatusOK} {
		answer, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %s, want %d", address, answer.Status, want)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
