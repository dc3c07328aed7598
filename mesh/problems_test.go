package mesh

import (
	"strings"
	"testing"

	"hybrid/clouds"
)

func TestProblems(t *testing.T) {
	of := func(cloud string, workers int) clouds.Settings {
		return clouds.Settings{Cloud: cloud, Workers: workers}
	}
	all := []clouds.Settings{of(clouds.DigitalOcean, 1), of(clouds.AWS, 1), of(clouds.GCE, 1)}
	for _, test := range []struct {
		mtu      int
		clusters []clouds.Settings
		want     string
	}{
		{DefaultSettings().MTU, all, ""},
		{1375, all, "mtu is 1375: expected at most 1374"},
		{1414, all[:2], ""},
		{1415, all[:2], "mtu is 1415: expected at most 1414"},
		// Within AWS packets are larger.
		{8915, all[1:2], ""},
		{8916, all[1:2], "mtu is 8916: expected at most 8915"},
		{575, all, "expected 576 to 65535"},
		{576, all, ""},
		{1374, []clouds.Settings{of(clouds.AWS, 100), of(clouds.GCE, 99)}, ""},
		{1374, []clouds.Settings{of(clouds.AWS, 100), of(clouds.GCE, 100)}, "the clusters have 202 nodes in all: expected at most 201"},
	} {
		s := DefaultSettings()
		s.MTU = test.mtu
		got := strings.Join(s.Problems(test.clusters), "\n")
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%d with %v: found %q, want %q", test.mtu, test.clusters, got, test.want)
		}
	}
}
