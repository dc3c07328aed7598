package clouds

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

var machineTypes = map[string]string{
	DigitalOcean: "digitalocean:index/droplet:Droplet",
	AWS:          "aws:ec2/instance:Instance",
	GCE:          "gcp:compute/instance:Instance",
}

func TestPreviewAndUpMakeTheSame(t *testing.T) {
	t.Parallel()
	eachCloud(t, func(t *testing.T, cloud string) {
		up := slices.Sorted(maps.Keys(build(t, "london", args(cloud), false, nil).Made))
		preview := slices.Sorted(maps.Keys(build(t, "london", args(cloud), true, nil).Made))
		if !slices.Equal(up, preview) {
			t.Errorf("up:\n%s\npreview:\n%s", strings.Join(up, "\n"), strings.Join(preview, "\n"))
		}
		for _, k := range up {
			if !strings.HasPrefix(k, "london") {
				t.Errorf("%s: want the cluster's name in front", k)
			}
		}
	})
}

func TestUnknownCloud(t *testing.T) {
	t.Parallel()
	_, err := mockcloud.Run(false, nil, func(ctx *pulumi.Context) error {
		_, err := NewCluster(ctx, "london", args("azure"))
		return err
	})
	if err == nil || !strings.Contains(err.Error(), `cloud is "azure": expected one of digitalocean, aws, gce`) {
		t.Errorf("found %v", err)
	}
}

func TestNoSecretInPlainText(t *testing.T) {
	t.Parallel()
	eachCloud(t, func(t *testing.T, cloud string) {
		r := build(t, "london", args(cloud), false, func(c *Cluster) {
			for what, out := range map[string]pulumi.Output{"kubeconfig": c.Kubeconfig, "SSH key": c.SSHPrivateKey} {
				out.ApplyT(func(v any) any {
					if !pulumi.IsSecret(out) {
						t.Errorf("the %s is not secret", what)
					}
					return v
				})
			}
		})
		for k, a := range r.Made {
			for name, v := range a.Inputs {
				for _, plain := range plainText(v) {
					for _, secret := range []string{privateKey, token, clientKey} {
						if strings.Contains(plain, secret) {
							t.Errorf("%s: input %s shows a secret", k, name)
						}
					}
				}
			}
		}
		for _, name := range []string{"london-1-admin-conf", "london-2-token"} {
			a := r.Find(t, name)
			if got := a.RegisterRPC.GetAdditionalSecretOutputs(); !slices.Contains(got, "stdout") || !slices.Contains(got, "stderr") {
				t.Errorf("%s: additional secret outputs %v: want stdout and stderr", name, got)
			}
			if got := text(a, "logging"); got != "none" {
				t.Errorf("%s: logging %q: want none", name, got)
			}
		}
		// The token does reach the worker.
		if in := text(r.Find(t, "london-2-join"), "stdin"); !strings.Contains(in, token) || !strings.Contains(in, caHash) {
			t.Error("london-2-join: want token and CA hash in stdin")
		}
	})
}

