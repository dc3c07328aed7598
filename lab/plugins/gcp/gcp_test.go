package gcp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hybrid/lab/plugins/cloud/cloudtest"
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

func TestCheck(t *testing.T) {
	e := engine(t)
	makeNetwork(e)
	vmWith := func(key string, v any) m {
		args := vmArgs(e, "x", "-")
		args[key] = v
		return args
	}
	rule := func(extra m) m {
		in := m{"network": "n", "allows": []any{m{"protocol": "tcp", "ports": []any{"22"}}}, "sourceRanges": []any{"0.0.0.0/0"}}
		for k, v := range extra {
			in[k] = v
		}
		return in
	}
	for name, test := range map[string]struct {
		token string
		in    m
		want  string // empty: accepted
	}{
		"network":                   {typeNetwork, m{"autoCreateSubnetworks": false}, ""},
		"network's name":            {typeNetwork, m{"autoCreateSubnetworks": false, "name": "America"}, "doesn't match regexp"},
		"network in auto mode":      {typeNetwork, m{}, "the lab doesn't simulate networks in auto mode"},
		"network's mtu":             {typeNetwork, m{"autoCreateSubnetworks": false, "mtu": 9000}, "must be between 1300 and 8896"},
		"subnet's range":            {typeSubnetwork, m{"network": "n", "ipCidrRange": "10.0.0.1/24"}, "must be a CIDR address range"},
		"subnet's region":           {typeSubnetwork, m{"network": "n", "ipCidrRange": "10.0.0.0/24", "region": "oregon"}, "doesn't match regexp"},
		"firewall":                  {typeFirewall, rule(nil), ""},
		"firewall without allows":   {typeFirewall, rule(m{"allows": nil}), `missing required property "allows"`},
		"firewall without sources":  {typeFirewall, rule(m{"sourceRanges": nil}), "one of source_tags, source_ranges, or source_service_accounts must be defined"},
		"firewall's empty sources":  {typeFirewall, rule(m{"sourceRanges": []any{}}), "must be defined"},
		"firewall's host bits":      {typeFirewall, rule(m{"sourceRanges": []any{"10.0.0.1/8"}}), "must be a valid CIDR address range"},
		"firewall's port":           {typeFirewall, rule(m{"allows": []any{m{"protocol": "tcp", "ports": []any{"ssh"}}}}), "must be an integer or a range"},
		"firewall's icmp port":      {typeFirewall, rule(m{"allows": []any{m{"protocol": "icmp", "ports": []any{"1"}}}}), "ports may only be specified for tcp and udp"},
		"firewall's protocol":       {typeFirewall, rule(m{"allows": []any{m{"protocol": "x"}}}), "IPProtocol"},
		"firewall's tag":            {typeFirewall, rule(m{"targetTags": []any{"A"}}), "doesn't match regexp"},
		"firewall for egress":       {typeFirewall, rule(m{"direction": "EGRESS"}), "expected direction to be one of"},
		"address":                   {typeAddress, m{}, ""},
		"internal address":          {typeAddress, m{"addressType": "INTERNAL"}, "expected addressType to be one of"},
		"instance":                  {typeInstance, vmArgs(e, "x", "-"), ""},
		"instance's name":           {typeInstance, vmWith("name", "x_y"), "doesn't match regexp"},
		"instance's zone":           {typeInstance, vmWith("zone", "us-west1"), "doesn't match regexp"},
		"instance's type":           {typeInstance, vmWith("machineType", "t3.medium"), "'machineTypes/t3.medium' was not found"},
		"instance's image":          {typeInstance, vmWith("bootDisk", m{"initializeParams": m{"image": "ubuntu"}}), "could not find image or family"},
		"instance's image as link":  {typeInstance, vmWith("bootDisk", m{"initializeParams": m{"image": "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64"}}), ""},
		"instance without an image": {typeInstance, vmWith("bootDisk", m{}), "the lab boots from images alone"},
		"instance without a subnet": {typeInstance, vmWith("networkInterfaces", []any{m{"network": "n"}}), "must specify a subnet"},
		"instance with two NICs":    {typeInstance, vmWith("networkInterfaces", []any{m{"subnetwork": "a"}, m{"subnetwork": "b"}}), "one network interface each, found 2"},
		"instance's startup script": {typeInstance, vmWith("metadata", m{"startup-script": "x"}), "the lab doesn't simulate"},
		"instance's metadata":       {typeInstance, vmWith("metadata", m{"a b": "x"}), "metadata.items[].key"},
		"instance's status":         {typeInstance, vmWith("desiredStatus", "SUSPENDED"), "expected desiredStatus to be one of"},
	} {
		t.Run(name, func(t *testing.T) {
			_, failures := e.Check(test.token, "x", test.in)
			got := strings.Join(failures, "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q; want %q", got, test.want)
			}
		})
	}
}

