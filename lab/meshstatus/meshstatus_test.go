package meshstatus

import (
	"errors"
	"os"
	"slices"
	"strings"
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

func TestWrite(t *testing.T) {
	var b strings.Builder
	rows := []Row{{Cluster: "london", Peer: parse(t)}, {Cluster: "london", Node: "london-2", Err: errors.New("not running")}}
	if err := Write(&b, rows, 4); err != nil {
		t.Fatal(err)
	}
	want := `PEER               NODE      CLUSTER  CONNECTED  ENCRYPTED  ADDRESSES
0a:31:99:00:00:01  london-1  london   2 of 3     1 of 2     50.0 %
-                  london-2  london   -          -          -
262144 addresses belong to ce:00:00:00:00:01 (paris-1), which nobody reaches
london-1: 198.18.64.2:6783 retrying: Unable to decrypt TCP msg
london-2: not running
`
	if b.String() != want {
		t.Errorf("found:\n%s\nwant:\n%s", &b, want)
	}
}
