package clouds

import (
	"net/netip"
	"strings"
	"testing"
)

// Administrators' ranges are counted together, however they are cut.
func TestAdmins(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"198.51.100.7/32":                                   "",
		"198.51.100.0/24 198.51.100.7/32":                   "",
		"12.0.0.0/8":                                        "",
		"16.0.0.0/5 16.0.0.0/8 17.0.0.0/8 24.0.0.0/5":       "",
		"16.0.0.0/4 32.0.0.0/32":                            "6 %",
		"0.0.0.0/0":                                         "100 %",
		"0.0.0.0/1 128.0.0.0/1":                             "100 %",
		"0.0.0.0/1 128.0.0.0/2 192.0.0.0/2 198.51.100.7/32": "100 %",
		"0.0.0.0/2 64.0.0.0/2":                              "50 %",
		"198.51.100.7/32 198.51.100.7/32":                   "there twice",
		"":                                                  "found none",
		"0.0.0.0/1 0.0.0.0/1 0.0.0.0/2 1.0.0.0/8 64.0.0.0/2": "50 %",
	} {
		var ranges []netip.Prefix
		for _, r := range strings.Fields(text) {
			ranges = append(ranges, netip.MustParsePrefix(r))
		}
		got := strings.Join(adminProblems(ranges), "\n")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: found %q, want %q", text, got, want)
		}
	}
}

func TestMirror(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"https://registry.example.org": true, "http://198.18.0.5": true, "https://registry.example.org:5000": true, "http://[2001:db8::1]:5000": true,
		"registry.example.org": false, "ftp://registry.example.org": false, "https://registry.example.org/": false, "https://registry.example.org/v2": false,
		"https://user:word@registry.example.org": false, "https://registry.example.org:": false, "https://registry.example.org:99999": false,
		"https://registry.example.org:0": false, "https://": false, "https://a b": false, "http://localhost:5000": false, "http://127.0.0.1:5000": false,
		"http://0.0.0.0:5000": false, "http://[::1]:5000": false,
	} {
		s := DefaultShared()
		s.RegistryMirror = text
		if problems := s.Problems()["registryMirror"]; (problems == nil) != want {
			t.Errorf("%s: found %v, want accepted: %v", text, problems, want)
		}
	}
}
