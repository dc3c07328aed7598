package vm

import (
	"testing"
	"time"
)

func TestRenderLinks(t *testing.T) {
	routers := map[string]string{"a": "02:00:0a:00:00:01", "b": "02:00:0a:01:00:01", "c": "02:00:0a:02:00:01"}
	for _, test := range []struct {
		name          string
		links         Links
		rules, delays string
	}{
		{"plain", Links{}, "*raw\n:PREROUTING ACCEPT\nCOMMIT\n*mangle\n:FORWARD ACCEPT\nCOMMIT\n", ""},
		{"off", Links{Off: true}, "*raw\n:PREROUTING ACCEPT\nCOMMIT\n*mangle\n:FORWARD ACCEPT\n" +
			"-A FORWARD -i internet -j DROP\n-A FORWARD -o internet -j DROP\nCOMMIT\n", ""},
		{"the workstation alone", Links{Aside: true}, "*raw\n:PREROUTING ACCEPT\nCOMMIT\n*mangle\n:FORWARD ACCEPT\n" +
			"-A FORWARD -i internet -s 198.18.0.1 -j DROP\n-A FORWARD -o internet -d 198.18.0.1 -j DROP\nCOMMIT\n", ""},
		// A cut leaves the program as it is, which other ways need.
		{"ways", Links{From: map[string]Link{"a": {Delay: 70 * time.Millisecond}, "b": {Cut: true}, "c": {Delay: 6 * time.Millisecond, Cut: true}}},
			"*raw\n:PREROUTING ACCEPT\n" +
				"-A PREROUTING -i internet -m mac --mac-source 02:00:0a:00:00:01 -j NFQUEUE --queue-num 1\n" +
				"-A PREROUTING -i internet -m mac --mac-source 02:00:0a:01:00:01 -j DROP\n" +
				"-A PREROUTING -i internet -m mac --mac-source 02:00:0a:02:00:01 -j DROP\n" +
				"COMMIT\n*mangle\n:FORWARD ACCEPT\nCOMMIT\n", "1=70ms\n3=6ms\n"},
	} {
		files, err := test.links.render(routers)
		if err != nil || files["rules"] != test.rules || files["delays"] != test.delays {
			t.Errorf("%s: got %v\n%s%s\nwant\n%s%s", test.name, err, files["rules"], files["delays"], test.rules, test.delays)
		}
	}
}
