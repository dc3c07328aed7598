package gcp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hybrid/lab/clouds/cloud/cloudtest"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

type m = map[string]any

const family24 = "ubuntu-os-cloud/ubuntu-2404-lts-amd64"

func engine(t *testing.T) *cloudtest.Engine {
	return cloudtest.New(t, New, Package, m{"project": "lab", "region": "us-west1", "zone": "us-west1-b"})
}

func makeNetwork(e *cloudtest.Engine) {
	e.Helper()
	id, _ := e.Make(typeNetwork, "net", m{"name": "america", "autoCreateSubnetworks": false})
	e.Make(typeSubnetwork, "subnet", m{"name": "america", "network": id, "ipCidrRange": "10.30.0.0/24", "region": "us-west1"})
}

// vmArgs are an instance's; natIP "" is none, "-" any.
func vmArgs(e *cloudtest.Engine, name, natIP string, tags ...any) m {
	nic := m{"subnetwork": e.ID(typeSubnetwork, "subnet")}
	switch natIP {
	case "":
	case "-":
		nic["accessConfigs"] = []any{m{}}
	default:
		nic["accessConfigs"] = []any{m{"natIp": natIP}}
	}
	return m{
		"name": name, "zone": "us-west1-b", "machineType": "e2-medium", "tags": tags, "networkInterfaces": []any{nic},
		"bootDisk": m{"initializeParams": m{"image": family24, "size": 30}},
		"metadata": m{"user-data": "#cloud-config\n", "ssh-keys": "ubuntu:" + cloudtest.SSHKey + "\nops:" + cloudtest.SSHKey, "enable-oslogin": "FALSE"},
	}
}

func TestInstance(t *testing.T) {
	e := engine(t)
	makeNetwork(e)
	_, reserved := e.Make(typeAddress, "address", m{"addressType": "EXTERNAL", "region": "us-west1"})
	ip := provider.Str(reserved, "address")
	_, out := e.Make(typeInstance, "america-1", vmArgs(e, "america-1", ip, "america"))
	machine, ok := e.Host.Machines()["america-1"]
	if !ok {
		t.Fatalf("no machine america-1 among %v", e.Host.Machines())
	}
	if strings.Contains(machine.ID+machine.NetworkID, "/") {
		t.Errorf("IDs %q, %q have slashes, which Docker doesn't take", machine.ID, machine.NetworkID)
	}
	if machine.PrivateIP.String() != "10.30.0.2" || machine.PublicIP.IsValid() || machine.UserData != "#cloud-config\n" {
		t.Errorf("machine %+v", machine)
	}
	if !strings.Contains(machine.MetaData, cloudtest.SSHKey) || !strings.Contains(machine.VendorData, `"name": "ops"`) {
		t.Errorf("keys: %s %s", machine.MetaData, machine.VendorData)
	}
	nic := provider.Objs(out, "networkInterfaces")[0]
	if provider.Str(nic, "networkIp") != "10.30.0.2" || provider.Str(provider.Objs(nic, "accessConfigs")[0], "natIp") != ip {
		t.Errorf("network interface %v; want 10.30.0.2 behind %s", nic, ip)
	}
	p := e.Host.Policy(vmID(e.ID(typeSubnetwork, "subnet")))
	if len(p.Addresses) != 1 || p.Addresses[0].Public.String() != ip || p.Addresses[0].OnNIC {
		t.Errorf("addresses %+v; want %s, translated", p.Addresses, ip)
	}
	for _, r := range [][2]string{{typeInstance, "america-1"}, {typeAddress, "address"}, {typeSubnetwork, "subnet"}, {typeNetwork, "net"}} {
		if drift, _, gone := e.Refresh(r[0], r[1]); gone || drift.Changes != plugin.DiffNone {
			t.Errorf("%s: a refresh finds drift where there is none: gone %v, %v", r[0], gone, drift.DetailedDiff)
		}
	}
	cloudtest.WantError(t, e.Delete(typeAddress, "address"), "resourceInUseByAnotherResource")
	cloudtest.WantError(t, e.Delete(typeSubnetwork, "subnet"), "resourceInUseByAnotherResource")
	cloudtest.WantError(t, e.Delete(typeNetwork, "net"), "resourceInUseByAnotherResource")
}

func vmID(id string) string { return strings.ReplaceAll(id, "/", "_") }

func TestOSLoginMakesKeysVoid(t *testing.T) {
	if got := sshKeys(map[string]string{"ssh-keys": "ubuntu:k", "enable-oslogin": "TRUE"}); len(got) != 0 {
		t.Errorf("with OS Login the keys %v count", got)
	}
	if got := sshKeys(map[string]string{"ssh-keys": "ubuntu:k\nubuntu:l\n\nx\n"}); len(got) != 1 || len(got["ubuntu"]) != 2 {
		t.Errorf("keys %v", got)
	}
}

