package clouds

import (
	"strings"
	"testing"
)

func TestQuotas(t *testing.T) {
	t.Parallel()
	of := func(cloud, region string, workers int) Settings {
		return Settings{Name: cloud + "-" + region, Cloud: cloud, Region: region, Workers: workers}
	}
	for _, test := range []struct {
		clusters []Settings
		admins   int
		want     string
	}{
		{[]Settings{of(DigitalOcean, "lon1", 2), of(AWS, "eu-central-1", 4), of(GCE, "us-west1", 7)}, 2, ""},
		// An account of DigitalOcean has three, wherever they are.
		{[]Settings{of(DigitalOcean, "lon1", 1), of(DigitalOcean, "ams3", 1)}, 1, "static addresses on digitalocean in all regions: 4 are needed, and an account has 3"},
		{[]Settings{of(AWS, "eu-central-1", 5)}, 1, "static addresses on aws in eu-central-1: 6 are needed, and an account has 5"},
		{[]Settings{of(AWS, "eu-central-1", 1), of(AWS, "eu-west-1", 3)}, 1, ""},
		{[]Settings{of(GCE, "us-west1", 8)}, 1, "static addresses on gce in us-west1: 9 are needed, and an account has 8"},
		// Five rules for nodes, two for each administrator.
		{[]Settings{of(AWS, "eu-central-1", 1)}, 27, ""},
		{[]Settings{of(AWS, "eu-central-1", 1)}, 28, `rules of the security group of cluster "aws-eu-central-1": 61 are needed, and an account has 60`},
		// And two for each node of a peer.
		{[]Settings{of(AWS, "eu-central-1", 1), of(GCE, "us-west1", 7)}, 19, ""},
		{[]Settings{of(AWS, "eu-central-1", 1), of(GCE, "us-west1", 7)}, 20, "61 are needed"},
	} {
		got := strings.Join(Quotas(test.clusters, test.admins), "\n")
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%v, %d admins: found %q, want %q", test.clusters, test.admins, got, test.want)
		}
	}
	var six []Settings
	for range 6 {
		six = append(six, of(AWS, "eu-central-1", 1))
	}
	if got := strings.Join(Quotas(six, 1), "\n"); !strings.Contains(got, "VPCs on aws in eu-central-1: 6 are needed, and an account has 5") {
		t.Errorf("six networks: %q", got)
	}
}

// Rules are as many as are made.
func TestRules(t *testing.T) {
	t.Parallel()
	a := args(AWS)
	r := build(t, "frankfurt", a, false, nil)
	if got, want := rules(0, []Settings{a.Settings}, len(a.AdminCIDRs)), len(r.OfType("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")); got != want {
		t.Errorf("found %d rules, want %d", got, want)
	}
}
