package settings

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
)

// Unknown says that there is no such key, and which is meant, or which there are.
func Unknown(key string, known []string) string {
	if near := Nearest(key, known); near != "" {
		return fmt.Sprintf("unknown key %q: expected %s", key, near)
	}
	return fmt.Sprintf("unknown key %q: expected one of %s", key, strings.Join(known, ", "))
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
