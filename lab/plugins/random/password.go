package random

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"

	sdk "github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"golang.org/x/crypto/bcrypt"

	"hybrid/lab/plugins/provider"
)

// class is a class of characters: the input that allows it, and the one that
// says how many of them there must be at least.
type class struct{ allow, minimum, characters string }

var classes = []class{
	{"lower", "minLower", "abcdefghijklmnopqrstuvwxyz"},
	{"upper", "minUpper", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
	{"numeric", "minNumeric", "0123456789"},
	{"special", "minSpecial", "!@#$%&*()-_=+[]{}<>:?"},
}

// bcryptLimit is how many bytes bcrypt takes.
const bcryptLimit = 72

func password() *provider.Resource {
	return &provider.Resource{
		Schema: provider.Schema{
			Args: sdk.RandomPasswordArgs{}, Outputs: sdk.RandomPassword{},
			Supported: []string{"keepers", "lower", "minLower", "minNumeric", "minSpecial", "minUpper", "numeric", "overrideSpecial", "special", "upper"},
			ForceNew: []string{
				"keepers", "length", "lower", "minLower", "minNumeric", "minSpecial", "minUpper", "numeric", "overrideSpecial", "special", "upper",
			},
			Computed: []string{"number"},
			Secret:   []string{"bcryptHash", "result"},
			Defaults: map[string]any{
				"lower": true, "upper": true, "numeric": true, "special": true,
				"minLower": 0, "minUpper": 0, "minNumeric": 0, "minSpecial": 0,
			},
		},
		Check: checkPassword,
		Create: func(_ *provider.Call, in provider.Props) (string, provider.Props, error) {
			text, err := generate(in)
			if err != nil {
				return "", nil, fmt.Errorf("generating a password: %w", err)
			}
			hash, err := bcrypt.GenerateFromPassword([]byte(text)[:min(len(text), bcryptLimit)], bcrypt.DefaultCost)
			if err != nil {
				return "", nil, fmt.Errorf("hashing the password: %w", err)
			}
			s := password().Schema
			all := provider.Merge(s.WithDefaults(in), provider.From(map[string]any{
				"result": text, "bcryptHash": string(hash), "number": provider.Bool(in, "numeric", true),
			}))
			return "none", all, nil
		},
		Update: keep,
	}
}

func checkPassword(_ *provider.Call, in provider.Props) (f provider.Failures) {
	length, wanted, allowed := provider.Int(in, "length", 1), 0, false
	for _, c := range classes {
		n := provider.Int(in, c.minimum, 0)
		wanted += n
		on := provider.Bool(in, c.allow, true)
		allowed = allowed || on
		if n < 0 || n > 0 && !on {
			f = append(f, provider.Failure(c.minimum, "must be at least 0, and 0 if %s is false, got: %d", c.allow, n))
		}
	}
	if length < 1 || length < wanted {
		f = append(f, provider.Failure("length", "attribute length value must be at least 1 and at least sum of min_upper + min_lower + min_numeric + min_special (%d), got: %d", wanted, length))
	}
	if !allowed {
		f = append(f, provider.Failure("special", "at least one of lower, upper, numeric, special must be true"))
	}
	return f
}

func generate(in provider.Props) (string, error) {
	var all strings.Builder
	var out []byte
	for _, c := range classes {
		characters := c.characters
		if own := provider.Str(in, "overrideSpecial"); c.allow == "special" && own != "" {
			characters = own
		}
		if provider.Bool(in, c.allow, true) {
			all.WriteString(characters)
		}
		for range provider.Int(in, c.minimum, 0) {
			b, err := pick(characters)
			if err != nil {
				return "", err
			}
			out = append(out, b)
		}
	}
	for len(out) < provider.Int(in, "length", 1) {
		b, err := pick(all.String())
		if err != nil {
			return "", err
		}
		out = append(out, b)
	}
	// Or else the first characters would always be of known classes.
	for i := len(out) - 1; i > 0; i-- {
		j, err := rand.Int(rand.Reader, big.NewInt(int64(i+1)))
		if err != nil {
			return "", err
		}
		out[i], out[j.Int64()] = out[j.Int64()], out[i]
	}
	return string(out), nil
}

func pick(characters string) (byte, error) {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(len(characters))))
	if err != nil {
		return 0, err
	}
	return characters[i.Int64()], nil
}
