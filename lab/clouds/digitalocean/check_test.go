package digitalocean

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/clouds/cloud/cloudtest"
)

func TestCheck(t *testing.T) {
	base := m{"name": "x", "region": "lon1", "size": "s-1vcpu-2gb", "image": "ubuntu-24-04-x64", "vpcUuid": "u"}
	rule := func(r m) m { return m{"name": "w", "inboundRules": []any{r}} }
	for name, test := range map[string]struct {
		token       string
		base, extra m
		want        string // empty: accepted
	}{
		"droplet":                {typeDroplet, base, nil, ""},
		"droplet's size":         {typeDroplet, base, m{"size": "2gb"}, "invalid size"},
		"droplet's other size":   {typeDroplet, base, m{"size": "c-4"}, ""},
		"droplet's image":        {typeDroplet, base, m{"image": "ubuntu-24-04"}, "invalid image"},
		"droplet's region":       {typeDroplet, base, m{"region": "london"}, "invalid region"},
		"droplet's name":         {typeDroplet, base, m{"name": "a_b"}, "only valid hostname characters"},
		"droplet's tag":          {typeDroplet, base, m{"tags": []any{"a b"}}, "tags may only contain"},
		"droplet's user data":    {typeDroplet, base, m{"userData": strings.Repeat("x", maxUserData+1)}, "limited to 65536 bytes"},
		"droplet without a VPC":  {typeDroplet, base, m{"vpcUuid": nil}, `missing required property "vpcUuid"`},
		"droplet with IPv6":      {typeDroplet, base, m{"ipv6": true}, "the lab doesn't simulate"},
		"vpc":                    {typeVpc, m{"region": "lon1", "ipRange": "10.10.0.0/24"}, nil, ""},
		"vpc too large":          {typeVpc, m{"region": "lon1", "ipRange": "10.0.0.0/8"}, nil, "may not be larger than /16"},
		"vpc with host bits":     {typeVpc, m{"region": "lon1", "ipRange": "10.10.0.1/24"}, nil, "expected 10.10.0.0/24"},
		"vpc of public range":    {typeVpc, m{"region": "lon1", "ipRange": "8.8.0.0/24"}, nil, "RFC1918"},
		"vpc in the vendor's":    {typeVpc, m{"region": "lon1", "ipRange": "10.244.1.0/24"}, nil, "overlaps with one that DigitalOcean uses"},
		"vpc's name":             {typeVpc, m{"region": "lon1", "name": "a_b"}, nil, "alphanumeric characters, dashes, and periods"},
		"firewall":               {typeFirewall, rule(m{"protocol": "tcp", "portRange": "22", "sourceAddresses": []any{"0.0.0.0/0"}}), nil, ""},
		"firewall without rules": {typeFirewall, m{"name": "w"}, nil, "at least one rule must be specified"},
		"rule without ports":     {typeFirewall, rule(m{"protocol": "tcp", "sourceAddresses": []any{"0.0.0.0/0"}}), nil, "is required if protocol is"},
		"rule's protocol":        {typeFirewall, rule(m{"protocol": "esp", "portRange": "1", "sourceAddresses": []any{"0.0.0.0/0"}}), nil, "expected protocol to be one of"},
		"rule's range":           {typeFirewall, rule(m{"protocol": "tcp", "portRange": "90-80", "sourceAddresses": []any{"0.0.0.0/0"}}), nil, "invalid port range"},
		"rule's address":         {typeFirewall, rule(m{"protocol": "tcp", "portRange": "80", "sourceAddresses": []any{"all"}}), nil, `invalid address "all"`},
		"rule without a source":  {typeFirewall, rule(m{"protocol": "tcp", "portRange": "80"}), nil, "needs at least one of"},
		"icmp with ports":        {typeFirewall, rule(m{"protocol": "icmp", "portRange": "80", "sourceAddresses": []any{"0.0.0.0/0"}}), nil, "ports are invalid for protocol icmp"},
		"rule's load balancer":   {typeFirewall, rule(m{"protocol": "icmp", "sourceLoadBalancerUids": []any{"x"}}), nil, "the lab doesn't simulate"},
		"six tags":               {typeFirewall, rule(m{"protocol": "icmp", "sourceAddresses": []any{"::/0"}}), m{"tags": []any{"a", "b", "c", "d", "e", "f"}}, "at most 5 tags"},
		"tag":                    {typeTag, m{"name": "a.b"}, nil, "tags may only contain"},
		"key":                    {typeSSHKey, m{"publicKey": "x"}, nil, "key invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			engine(t).WantProblem(test.token, test.want, test.base, test.extra)
		})
	}
}

