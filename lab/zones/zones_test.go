package zones

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"
)

var example = Zone{
	Domain: "example.org.", NameServers: []string{"ns-cloud-a1.googledomains.com.", "ns-cloud-a2.googledomains.com."},
	Records: []Record{
		{"london.example.org.", "A", 60, []string{"198.18.48.1"}},
		{"federation.example.org.", "A", 60, []string{"198.18.96.1", "198.18.96.2"}},
	},
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// served are the files, with those that are always there.
func served(more ...string) []string {
	names := append([]string{"db-."}, more...)
	for _, z := range services {
		names = append(names, file(z))
	}
	slices.Sort(names)
	return names
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "zones")
	if err := Ensure(dir); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); !slices.Equal(got, served()) {
		t.Errorf("an empty world is in %q", got)
	}
	// Another process is writing.
	if err := os.WriteFile(filepath.Join(dir, ".new-1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := example
	other.Domain = "example.com."
	if err := Write(dir, []Zone{example, other}); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); !slices.Equal(got, served(".new-1", "db-example.com.", "db-example.org.")) {
		t.Errorf("two zones are in %q", got)
	}
	if err := Ensure(dir); err != nil || len(files(t, dir)) != 4+len(services) {
		t.Errorf("Ensure has changed what was there: %v, %v", err, files(t, dir))
	}
	if err := Write(dir, nil); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); !slices.Equal(got, served(".new-1")) {
		t.Errorf("no zones are in %q", got)
	}
}

func TestSerialFollowsContents(t *testing.T) {
	dir := t.TempDir()
	serial := func(z Zone) string {
		t.Helper()
		if err := Write(dir, []Zone{z}); err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`SOA \S+ \S+ ([0-9]+) `).FindStringSubmatch(read(t, filepath.Join(dir, file(z))))
		if m == nil || m[1] == "0" {
			t.Fatalf("serial %v: want one above 0", m)
		}
		return m[1]
	}
	first := serial(example)
	path := filepath.Join(dir, file(example))
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, past, past); err != nil {
		t.Fatal(err)
	}
	if again := serial(example); again != first {
		t.Errorf("the same zone has serials %s and %s", first, again)
	}
	if info, err := os.Stat(path); err != nil || time.Since(info.ModTime()) < time.Minute {
		t.Errorf("a zone that is the same was written again: %v", err)
	}
	changed := example
	changed.Records = slices.Clone(example.Records)
	changed.Records[0].Data = []string{"198.18.48.2"}
	if serial(changed) == first {
		t.Error("another address has the same serial")
	}
}

func TestRender(t *testing.T) {
	const want = `example.org. 21600 IN SOA ns-cloud-a1.googledomains.com. cloud-dns-hostmaster.google.com. 2667638783 21600 3600 259200 1
example.org. 21600 IN NS ns-cloud-a1.googledomains.com.
example.org. 21600 IN NS ns-cloud-a2.googledomains.com.
london.example.org. 60 IN A 198.18.48.1
federation.example.org. 60 IN A 198.18.96.1
federation.example.org. 60 IN A 198.18.96.2
`
	if got := example.render(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPattern(t *testing.T) {
	pattern := regexp.MustCompile(Pattern)
	for name, want := range map[string]string{"db-.": ".", "db-example.org.": "example.org.", ".new-1": "", "x-db-example.org.": ""} {
		m := pattern.FindStringSubmatch(name)
		if (m == nil) != (want == "") || m != nil && m[1] != want {
			t.Errorf("%s: got %q, want %q", name, m, want)
		}
	}
}