func TestUserDataIsTheSameForAll(t *testing.T) {
	t.Parallel()
	eachCloud(t, func(t *testing.T, cloud string) {
		for name, a := range build(t, "london", args(cloud), false, nil).OfType(machineTypes[cloud]) {
			got := text(a, "userData")
			if cloud == GCE {
				got = a.Inputs["metadata"].ObjectValue()["user-data"].StringValue()
			}
			if got != userData {
				t.Errorf("%s: its user-data is not cloud-config.yaml", name)
			}
		}
	})
	if !strings.HasPrefix(userData, "#cloud-config\n") {
		t.Error("cloud-init ignores user-data without #cloud-config in its first line")
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	walls := map[string]string{
		DigitalOcean: "digitalocean:index/firewall:Firewall",
		AWS:          "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
		GCE:          "gcp:compute/firewall:Firewall",
	}
	eachCloud(t, func(t *testing.T, cloud string) {
		a := args(cloud)
		a.Workers = 2
		r := build(t, "london", a, false, nil)
		for _, vm := range []string{"london-1", "london-2", "london-3"} {
			rules := r.OfType(walls[cloud])
			if len(rules) == 0 {
				t.Fatal("no firewall")
			}
			for rule := range rules {
				if !r.Needs(vm, rule) {
					t.Errorf("%s does not wait for %s: it boots unprotected", vm, rule)
				}
			}
			if r.Needs(vm+"-address", vm) {
				t.Errorf("%s-address waits for its machine: certificates need it earlier", vm)
			}
		}
		for _, c := range []struct {
			name, other string
			want        bool
		}{
			{"london-1-init", "london-1-prepare", true},
			{"london-1-prepare", "london-1-first-contact", true},
			{"london-1-first-contact", "london-1", true},
			{"london-1-admin-conf", "london-1-init", true},
			{"london-2-token", "london-1-init", true},
			{"london-2-join", "london-2-token", true},
			{"london-2-join", "london-2-prepare", true},
			{"london-2-member", "london-2-join", true},
			{"london-kubernetes", "london-1-admin-conf", true},
			// Side by side:
			{"london-2-prepare", "london-1-first-contact", false},
			{"london-1-init", "london-2-first-contact", false},
			{"london-3-join", "london-2-token", false},
			{"london-2", "london-1", false},
		} {
			if got := r.Needs(c.name, c.other); got != c.want {
				t.Errorf("%s waits for %s: %v, want %v", c.name, c.other, got, c.want)
			}
		}
	})
}

// Ordinary changes must not replace a running node, and what does get replaced
// must be out of the way before its successor comes.
func TestReplacement(t *testing.T) {
	t.Parallel()
	ignored := map[string][]string{
		DigitalOcean: {"dropletAgent", "image", "sshKeys", "userData"},
		AWS:          {"ami", "keyName", "userData", "userDataBase64"},
		GCE:          {"bootDisk.initializeParams.image", `metadata["user-data"]`},
	}
	eachCloud(t, func(t *testing.T, cloud string) {
		r := build(t, "london", args(cloud), false, nil)
		for name, a := range r.OfType(machineTypes[cloud]) {
			if got := sorted(slices.Clone(a.RegisterRPC.GetIgnoreChanges())); !slices.Equal(got, ignored[cloud]) {
				t.Errorf("%s ignores %v, want %v", name, got, ignored[cloud])
			}
			if !a.RegisterRPC.GetDeleteBeforeReplace() {
				t.Errorf("%s: want delete before replace: names and addresses are unique", name)
			}
		}
		for name, a := range r.OfType("command:remote:Command") {
			if !a.RegisterRPC.GetDeleteBeforeReplace() {
				t.Errorf("%s: want delete before replace, or an old member's deletion removes the new node", name)
			}
			if a.RegisterRPC.GetCustomTimeouts().GetCreate() == "" {
				t.Errorf("%s: want a timeout", name)
			}
			if !strings.Contains(text(a, "create"), "timeout -k 30 ") {
				t.Errorf("%s: want its time bounded on the machine", name)
			}
			if len(a.Inputs["triggers"].ArrayValue()) == 0 {
				t.Errorf("%s: want triggers", name)
			}
			pinned := a.Inputs["connection"].SecretValue().Element.ObjectValue().HasValue("hostKey")
			if first := strings.HasSuffix(name, "-first-contact"); pinned == first {
				t.Errorf("%s: host key pinned: %v", name, pinned)
			}
		}
		member := r.Find(t, "london-2-member")
		if !strings.HasSuffix(member.RegisterRPC.GetDeletedWith(), "::london-1-init") {
			t.Errorf("london-2-member: deleted with %q: a dead cluster could not be destroyed", member.RegisterRPC.GetDeletedWith())
		}
		if got := text(member, "delete"); !strings.HasSuffix(got, "timeout -k 30 300 sh -s member delete") {
			t.Errorf("london-2-member: delete %q", got)
		}
		provider := r.Find(t, "london-kubernetes")
		if got := text(provider, "clusterIdentifier"); !strings.HasPrefix(got, "london/") {
			t.Errorf("clusterIdentifier %q: want the cluster's name and its machine's ID", got)
		}
	})
}

// A machine that is replaced must be set up again, on Google's cloud, too, where the
// new one takes over the old one's ID.
func TestNewMachineIsSetUpAnew(t *testing.T) {
	t.Parallel()
	eachCloud(t, func(t *testing.T, cloud string) {
		r := build(t, "london", args(cloud), false, nil)
		want := map[string]string{DigitalOcean: "4711", AWS: "london-2-id", GCE: "1234567890"}[cloud]
		for name, position := range map[string]int{"london-2-first-contact": 0, "london-2-token": 1} {
			triggers := r.Find(t, name).Inputs["triggers"].ArrayValue()
			if len(triggers) <= position || triggers[position].StringValue() != want {
				t.Errorf("%s: triggers %v, want the machine's %s as number %d", name, triggers, want, position)
			}
		}
	})
}

func TestOneMoreNodeLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	eachCloud(t, func(t *testing.T, cloud string) {
		before := build(t, "london", args(cloud), false, nil)
		more := args(cloud)
		more.Workers = 2
		after := build(t, "london", more, false, nil)
		for k, a := range before.Made {
			b, ok := after.Made[k]
			if !ok {
				t.Errorf("%s is gone", k)
			} else if !reflect.DeepEqual(a.Inputs, b.Inputs) {
				t.Errorf("%s has changed:\n%v\n%v", k, a.Inputs, b.Inputs)
			}
		}
		for k := range after.Made {
			if _, ok := before.Made[k]; !ok && !strings.HasPrefix(k, "london-3") {
				t.Errorf("%s is new", k)
			}
		}
	})
}