func TestCreateErrors(t *testing.T) {
	e := engine(t)
	makeNetwork(e)
	_, reserved := e.Make(typeAddress, "address", m{})
	_, elsewhere := e.Make(typeAddress, "elsewhere", m{"region": "europe-west3"})
	e.Make(typeInstance, "one", vmArgs(e, "one", provider.Str(reserved, "address")))
	otherZone := vmArgs(e, "x", "")
	otherZone["zone"] = "europe-west3-a"
	for name, test := range map[string]struct {
		token string
		in    m
		want  string
	}{
		"same name":        {typeInstance, vmArgs(e, "one", ""), "alreadyExists"},
		"other region":     {typeInstance, otherZone, "is in region us-west1"},
		"address in use":   {typeInstance, vmArgs(e, "x", provider.Str(reserved, "address")), "already in-use"},
		"address of other": {typeInstance, vmArgs(e, "x", provider.Str(elsewhere, "address")), "reserved in region europe-west3"},
		"unknown address":  {typeInstance, vmArgs(e, "x", "198.18.96.99"), "was not found in region"},
		"no such network":  {typeSubnetwork, m{"network": "nosuch", "ipCidrRange": "10.0.0.0/24"}, "projects/lab/global/networks/nosuch' was not found"},
		"same range":       {typeSubnetwork, m{"network": "america", "ipCidrRange": "10.30.0.0/25"}, "conflicts with existing subnetwork"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := e.Try(test.token, "x", test.in)
			cloudtest.WantError(t, err, test.want)
		})
	}
	args := vmArgs(e, "one", provider.Str(reserved, "address"))
	args["machineType"] = "e2-standard-2"
	_, err := e.Update(typeInstance, "one", args)
	cloudtest.WantError(t, err, "requires stopping it")
}

func TestDiff(t *testing.T) {
	e := engine(t)
	makeNetwork(e)
	e.Make(typeInstance, "one", vmArgs(e, "one", "-"))
	set := func(change func(m)) m {
		args := vmArgs(e, "one", "-")
		change(args)
		return args
	}
	nic := func(a m) m { return a["networkInterfaces"].([]any)[0].(m) }
	for name, test := range map[string]struct {
		in       m
		changes  plugin.DiffChanges
		replaces bool
	}{
		"nothing":          {set(func(m) {}), plugin.DiffNone, false},
		"subnet as a link": {set(func(a m) { nic(a)["subnetwork"] = api + e.ID(typeSubnetwork, "subnet") }), plugin.DiffNone, false},
		"subnet by name":   {set(func(a m) { nic(a)["subnetwork"] = "america" }), plugin.DiffNone, false},
		"other subnet":     {set(func(a m) { nic(a)["subnetwork"] = "europe" }), plugin.DiffSome, true},
		"tags":             {set(func(a m) { a["tags"] = []any{"x"} }), plugin.DiffSome, false},
		"metadata":         {set(func(a m) { a["metadata"].(m)["user-data"] = "x" }), plugin.DiffSome, false},
		"image":            {set(func(a m) { a["bootDisk"] = m{"initializeParams": m{"image": "debian-cloud/debian-12", "size": 30}} }), plugin.DiffSome, true},
		"zone":             {set(func(a m) { a["zone"] = "us-west1-a" }), plugin.DiffSome, true},
		"name":             {set(func(a m) { a["name"] = "two" }), plugin.DiffSome, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := e.Diff(typeInstance, "one", test.in)
			if d.Changes != test.changes || (len(d.ReplaceKeys) > 0) != test.replaces {
				t.Errorf("changes %v, replaces %v: %v; want %v, %v", d.Changes, d.ReplaceKeys, d.DetailedDiff, test.changes, test.replaces)
			}
		})
	}
}

func TestPreview(t *testing.T) {
	e := engine(t)
	args := vmArgs(e, "x", "")
	args["networkInterfaces"] = []any{m{"subnetwork": resource.MakeComputed(resource.NewStringProperty("")), "accessConfigs": []any{m{"natIp": resource.MakeComputed(resource.NewStringProperty(""))}}}}
	out := e.Preview(typeInstance, "x", args)
	if !out["networkInterfaces"].IsComputed() || !out["selfLink"].IsComputed() || provider.Str(out, "machineType") != "e2-medium" {
		t.Errorf("a preview knows %v", out)
	}
}