func TestCreateErrors(t *testing.T) {
	e := engine(t)
	network(e)
	e.Make(typeDroplet, "one", dropletArgs(e, "one"))
	ams, _ := e.Make(typeReserved, "ams", m{"region": "ams3"})
	elsewhere, badKey := dropletArgs(e, "x"), dropletArgs(e, "x")
	elsewhere["region"], badKey["sshKeys"] = "ams3", []any{"12345"}
	wall := m{"name": "w", "tags": []any{"nosuch"}, "inboundRules": []any{m{"protocol": "icmp", "sourceAddresses": []any{"0.0.0.0/0"}}}}
	for name, test := range map[string]struct {
		token string
		in    m
		want  string
	}{
		"same key":        {typeSSHKey, m{"name": "again", "publicKey": cloudtest.SSHKey}, "SSH Key is already in use"},
		"same range":      {typeVpc, m{"region": "lon1", "ipRange": "10.10.0.0/16"}, "overlaps with another VPC network"},
		"firewall's tag":  {typeFirewall, wall, `tag "nosuch" does not exist`},
		"vpc elsewhere":   {typeDroplet, elsewhere, "is in region lon1, not ams3"},
		"no such key":     {typeDroplet, badKey, "invalid key identifiers"},
		"other region":    {typeAssignment, m{"ipAddress": ams, "dropletId": number(e.ID(typeDroplet, "one"))}, "not in the same region"},
		"no such droplet": {typeAssignment, m{"ipAddress": ams, "dropletId": 1}, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := e.Try(test.token, "x", test.in)
			cloudtest.WantError(t, err, test.want)
		})
	}
	e.Refresh(typeDroplet, "one")
	cloudtest.WantError(t, e.Delete(typeVpc, "vpc"), "403 cannot delete Vpc with members")
}

func TestReplacement(t *testing.T) {
	e := engine(t)
	network(e)
	e.Make(typeDroplet, "one", dropletArgs(e, "one", "london"))
	for name, test := range map[string]struct {
		key      string
		value    any
		replaces bool
	}{
		"size": {"size", "s-4vcpu-8gb", false}, "name": {"name", "two", false}, "tags": {"tags", []any{}, false},
		"image": {"image", "debian-12-x64", true}, "user data": {"userData", "x", true}, "region": {"region", "ams3", true},
	} {
		t.Run(name, func(t *testing.T) {
			args := dropletArgs(e, "one", "london")
			args[test.key] = test.value
			d := e.Diff(typeDroplet, "one", args)
			if d.Changes != plugin.DiffSome || (len(d.ReplaceKeys) > 0) != test.replaces || d.DeleteBeforeReplace != test.replaces {
				t.Errorf("changes %v, replaces %v, deletes before %v; want replaces %v", d.Changes, d.ReplaceKeys, d.DeleteBeforeReplace, test.replaces)
			}
		})
	}
}

// A droplet makes the tags that it names. They belong to no resource, until one
// takes them over.
func TestTagsThatADropletMakes(t *testing.T) {
	e := engine(t)
	network(e)
	e.Make(typeDroplet, "one", dropletArgs(e, "one", "implicit"))
	if n := e.Objects(typeTag); n != 2 {
		t.Errorf("%d tags; want 2", n)
	}
	if err := e.Cloud.View(func(s *cloud.State) error {
		if got := s.Get(typeTag, "implicit").Name(); got != "implicit" {
			t.Errorf("the tag is called %q", got)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	e.Make(typeTag, "mine", m{"name": "implicit"})
	_, _, err := e.Try(typeTag, "again", m{"name": "implicit"})
	cloudtest.WantError(t, err, "already exists")
	if err := e.Delete(typeTag, "mine"); err != nil {
		t.Fatal(err)
	}
	if drift, _, _ := e.Refresh(typeDroplet, "one"); drift.Changes != plugin.DiffSome {
		t.Error("a droplet keeps a tag that was deleted")
	}
}
