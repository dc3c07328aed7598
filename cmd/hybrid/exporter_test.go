package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"hybrid/internal/fakecloud"
)

// The exporter prints its address, and what it serves there is what status sees.
func TestExporter(t *testing.T) {
	fakecloud.New(t, 3, 2).Pulumi(t)
	cmd := hybrid(t, "exporter", "--listen", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		answer, err := http.Get(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if strings.Contains(string(text), "\nhybrid_healthy 1\n") {
			break
		}
		if time.Since(start) > 15*time.Second {
			t.Fatalf("%s: %s\n%s", line, answer.Status, text)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
