package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hybrid/internal/fakecloud"
)

// The exporter prints its address, and what it serves there is what status sees: of the
// stack that Pulumi knows, or of a file with what Pulumi would say.
func TestExporter(t *testing.T) {
	c := fakecloud.New(t, 3, 2)
	file := filepath.Join(t.TempDir(), "outputs.json")
	if err := os.WriteFile(file, []byte(c.Outputs()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("from a file", func(t *testing.T) { exports(t, "--outputs", file) })
	c.Pulumi(t)
	t.Run("from Pulumi", func(t *testing.T) { exports(t) })
}

func exports(t *testing.T, flags ...string) {
	address, end := serving(t, append([]string{"exporter", "--listen", "127.0.0.1:0"}, flags...)...)
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		answer, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if strings.Contains(string(text), "\nhybrid_healthy 1\n") {
			break
		}
		if time.Since(start) > 15*time.Second {
			t.Fatalf("%s: %s\n%s", address, answer.Status, text)
		}
	}
	end()
}
