package settings

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/distribution/reference"
)

// Image says what is wrong with a reference of a container image, or nothing. What has
// neither a version nor a digest means another image tomorrow. Nodes read references
// as this does.
func Image(text, example string) string {
	want := "expected a name with a version or digest, such as " + example
	ref, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return fmt.Sprintf("image is %q: %v; %s", text, err, want)
	}
	tagged, _ := ref.(reference.Tagged)
	_, digested := ref.(reference.Digested)
	if !digested && (tagged == nil || tagged.Tag() == "latest") {
		return fmt.Sprintf("image is %q: %s", text, want)
	}
	return ""
}

// StorageClass says whether a text can be the name of a storage class: a subdomain of
// RFC 1123.
func StorageClass(text string) bool { return subdomain.MatchString(text) && len(text) <= 253 }

var subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// Secret says what is wrong with a password or token, or nothing, and never quotes
// it: it has at least so many characters, of printable ASCII, without spaces and those
// that are forbidden, which are described.
func Secret(text string, least int, forbidden, described string) string {
	problem := Chosen(text, least, forbidden, described)
	if problem != "" {
		problem += ", or none at all to have one generated"
	}
	return problem
}

// Chosen is Secret for what is never generated.
func Chosen(text string, least int, forbidden, described string) string {
	wrong := strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(forbidden, r) })
	if n := len(text); n < least || wrong {
		return fmt.Sprintf("found %d characters: expected at least %d of printable ASCII without %s", n, least, described)
	}
	return ""
}
