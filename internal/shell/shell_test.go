package shell

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A shell reads the same words.
func TestJoin(t *testing.T) {
	words := []string{
		"london", "admin $(id) of eu", "`id`", "o'brien", `a"b`, `back\slash`, "", " ", "two\nlines", "~", "*", "a;b", "a&b", "$HOME", "#x",
		"/readyz?verbose", "-n", "{a,b}", "!!", "ümlaut", "a=b", "user@host:22", "'",
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s\0' `+Join(words...)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); !slices.Equal(got, words) {
		t.Errorf("a shell reads %q, want %q", got, words)
	}
}

func TestQuotesOnlyWhatNeedsIt(t *testing.T) {
	if got, want := Join("kubectl", "--context", "london", "get", "--raw", "/readyz?verbose"), "kubectl --context london get --raw '/readyz?verbose'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