func describe(rules []vm.Rule) []string {
	var out []string
	for _, r := range rules {
		text := r.Protocol
		if r.ToPort > 0 {
			text += fmt.Sprintf(" %d-%d", r.FromPort, r.ToPort)
		}
		for _, p := range r.Peers {
			text += " " + p.String()
		}
		out = append(out, text)
	}
	return out
}

func TestPolicy(t *testing.T) {
	e := engine(t)
	makeNetwork(e)
	e.Make(typeInstance, "one", vmArgs(e, "one", "-", "america"))
	e.Make(typeInstance, "two", vmArgs(e, "two", "", "other"))
	by := func(private string) vm.MachinePolicy {
		for _, p := range e.Host.Policy(vmID(e.ID(typeSubnetwork, "subnet"))).Machines {
			if p.Addresses[0].String() == private {
				return p
			}
		}
		t.Fatalf("no policy for %s", private)
		return vm.MachinePolicy{}
	}
	if got := by("10.30.0.2"); len(got.Ingress) != 0 || !slices.Equal(describe(got.Egress), []string{"all 0.0.0.0/0"}) {
		t.Errorf("without firewalls: in %q, out %q; want nothing and all", describe(got.Ingress), describe(got.Egress))
	}
	if got := describe(by("10.30.0.3").Egress); !slices.Equal(got, []string{"all 10.30.0.0/24"}) {
		t.Errorf("an instance without an external address reaches %q; want its network alone", got)
	}
	net := e.ID(typeNetwork, "net")
	e.Make(typeFirewall, "ssh", m{"network": net, "allows": []any{m{"protocol": "tcp", "ports": []any{"22", "6443"}}}, "sourceRanges": []any{"198.18.0.1/32"}, "targetTags": []any{"america"}})
	e.Make(typeFirewall, "mesh", m{"network": net, "allows": []any{m{"protocol": "udp", "ports": []any{"6783-6784"}}, m{"protocol": "icmp"}}, "sourceTags": []any{"america", "other"}, "targetTags": []any{"america"}})
	all := m{"network": net, "allows": []any{m{"protocol": "all"}}, "sourceRanges": []any{"0.0.0.0/0"}, "disabled": true}
	e.Make(typeFirewall, "all", all)
	want := []string{
		"udp 6783-6784 10.30.0.2/32 10.30.0.3/32", "icmp 10.30.0.2/32 10.30.0.3/32",
		"tcp 22-22 198.18.0.1/32", "tcp 6443-6443 198.18.0.1/32",
	}
	got := describe(by("10.30.0.2").Ingress)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("ingress %q; want %q", got, want)
	}
	if got := by("10.30.0.3").Ingress; len(got) != 0 {
		t.Errorf("an instance without the tag lets in %q", describe(got))
	}
	all["disabled"] = false
	if _, err := e.Update(typeFirewall, "all", all); err != nil {
		t.Fatal(err)
	}
	if got := describe(by("10.30.0.3").Ingress); !slices.Equal(got, []string{"all 10.30.0.0/24"}) {
		t.Errorf("a firewall without target tags, for an instance without an external address: %q", got)
	}
	if drift, _, _ := e.Refresh(typeFirewall, "ssh"); drift.Changes != plugin.DiffNone {
		t.Errorf("drift where there is none: %v", drift.DetailedDiff)
	}
}

func TestChangeOfTheAddress(t *testing.T) {
	e := engine(t)
	makeNetwork(e)
	_, out := e.Make(typeInstance, "one", vmArgs(e, "one", "-"))
	before := provider.Str(provider.Objs(provider.Objs(out, "networkInterfaces")[0], "accessConfigs")[0], "natIp")
	if out, err := e.Update(typeInstance, "one", vmArgs(e, "one", "-", "tag")); err != nil || provider.Str(provider.Objs(provider.Objs(out, "networkInterfaces")[0], "accessConfigs")[0], "natIp") != before {
		t.Errorf("another tag changes the address %s: %v, %v", before, out, err)
	}
	_, reserved := e.Make(typeAddress, "address", m{})
	args := vmArgs(e, "one", provider.Str(reserved, "address"), "tag")
	if d := e.Diff(typeInstance, "one", args); d.Changes != plugin.DiffSome || len(d.ReplaceKeys) != 0 {
		t.Errorf("another address: changes %v, replaces %v; want a change in place", d.Changes, d.ReplaceKeys)
	}
	if _, err := e.Update(typeInstance, "one", args); err != nil {
		t.Fatal(err)
	}
	if p := e.Host.Policy(vmID(e.ID(typeSubnetwork, "subnet"))); p.Addresses[0].Public.String() != provider.Str(reserved, "address") {
		t.Errorf("the router translates %v", p.Addresses)
	}
}
