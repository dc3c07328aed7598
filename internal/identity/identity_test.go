package identity

import (
	"sync"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Times of several zones are compared as moments.
func TestFirst(t *testing.T) {
	for want, times := range map[string][]string{
		"2030-01-01T10:00:00Z": {"2030-01-01T11:00:00Z", "2030-01-01T12:00:00+02:00", "2031-01-01T00:00:00Z"},
		"2029-12-31T23:30:00Z": {"2029-12-31T23:30:00Z"},
		"":                     {"2030-01-01T11:00:00Z", "soon"},
	} {
		var got string
		var told sync.WaitGroup
		_, err := mockcloud.Run(false, nil, func(*pulumi.Context) error {
			if want != "" {
				told.Add(1)
			}
			First(pulumi.ToStringArray(times)).ApplyT(func(first string) string { got = first; told.Done(); return first })
			return nil
		})
		told.Wait()
		if got != want || err != nil {
			t.Errorf("of %q: got %q, %v; want %q", times, got, err, want)
		}
	}
}
