package weave

import (
	"os"
	"slices"
	"testing"
)

func parse(t *testing.T) *Peer {
	t.Helper()
	text, err := os.ReadFile("testdata/report.json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParse(t *testing.T) {
	p := parse(t)
	if p.Name != "0a:31:99:00:00:01" || p.Node != "london-1" || !p.Ready || p.Share() != 0.5 || p.Encrypted() != 1 {
		t.Errorf("found %+v", p)
	}
	if want := []Connection{{"america-1", true}, {"london-2", false}}; !slices.Equal(p.Connections, want) {
		t.Errorf("connections %v, want %v", p.Connections, want)
	}
	if want := []string{"198.18.64.2:6783 retrying: Unable to decrypt TCP msg"}; !slices.Equal(p.Failed, want) {
		t.Errorf("failed %q, want %q", p.Failed, want)
	}
	want := []Owner{{"0a:31:99:00:00:01", "london-1", 524288, true}, {"c6:5d:64:12:00:01", "america-1", 262144, true}, {"ce:00:00:00:00:01", "paris-1", 262144, false}}
	if !slices.Equal(p.Owners, want) {
		t.Errorf("owners %v, want %v", p.Owners, want)
	}
	if want := []string{"america-1", "london-1", "london-2"}; !slices.Equal(p.Known, want) {
		t.Errorf("known %v, want %v", p.Known, want)
	}
	for _, text := range []string{"", "{}", "404 page not found"} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%q is no report", text)
		}
	}
}

func TestOwner(t *testing.T) {
	p := parse(t)
	for address, want := range map[string]string{
		"10.32.0.0": "london-1", "10.35.255.255": "london-1", "10.36.0.0": "america-1",
		"10.43.1.1": "london-1", "10.47.255.255": "paris-1",
		"10.31.255.255": "", "10.48.0.0": "", "fe80::1": "", "": "", "london": "",
	} {
		if got := p.Owner(address); got != want {
			t.Errorf("%q belongs to %q, want %q", address, got, want)
		}
	}
}

func TestTo(t *testing.T) {
	p := parse(t)
	if c := p.To("london-2"); c == nil || c.Encrypted {
		t.Errorf("to london-2: %v", c)
	}
	if c := p.To("paris-1"); c != nil {
		t.Errorf("to paris-1: %v", c)
	}
}
