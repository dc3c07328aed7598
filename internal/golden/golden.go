// Package golden holds what tests make against files, and writes these with -update.
package golden

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// Compare holds a text against a file.
func Compare(t testing.TB, path string, found []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, found, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(found, want) {
		t.Errorf("found:\n%.5000s\nwant %s: look at the difference, and if it is right, run the test with -update", found, path)
	}
}
