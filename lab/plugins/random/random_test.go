package random

import (
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"hybrid/lab/plugins/provider"
)

func TestPassword(t *testing.T) {
	for name, test := range map[string]struct {
		in      map[string]any
		allowed string
	}{
		"all":                {map[string]any{"length": 40}, classes[0].characters + classes[1].characters + classes[2].characters + classes[3].characters},
		"no special":         {map[string]any{"length": 40, "special": false}, classes[0].characters + classes[1].characters + classes[2].characters},
		"own special":        {map[string]any{"length": 40, "overrideSpecial": "_", "lower": false, "upper": false, "minSpecial": 3}, classes[2].characters + "_"},
		"longer than bcrypt": {map[string]any{"length": 100, "numeric": false}, classes[0].characters + classes[1].characters + classes[3].characters},
	} {
		t.Run(name, func(t *testing.T) {
			in := provider.From(test.in)
			_, out, err := password().Create(nil, in)
			if err != nil {
				t.Fatal(err)
			}
			text := provider.Str(out, "result")
			if len(text) != provider.Int(in, "length", 0) || strings.Trim(text, test.allowed) != "" {
				t.Errorf("password %q; want %d of %q", text, provider.Int(in, "length", 0), test.allowed)
			}
			if n := strings.Count(text, "_"); n < provider.Int(in, "minSpecial", 0) {
				t.Errorf("password %q has %d special characters; want at least 3", text, n)
			}
			if err := bcrypt.CompareHashAndPassword([]byte(provider.Str(out, "bcryptHash")), []byte(text)[:min(len(text), bcryptLimit)]); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPasswordsDiffer(t *testing.T) {
	in := provider.From(map[string]any{"length": 24})
	a, err := generate(in)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := generate(in); a == b {
		t.Errorf("twice the same password %q", a)
	}
}

func TestPasswordCheck(t *testing.T) {
	for want, in := range map[string]map[string]any{
		"at least 1":                   {"length": 0},
		"(5), got: 4":                  {"length": 4, "minLower": 5},
		"0 if special is false":        {"length": 4, "special": false, "minSpecial": 1},
		"at least one of lower, upper": {"length": 4, "lower": false, "upper": false, "numeric": false, "special": false},
	} {
		f := checkPassword(nil, provider.From(in))
		if len(f) != 1 || !strings.Contains(f[0].Reason, want) {
			t.Errorf("%v: got %v; want %q", in, f, want)
		}
	}
}

func TestID(t *testing.T) {
	got, out, err := id().Create(nil, provider.From(map[string]any{"byteLength": 8, "prefix": "p-"}))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(got)
	if err != nil || len(raw) != 8 {
		t.Fatalf("ID %q: %v", got, err)
	}
	for key, want := range map[string]string{
		"hex": "p-" + hex.EncodeToString(raw), "b64Url": "p-" + got, "b64Std": "p-" + base64.StdEncoding.EncodeToString(raw), "dec": "p-" + new(big.Int).SetBytes(raw).String(),
	} {
		if provider.Str(out, key) != want {
			t.Errorf("%s is %q; want %q", key, provider.Str(out, key), want)
		}
	}
	if f := id().Check(nil, provider.From(map[string]any{"byteLength": 0})); len(f) != 1 {
		t.Errorf("no bytes: %v; want a failure", f)
	}
}
