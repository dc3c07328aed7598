package clouds

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// connected makes london on a cloud and others on all clouds, and joins them. None
// hosts the federation.
func connected(t *testing.T, cloud string, others ...string) *mockcloud.Record {
	t.Helper()
	return federated(t, "", cloud, others...)
}

// federated does the same, with a host.
func federated(t *testing.T, host, cloud string, others ...string) *mockcloud.Record {
	t.Helper()
	r, err := mockcloud.Run(false, nil, func(ctx *pulumi.Context) error {
		var all []*Cluster
		for i, name := range append([]string{"london"}, others...) {
			a := args(Clouds[i%len(Clouds)])
			if i == 0 {
				a = args(cloud)
			}
			a.NetworkCIDR = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(10 + i), 0, 0}), 24)
			a.FederationHost = name == host
			c, err := NewCluster(ctx, name, a)
			if err != nil {
				return err
			}
			all = append(all, c)
		}
		_, err := Connect(all)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every cloud lets the others' nodes in by the addresses that they are seen by, at
// the mesh's ports, and no others; and where the federation is, to and from its
// host, the ports of that.
func TestPeerFirewalls(t *testing.T) {
	t.Parallel()
	var mesh []string
	// frankfurt is on AWS, america on GCE, dublin on DigitalOcean: a droplet's
	// reserved address is for inbound connections only.
	for _, a := range []string{"192.0.102.1", "192.0.102.2", "192.0.97.1", "192.0.97.2", "192.0.100.101", "192.0.100.102"} {
		mesh = append(mesh, "tcp 6783 from "+a+"/32", "udp 6783-6784 from "+a+"/32")
	}
	// The host uses its members' APIs, and members may use the host's.
	federation := map[string][]string{
		"": nil,
		"london": {
			"tcp 30443 from 192.0.102.1/32", "tcp 30443 from 192.0.102.2/32", "tcp 30443 from 192.0.97.1/32",
			"tcp 30443 from 192.0.97.2/32", "tcp 30443 from 192.0.100.101/32", "tcp 30443 from 192.0.100.102/32",
		},
		"dublin": {"tcp 6443 from 192.0.100.101/32", "tcp 6443 from 192.0.100.102/32"},
	}
	render := map[string]func(*testing.T, *mockcloud.Record) []string{
		DigitalOcean: func(t *testing.T, r *mockcloud.Record) []string {
			wall := r.Find(t, "london-peers")
			if got := plainText(wall.Inputs["tags"]); !slices.Equal(got, []string{"london-node"}) || wall.Inputs.HasValue("outboundRules") {
				t.Errorf("the firewall is for tags %v, and outbound rules are the first one's", got)
			}
			return inboundRules(wall)
		},
		AWS: groupRules, GCE: googleRules,
	}
	eachCloud(t, func(t *testing.T, cloud string) {
		for host, more := range federation {
			want := sorted(slices.Concat(mesh, more))
			var own []string
			if cloud != DigitalOcean { // whose firewall for peers is one of its own
				own = render[cloud](t, federated(t, host, cloud))
			}
			got := slices.DeleteFunc(sorted(render[cloud](t, federated(t, host, cloud, "frankfurt", "america", "dublin"))), func(rule string) bool {
				return slices.Contains(own, rule)
			})
			if !slices.Equal(got, want) {
				t.Errorf("host %q: found:\n%s\nwant:\n%s", host, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	})
}

// One cluster has no other to let in.
func TestConnectOne(t *testing.T) {
	t.Parallel()
	eachCloud(t, func(t *testing.T, cloud string) {
		for k := range connected(t, cloud).Made {
			if strings.Contains(k, "peer") || strings.HasPrefix(k, "london-mesh-tcp ") {
				t.Errorf("%s: there is only one cluster", k)
			}
		}
	})
}

// One more cluster changes, of the others, no more than a list of addresses.
func TestOneMoreClusterReplacesNothing(t *testing.T) {
	t.Parallel()
	eachCloud(t, func(t *testing.T, cloud string) {
		before, after := connected(t, cloud, "frankfurt"), connected(t, cloud, "frankfurt", "america")
		for k, a := range before.Made {
			b, ok := after.Made[k]
			if !ok {
				t.Errorf("%s is gone", k)
			} else if strings.HasSuffix(k, "digitalocean:index/firewall:Firewall") && strings.Contains(k, "-peers ") {
				continue // an update of the rules, which replaces nothing
			} else if !reflect.DeepEqual(a.Inputs, b.Inputs) {
				t.Errorf("%s has changed:\n%v\n%v", k, a.Inputs, b.Inputs)
			}
		}
	})
}
