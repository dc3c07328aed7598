package gcp

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hybrid/lab/clouds/cloud/cloudtest"
	"hybrid/lab/plugins/provider"
)

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
		"network's mtu":             {typeNetwork, m{"autoCreateSubnetworks": false, "mtu": 1500}, "the lab doesn't simulate"},
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
			engine(t).WantProblem(test.token, test.want, test.in)
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
		"other subnet":     {set(func(a m) { nic(a)["subnetwork"] = "europe" }), plugin.DiffSome, false},
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
