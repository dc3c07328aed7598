package settings

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
)

// mostShown is how many known keys an error shows.
const mostShown = 20

// Unknown says that there is no such key, and which is meant.
func Unknown(key string, known []string) string {
	text := fmt.Sprintf("unknown key %q: expected ", key)
	near := Nearest(key, known)
	switch {
	case near != "" && len(known) > mostShown:
		return text + near
	case near != "":
		return text + near + " or another of " + strings.Join(known, ", ")
	case len(known) > mostShown:
		return text + strings.Join(known[:mostShown], ", ") + " or another"
	}
	return text + "one of " + strings.Join(known, ", ")
}

// Nearest is the known key that a wrong one is likely to mean: the one with the fewest
// letters to change, upper or lower case aside, and no more than a third of them; or
// one that begins as it does. It is empty if there is none.
func Nearest(key string, known []string) string {
	best, least := "", 0
	for _, k := range known {
		a, b := strings.ToLower(key), strings.ToLower(k)
		n := levenshtein.Distance(a, b, nil)
		if 3*n > max(len(a), len(b)) {
			if len(a) < 4 || len(b) < 4 || !strings.HasPrefix(a, b) && !strings.HasPrefix(b, a) {
				continue
			}
		}
		if best == "" || n < least {
			best, least = k, n
		}
	}
	return best
}
