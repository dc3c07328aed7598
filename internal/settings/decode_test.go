package settings

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

type example struct {
	Name  string         `json:"name"`
	Count int            `json:"count"`
	On    bool           `json:"on"`
	List  []string       `json:"list"`
	Each  map[string]int `json:"each"`
	Free  map[string]any `json:"free"`
	Range netip.Prefix   `json:"range"`
	Own   string         `json:"-"`
}

func TestObject(t *testing.T) {
	text := `{"name": "a", "count": 3, "on": true, "list": ["b"], "each": {"c": 1}, "free": {"d": [1000000, {"e": 1.5, "f": null}, null], "g": null}, "range": "10.0.0.0/8"}`
	var p Problems
	var got example
	Object(json.RawMessage(text), "it", &got, &p)
	want := example{
		Name: "a", Count: 3, On: true, List: []string{"b"}, Each: map[string]int{"c": 1},
		Free:  map[string]any{"d": []any{int64(1000000), map[string]any{"e": 1.5}}},
		Range: netip.MustParsePrefix("10.0.0.0/8"),
	}
	if !reflect.DeepEqual(got, want) || p.Err() != nil {
		t.Errorf("found %+v, %v, want %+v", got, p.Err(), want)
	}
	// What is left out, or empty, stays as it is.
	Object(json.RawMessage(`{"name": null, "count": null, "range": null}`), "it", &got, &p)
	if !reflect.DeepEqual(got, want) || p.Err() != nil {
		t.Errorf("empty keys: found %+v, %v, want %+v", got, p.Err(), want)
	}
}

func TestWrongObjects(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                                    "it: expected an object, found []",
		`null`:                                  "it: expected an object, found null",
		`{"range": ""}`:                         "it: range missing: set it to an IPv4 range",
		`{}`:                                    "it: range missing",
		`{"range": 10}`:                         "it: range is 10: expected a string",
		`{"range": "10.0.0.1"}`:                 "it: range 10.0.0.1 is an address: expected a range; a single address is 10.0.0.1/32",
		`{"range": "10.0.0.1/8"}`:               "it: range 10.0.0.1/8 is an address within a range: write the range as 10.0.0.0/8",
		`{"range": "fd00::/8"}`:                 `it: range "fd00::/8": expected an IPv4 range`,
		`{"name": 1}`:                           "it: name is 1: expected a string",
		`{"count": "1"}`:                        `it: count is "1": expected a whole number, without quotes`,
		`{"count": 1.5}`:                        "it: count is 1.5: expected a whole number",
		`{"on": "yes"}`:                         `it: on is "yes": expected true or false, without quotes`,
		`{"list": "a"}`:                         `it: list is "a": expected a list of strings`,
		`{"list": [1]}`:                         "it: list is [1]: expected a list of strings",
		`{"each": {"a": "b"}}`:                  `it: each is {"a": "b"}: expected an object of whole numbers`,
		`{"free": []}`:                          "it: free is []: expected an object",
		`{"secretOwn": "x"}`:                    `it: unknown key "secretOwn": expected one of name, count`,
		`{"Name": "x"}`:                         `it: unknown key "Name": expected name`,
		`{"free": "` + strings.Repeat("a", 300): "it: expected an object, found",
	} {
		var p Problems
		Object(json.RawMessage(text), "it", &example{}, &p)
		if got := fmt.Sprint(p.Err()); !strings.Contains(got, want) || len(got) > 400 {
			t.Errorf("%s: found %s, want %s", text, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"clusters", "podCidr", "postgres", "weavePassword", "mesh", "zone"}
	for key, want := range map[string]string{
		"podCIDR": "podCidr", "postgresql": "postgres", "cluster": "clusters", "weavepassword": "weavePassword", "msh": "mesh", "weave": "weavePassword",
		"image": "", "x": "", "wave_password": "weavePassword",
	} {
		if got := Nearest(key, known); got != want {
			t.Errorf("%s: found %q, want %q", key, got, want)
		}
	}
}

func TestImage(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("0a", 32)
	for ref, want := range map[string]bool{
		"docker.io/rajchaudhuri/weave-kube:2.9.0": true, "postgres:18.6": true, "postgres:18.6" + digest: true, "ghcr.io/a/b" + digest: true,
		"docker.io/my__org/weave-kube:2.9.0": true, "registry.gitlab.com/grp/weave--kube:2.9.0": true, "registry.example.org:5000/a.b/c_d:v1-rc.2": true,
		"localhost:5000/a:1": true, "a:latest" + digest: true,
		"ghcr.io/MyOrg/weave-kube:2.9.0": false, "a/B:1": false, "postgres": false, "postgres:latest": false, "docker.io/library/postgres": false, "": false,
		"a b:1": false, "a:1 ": false, "https://ghcr.io/a:1": false, "a__-b:1": false, "a@sha256:12": false, "a:" + strings.Repeat("1", 129): false, "-a:1": false, "a/:1": false,
		"registry.example.org:port/a:1": false,
	} {
		if problem := Image(ref, "example.org/a:1"); (problem == "") != want {
			t.Errorf("%s: found %q, want accepted: %v", ref, problem, want)
		}
	}
}
