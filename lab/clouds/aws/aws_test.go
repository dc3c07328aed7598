package aws

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hybrid/lab/clouds/cloud/cloudtest"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

const testRegion = "eu-central-1"

type m = map[string]any

func engine(t *testing.T) *cloudtest.Engine {
	return cloudtest.New(t, New, Package, m{"region": testRegion})
}

func testImage() string { return images[2].id(testRegion) }

// network makes all that an instance needs to be on the internet.
func network(e *cloudtest.Engine) {
	e.Helper()
	vpc, _ := e.Make(typeVpc, "vpc", m{"cidrBlock": "10.20.0.0/24", "enableDnsHostnames": true, "tags": m{"Name": "vpc"}})
	subnet, _ := e.Make(typeSubnet, "subnet", m{"vpcId": vpc, "cidrBlock": "10.20.0.0/24", "availabilityZone": testRegion + "a"})
	gateway, _ := e.Make(typeGateway, "gateway", m{"vpcId": vpc})
	table, _ := e.Make(typeRouteTable, "table", m{"vpcId": vpc, "routes": []any{m{"cidrBlock": "0.0.0.0/0", "gatewayId": gateway}}})
	e.Make(typeRouteAssoc, "routes", m{"routeTableId": table, "subnetId": subnet})
	e.Make(typeGroup, "group", m{"vpcId": vpc, "description": "nodes of frankfurt"})
	e.Make(typeKeyPair, "key", m{"publicKey": cloudtest.SSHKey})
}

func instanceArgs(e *cloudtest.Engine, name string) m {
	return m{
		"ami": testImage(), "instanceType": "t3.medium", "subnetId": e.ID(typeSubnet, "subnet"), "keyName": e.ID(typeKeyPair, "key"),
		"vpcSecurityGroupIds": []any{e.ID(typeGroup, "group")}, "userData": "#cloud-config\n", "tags": m{"Name": name},
		"metadataOptions": m{"httpTokens": "required"}, "rootBlockDevice": m{"volumeSize": 30, "encrypted": true},
	}
}

// machines makes instances with public addresses.
func machines(e *cloudtest.Engine, names ...string) {
	e.Helper()
	for _, name := range names {
		address, _ := e.Make(typeEip, name, m{"domain": "vpc"})
		id, _ := e.Make(typeInstance, name, instanceArgs(e, name))
		e.Make(typeEipAssoc, name, m{"allocationId": address, "instanceId": id})
	}
}

func allow(e *cloudtest.Engine, token, name string, rule m) {
	e.Helper()
	rule["securityGroupId"] = e.ID(typeGroup, "group")
	e.Make(token, name, rule)
}

// policy is that of the one subnet, by private address.
func policy(e *cloudtest.Engine) (vm.Policy, map[string]vm.MachinePolicy) {
	p := e.Host.Policy(e.ID(typeSubnet, "subnet"))
	by := map[string]vm.MachinePolicy{}
	for _, machine := range p.Machines {
		by[machine.Addresses[0].String()] = machine
	}
	return p, by
}

func TestInstance(t *testing.T) {
	e := engine(t)
	network(e)
	machines(e, "frankfurt-1")
	machine, ok := e.Host.Machines()["frankfurt-1"]
	if !ok {
		t.Fatalf("no machine frankfurt-1 among %v", e.Host.Machines())
	}
	if machine.PrivateIP.String() != "10.20.0.4" || machine.PublicIP.IsValid() {
		t.Errorf("addresses %v and %v; want 10.20.0.4 (the first after the four reserved ones) and no public one", machine.PrivateIP, machine.PublicIP)
	}
	if machine.UserData != "#cloud-config\n" || !strings.Contains(machine.MetaData, strings.TrimSpace(cloudtest.SSHKey)) ||
		!strings.Contains(machine.MetaData, `"local-hostname": "ip-10-20-0-4.eu-central-1.compute.internal"`) {
		t.Errorf("seed %q, %q", machine.UserData, machine.MetaData)
	}
	drift, out, gone := e.Refresh(typeInstance, "frankfurt-1")
	if gone || drift.Changes != plugin.DiffNone {
		t.Errorf("a refresh finds drift where there is none: %v", drift.DetailedDiff)
	}
	_, eip, _ := e.Refresh(typeEip, "frankfurt-1")
	if got, want := provider.Str(out, "publicIp"), provider.Str(eip, "publicIp"); got != want || !publicPool.Contains(netip.MustParseAddr(got)) {
		t.Errorf("public address %s; want that of the Eip, %s", got, want)
	}
	if provider.Str(out, "instanceState") != "running" || provider.Str(out, "publicDns") == "" {
		t.Errorf("outputs %v", out)
	}
}

