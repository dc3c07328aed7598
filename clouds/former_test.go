package clouds

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// refused are the problems of a change of settings, in a stack that has been made with
// those of args.
func refused(t *testing.T, cloud, project string, change func(*ClusterArgs)) []string {
	t.Helper()
	before := args(cloud)
	former := mockcloud.Former{Outputs: map[string]any{"clusters": map[string]any{"london": map[string]any{"cloud": cloud}}}}
	build(t, "london", before, false, func(c *Cluster) {
		fixed := map[string]any{}
		for k, v := range c.fixed {
			fixed[k] = v
		}
		if _, ok := fixed["gcp:project"]; ok {
			fixed["gcp:project"] = "first"
		}
		former.Outputs["clusters"].(map[string]any)["london"].(map[string]any)["fixed"] = fixed
	})
	var problems []string
	_, err := mockcloud.RunAfter(former, true, map[string]string{"gcp:project": project}, func(ctx *pulumi.Context) error {
		f, err := ReadFormer(ctx)
		if err != nil {
			return err
		}
		after := args(cloud)
		after.Name = "london"
		change(after)
		problems, err = f.Check(ctx, after.Settings, after.Shared)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return problems
}

// What would end a cluster is refused, unless the settings allow it.
func TestChangesThatEndACluster(t *testing.T) {
	t.Parallel()
	zone := map[string]string{AWS: "eu-central-1b", GCE: "us-west1-c"}
	eachCloud(t, func(t *testing.T, cloud string) {
		changes := map[string]func(*ClusterArgs){
			"networkCidr": func(a *ClusterArgs) { a.NetworkCIDR = netip.MustParsePrefix("10.99.0.0/24") },
			"region":      func(a *ClusterArgs) { a.Region = "elsewhere1" },
			"cloud": func(a *ClusterArgs) {
				a.Cloud = map[string]string{DigitalOcean: AWS, AWS: GCE, GCE: DigitalOcean}[cloud]
			},
		}
		if zone[cloud] != "" {
			changes["zone"] = func(a *ClusterArgs) { a.Zone = zone[cloud] }
		}
		for key, change := range changes {
			got := strings.Join(refused(t, cloud, "first", change), "\n")
			if !strings.Contains(got, key+" changes from") || !strings.Contains(got, "replace: true") {
				t.Errorf("%s: found %q, want it refused, and told how to allow it", key, got)
			}
			if got := refused(t, cloud, "first", func(a *ClusterArgs) { change(a); a.Replace = true }); len(got) > 0 {
				t.Errorf("%s is refused although it is allowed: %v", key, got)
			}
			// The federation would go with its host, whatever is allowed.
			host := strings.Join(refused(t, cloud, "first", func(a *ClusterArgs) { change(a); a.Replace, a.FederationHost = true, true }), "\n")
			if !strings.Contains(host, key+" changes from") || !strings.Contains(host, "pulumi destroy") {
				t.Errorf("%s: found %q, want the federation's host refused", key, host)
			}
		}
		// No change, and those that machines bear.
		for _, change := range []func(*ClusterArgs){
			func(*ClusterArgs) {},
			func(a *ClusterArgs) { a.Workers = 3; a.WorkerType = "other"; a.Image = "other"; a.AdminCIDRs = nil },
			func(a *ClusterArgs) { a.Replace = true },
		} {
			if got := refused(t, cloud, "first", change); len(got) > 0 {
				t.Errorf("found %v, want nothing", got)
			}
		}
		// What no new machine heals, and what both networks would be refused for.
		for key, change := range map[string]func(*ClusterArgs){
			"serviceCidr":    func(a *ClusterArgs) { a.ServiceCIDR = netip.MustParsePrefix("10.120.0.0/16") },
			"hybrid:podCidr": func(a *ClusterArgs) { a.PodCIDR = netip.MustParsePrefix("10.64.0.0/12") },
			"federationHost": func(a *ClusterArgs) { a.FederationHost = true },
			"networkCidr":    func(a *ClusterArgs) { a.NetworkCIDR = netip.MustParsePrefix("10.10.0.0/25") },
		} {
			got := refused(t, cloud, "first", func(a *ClusterArgs) { change(a); a.Replace = true })
			if len(got) != 1 || !strings.HasPrefix(got[0], key+" changes from") || strings.Contains(got[0], "replace: true") {
				t.Errorf("%s: found %v, want it refused", key, got)
			}
		}
	})
	for host, way := range map[bool]string{false: "take the cluster out of hybrid:clusters, run pulumi up", true: "run pulumi destroy before"} {
		got := refused(t, GCE, "second", func(a *ClusterArgs) { a.Replace, a.FederationHost = true, host })
		if !slices.ContainsFunc(got, func(line string) bool {
			return strings.HasPrefix(line, `gcp:project changes from "first" to "second"`) && strings.Contains(line, way)
		}) {
			t.Errorf("host is %v: found %v, want that the project can't change, and %q", host, got, way)
		}
	}
	if got := refused(t, AWS, "second", func(*ClusterArgs) {}); len(got) > 0 {
		t.Errorf("AWS: found %v, want that Google's project is nothing to it", got)
	}
}

// A stack that has never been complete has nothing to lose.
func TestStackThatHasNeverBeen(t *testing.T) {
	t.Parallel()
	_, err := mockcloud.Run(true, nil, func(ctx *pulumi.Context) error {
		f, err := ReadFormer(ctx)
		if err != nil {
			return err
		}
		a := args(AWS)
		problems, err := f.Check(ctx, a.Settings, a.Shared)
		if len(problems) > 0 {
			t.Errorf("found %v", problems)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The networks of an old and a new cluster are there side by side, or one after the
// other where the cloud takes no second one.
func TestReplacedNetworks(t *testing.T) {
	t.Parallel()
	r := build(t, "london", args(AWS), false, nil)
	if !r.Find(t, "london-subnet").RegisterRPC.GetDeleteBeforeReplace() {
		t.Error("london-subnet: EC2 refuses a second subnet of the same range")
	}
	if got := r.Find(t, "london-gateway").RegisterRPC.GetReplaceOnChanges(); len(got) != 1 || got[0] != "vpcId" {
		t.Errorf("london-gateway is replaced when %v changes, want vpcId: it can't be detached while machines are there", got)
	}
	r = build(t, "london", args(GCE), false, nil)
	if got := r.Find(t, "london-2").RegisterRPC.GetReplaceOnChanges(); len(got) != 1 || got[0] != "networkInterfaces[0].subnetwork" {
		t.Errorf("london-2 is replaced when %v changes, want its subnetwork: a control plane can't do without its address", got)
	}
}