// Google's names have at most 63 characters, eight of them appended by Pulumi
// unless the program sets the name itself.
func TestNamesFit(t *testing.T) {
	t.Parallel()
	for _, r := range append(ClusterRules(true), PeerRules(true, true)...) {
		if len(r.Name) > 16 {
			t.Errorf("rule %q: at most 16 characters", r.Name)
		}
	}
	for _, name := range nodeNames(strings.Repeat("x", MaxNameLength), MaxWorkers) {
		if len(name)+len("-address")+8 > 63 {
			t.Fatalf("%s-address-1234567 is too long", name)
		}
	}
	name := strings.Repeat("x", MaxNameLength)
	r, err := mockcloud.Run(false, nil, func(ctx *pulumi.Context) error {
		var all []*Cluster
		for _, n := range []string{name, strings.Repeat("y", MaxNameLength)} {
			c, err := NewCluster(ctx, n, args(GCE))
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
	for _, made := range r.Made {
		if strings.HasPrefix(made.TypeToken, "gcp:") && len(made.Name)+8 > 63 {
			t.Errorf("%s is too long", made.Name)
		}
	}
}

func TestEgressAddress(t *testing.T) {
	t.Parallel()
	want := map[string]string{DigitalOcean: "192.0.108.101", AWS: "192.0.108.1", GCE: "192.0.108.1"}
	eachCloud(t, func(t *testing.T, cloud string) {
		build(t, "london", args(cloud), false, func(c *Cluster) {
			pulumi.All(c.Nodes[0].PublicAddress, c.Nodes[0].PrivateAddress, c.Nodes[0].EgressAddress).ApplyT(func(v []any) any {
				if v[0] != "192.0.108.1" || v[1] != "10.10.0.2" || v[2] != want[cloud] {
					t.Errorf("public %v, private %v, egress %v; want 192.0.108.1, 10.10.0.2, %s", v[0], v[1], v[2], want[cloud])
				}
				return nil
			})
		})
	})
}