func TestNoPublicAddressUnlessAsked(t *testing.T) {
	e := engine(t)
	network(e)
	if _, out := e.Make(typeInstance, "a", instanceArgs(e, "a")); provider.Str(out, "publicIp") != "" {
		t.Errorf("an instance has the public address %s without asking", provider.Str(out, "publicIp"))
	}
	args := instanceArgs(e, "b")
	args["associatePublicIpAddress"] = true
	if _, out := e.Make(typeInstance, "b", args); provider.Str(out, "publicIp") == "" {
		t.Error("an instance that asks for a public address has none")
	}
}

func TestPolicy(t *testing.T) {
	e := engine(t)
	network(e)
	machines(e, "one", "two")
	p, by := policy(e)
	if len(p.Addresses) != 2 || len(by["10.20.0.4"].Ingress) != 0 || len(by["10.20.0.4"].Egress) != 0 {
		t.Errorf("without rules nothing is open; got %+v", p)
	}
	allow(e, typeIngressRule, "ssh", m{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv4": "198.18.0.1/32"})
	allow(e, typeIngressRule, "mesh", m{"ipProtocol": "udp", "fromPort": 6783, "toPort": 6784, "referencedSecurityGroupId": e.ID(typeGroup, "group")})
	allow(e, typeIngressRule, "ping", m{"ipProtocol": "icmp", "fromPort": -1, "toPort": -1, "cidrIpv4": "0.0.0.0/0"})
	allow(e, typeEgressRule, "all", m{"ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"})
	_, by = policy(e)
	var got []string
	for _, r := range by["10.20.0.4"].Ingress {
		got = append(got, r.Protocol+" "+describePeers(r))
	}
	slices.Sort(got)
	want := []string{"icmp 0-0 0.0.0.0/0", "tcp 22-22 198.18.0.1/32", "udp 6783-6784 10.20.0.4/32 10.20.0.5/32"}
	if !slices.Equal(got, want) {
		t.Errorf("ingress %q; want %q", got, want)
	}
	if out := by["10.20.0.4"].Egress; len(out) != 1 || out[0].Protocol != "all" {
		t.Errorf("egress %+v; want everything", out)
	}
	if err := e.Delete(typeIngressRule, "ssh"); err != nil {
		t.Fatal(err)
	}
	if _, by = policy(e); len(by["10.20.0.4"].Ingress) != 2 {
		t.Errorf("a deleted rule is still enforced: %+v", by["10.20.0.4"].Ingress)
	}
}

func describePeers(r vm.Rule) string {
	text := []string{strings.Join([]string{itoa(r.FromPort), itoa(r.ToPort)}, "-")}
	for _, p := range r.Peers {
		text = append(text, p.String())
	}
	return strings.Join(text, " ")
}

func itoa(n int) string { return strconv.Itoa(n) }

func TestInternetNeedsRouteAndAddress(t *testing.T) {
	e := engine(t)
	network(e)
	machines(e, "one")
	e.Make(typeInstance, "private", instanceArgs(e, "private"))
	allow(e, typeEgressRule, "all", m{"ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"})
	_, by := policy(e)
	if got := by["10.20.0.5"].Egress[0].Peers; len(got) != 1 || got[0].String() != "10.20.0.0/24" {
		t.Errorf("an instance without a public address reaches %v; want its VPC alone", got)
	}
	if err := e.Delete(typeRouteAssoc, "routes"); err != nil {
		t.Fatal(err)
	}
	p, by := policy(e)
	if len(p.Addresses) != 0 || by["10.20.0.4"].Egress[0].Peers[0].String() != "10.20.0.0/24" {
		t.Errorf("without a route to the gateway there is no internet; got %+v", p)
	}
}

func TestDefaultGroup(t *testing.T) {
	e := engine(t)
	network(e)
	args := instanceArgs(e, "a")
	delete(args, "vpcSecurityGroupIds")
	_, out := e.Make(typeInstance, "a", args)
	if len(provider.Strs(out, "vpcSecurityGroupIds")) != 1 {
		t.Errorf("an instance without groups is in %v; want the VPC's default group", provider.Strs(out, "vpcSecurityGroupIds"))
	}
	_, by := policy(e)
	if got := by["10.20.0.4"].Ingress; len(got) != 1 || describePeers(got[0]) != "0-0 10.20.0.4/32" {
		t.Errorf("the default group lets %+v in; want its members alone", got)
	}
}
