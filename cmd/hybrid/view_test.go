package main

import (
	"net/http"
	"regexp"
	"testing"

	"hybrid/internal/fakecloud"
)

// With --shell the address that is printed has a token, and nothing is served without it.
func TestViewShell(t *testing.T) {
	fakecloud.New(t, 3, 2).Pulumi(t)
	printed, end := serving(t, "view", "--shell")
	parts := regexp.MustCompile(`^(http://127\.0\.0\.1:\d+/)([A-Za-z0-9_-]{32})/$`).FindStringSubmatch(printed)
	if parts == nil {
		t.Fatalf("it prints %q", printed)
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
	end()
}
