package aws

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hybrid/lab/clouds/cloud/cloudtest"
	"hybrid/lab/plugins/provider"
)

// What the service refuses before anything is made.
func TestCheck(t *testing.T) {
	vpc := m{"cidrBlock": "10.0.0.0/16"}
	rule := m{"securityGroupId": "sg-1", "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv4": "0.0.0.0/0"}
	vmArgs := m{"ami": testImage(), "instanceType": "t3.medium", "subnetId": "subnet-1"}
	for name, test := range map[string]struct {
		token       string
		base, extra m
		want        string // empty: accepted
	}{
		"vpc":                     {typeVpc, vpc, nil, ""},
		"vpc without a range":     {typeVpc, nil, nil, `missing required property "cidrBlock"`},
		"vpc with host bits":      {typeVpc, nil, m{"cidrBlock": "10.0.0.1/16"}, `did you mean "10.0.0.0/16"?`},
		"vpc too large":           {typeVpc, nil, m{"cidrBlock": "10.0.0.0/8"}, "InvalidVpc.Range"},
		"vpc of IPv6":             {typeVpc, nil, m{"cidrBlock": "fd00::/64"}, "not a valid IPv4 CIDR block"},
		"vpc's tenancy":           {typeVpc, vpc, m{"instanceTenancy": "shared"}, "expected instanceTenancy to be one of"},
		"vpc's unknown property":  {typeVpc, vpc, m{"cidr": "x"}, "no such property"},
		"vpc's wrong type":        {typeVpc, vpc, m{"enableDnsSupport": "yes"}, "expected a boolean"},
		"vpc's unsimulated":       {typeVpc, vpc, m{"ipv6CidrBlock": "x"}, "the lab doesn't simulate this property"},
		"reserved tag":            {typeVpc, vpc, m{"tags": m{"aws:x": "y"}}, "reserved for internal use"},
		"rule":                    {typeIngressRule, rule, nil, ""},
		"rule without a source":   {typeIngressRule, rule, m{"cidrIpv4": nil}, "exactly one of cidrIpv4"},
		"rule with two sources":   {typeIngressRule, rule, m{"referencedSecurityGroupId": "sg-2"}, "exactly one of cidrIpv4"},
		"rule without ports":      {typeIngressRule, rule, m{"toPort": nil}, "must contain the parameter toPort"},
		"rule for all with ports": {typeEgressRule, rule, m{"ipProtocol": "-1"}, `must not be set if ipProtocol is "-1"`},
		"rule's range backwards":  {typeIngressRule, rule, m{"fromPort": 23}, "invalid TCP/UDP port range (23:22)"},
		"rule's port too large":   {typeIngressRule, rule, m{"toPort": 70000}, "invalid TCP/UDP port range"},
		"rule for port 0":         {typeIngressRule, rule, m{"fromPort": 0, "toPort": 0}, "the lab has no port 0"},
		"rule's protocol":         {typeIngressRule, rule, m{"ipProtocol": "tpc"}, "invalid value 'tpc' for IP protocol"},
		"rule's description":      {typeIngressRule, rule, m{"description": "the node's"}, "invalid description"},
		"rule's bad source":       {typeIngressRule, rule, m{"cidrIpv4": "10.0.0.1"}, "not a valid IPv4 CIDR block"},
		"group's name":            {typeGroup, m{"vpcId": "vpc-1"}, m{"name": "sg-x"}, "cannot begin with sg-"},
		"group's inline rules":    {typeGroup, m{"vpcId": "vpc-1"}, m{"ingress": []any{}}, "the lab doesn't simulate"},
		"key":                     {typeKeyPair, m{"publicKey": cloudtest.SSHKey}, nil, ""},
		"no key":                  {typeKeyPair, m{"publicKey": "hello"}, nil, "InvalidKey.Format"},
		"eip's domain":            {typeEip, m{"domain": "classic"}, nil, "expected domain to be one of"},
		"route without a target":  {typeRouteTable, m{"vpcId": "vpc-1", "routes": []any{m{"cidrBlock": "0.0.0.0/0"}}}, nil, "no target found for route"},
		"route to a NAT gateway":  {typeRouteTable, m{"vpcId": "vpc-1", "routes": []any{m{"cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1"}}}, nil, "the lab doesn't simulate"},
		"instance":                {typeInstance, vmArgs, nil, ""},
		"instance's type":         {typeInstance, vmArgs, m{"instanceType": "t3.mediumm"}, "invalid value 't3.mediumm' for InstanceType"},
		"instance's malformed id": {typeInstance, vmArgs, m{"ami": "ubuntu"}, "InvalidAMIID.Malformed"},
		"instance's other region": {typeInstance, vmArgs, m{"ami": images[2].id("us-east-1")}, "InvalidAMIID.NotFound"},
		"instance's architecture": {typeInstance, vmArgs, m{"instanceType": "t4g.medium"}, "the architecture 'x86_64'"},
		"instance's user data":    {typeInstance, vmArgs, m{"userData": strings.Repeat("x", maxUserData+1)}, "user data is limited to 16384 bytes"},
		"instance's two datas":    {typeInstance, vmArgs, m{"userData": "x", "userDataBase64": "eA=="}, "conflicts with"},
		"instance's base64":       {typeInstance, vmArgs, m{"userDataBase64": "%"}, "base64-encoded"},
		"instance's zone":         {typeInstance, vmArgs, m{"availabilityZone": "us-east-1a"}, "invalid availability zone"},
	} {
		t.Run(name, func(t *testing.T) {
			engine(t).WantProblem(test.token, test.want, test.base, test.extra)
		})
	}
}

func TestCheckTellsAllAtOnce(t *testing.T) {
	_, failures := engine(t).Check(typeInstance, "x", m{"ami": "x", "instanceType": "y", "subnetId": "subnet-1", "userData": strings.Repeat("x", maxUserData+1)})
	if len(failures) != 3 {
		t.Errorf("found %d problems %q; want 3", len(failures), failures)
	}
}

// What the service refuses when it sees what else there is.
func TestCreateErrors(t *testing.T) {
	e := engine(t)
	network(e)
	vpc, group := e.ID(typeVpc, "vpc"), e.ID(typeGroup, "group")
	rule := m{"securityGroupId": group, "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv4": "0.0.0.0/0"}
	e.Make(typeIngressRule, "ssh", rule)
	other, _ := e.Make(typeVpc, "other", m{"cidrBlock": "10.30.0.0/24"})
	foreign, _ := e.Make(typeGroup, "foreign", m{"vpcId": other})
	withGroup := instanceArgs(e, "x")
	withGroup["vpcSecurityGroupIds"] = []any{foreign}
	for name, test := range map[string]struct {
		token string
		in    m
		want  string
	}{
		"no such vpc":       {typeSubnet, m{"vpcId": "vpc-0", "cidrBlock": "10.0.0.0/24"}, "InvalidVpcID.NotFound: the vpc ID 'vpc-0' does not exist"},
		"outside the vpc":   {typeSubnet, m{"vpcId": other, "cidrBlock": "10.31.0.0/24"}, "InvalidSubnet.Range"},
		"same range":        {typeSubnet, m{"vpcId": vpc, "cidrBlock": "10.20.0.0/25"}, "InvalidSubnet.Conflict"},
		"second gateway":    {typeGateway, m{"vpcId": vpc}, "Resource.AlreadyAssociated"},
		"same rule":         {typeIngressRule, rule, "InvalidPermission.Duplicate"},
		"same key":          {typeKeyPair, m{"keyName": e.ID(typeKeyPair, "key"), "publicKey": cloudtest.SSHKey}, "InvalidKeyPair.Duplicate"},
		"other vpc's group": {typeInstance, withGroup, "belong to different networks"},
		"second table":      {typeRouteAssoc, m{"routeTableId": e.ID(typeRouteTable, "table"), "subnetId": e.ID(typeSubnet, "subnet")}, "Resource.AlreadyAssociated"},
		"no such instance":  {typeEipAssoc, m{"allocationId": "eipalloc-0", "instanceId": "i-0"}, "InvalidAllocationID.NotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := e.Try(test.token, "x", test.in)
			cloudtest.WantError(t, err, test.want)
		})
	}
}

func TestAddressNeedsGateway(t *testing.T) {
	e := engine(t)
	vpc, _ := e.Make(typeVpc, "vpc", m{"cidrBlock": "10.20.0.0/24"})
	subnet, _ := e.Make(typeSubnet, "subnet", m{"vpcId": vpc, "cidrBlock": "10.20.0.0/24"})
	id, _ := e.Make(typeInstance, "a", m{"ami": testImage(), "instanceType": "t3.medium", "subnetId": subnet})
	eip, _ := e.Make(typeEip, "a", m{"domain": "vpc"})
	_, _, err := e.Try(typeEipAssoc, "a", m{"allocationId": eip, "instanceId": id})
	cloudtest.WantError(t, err, "Gateway.NotAttached")
}

func TestDeleteInUse(t *testing.T) {
	e := engine(t)
	network(e)
	machines(e, "one")
	for _, r := range [][2]string{{typeInstance, "one"}, {typeEipAssoc, "one"}, {typeSubnet, "subnet"}, {typeRouteAssoc, "routes"}} {
		e.Refresh(r[0], r[1]) // shows that the engine knows them: they are no orphans
	}
	for _, test := range []struct{ token, name, want string }{
		{typeVpc, "vpc", "DependencyViolation"}, {typeSubnet, "subnet", "DependencyViolation"}, {typeGroup, "group", "DependencyViolation"},
		{typeRouteTable, "table", "DependencyViolation"}, {typeGateway, "gateway", "some mapped public addresses"}, {typeEip, "one", "InvalidIPAddress.InUse"},
	} {
		cloudtest.WantError(t, e.Delete(test.token, test.name), test.want)
	}
}

func TestDiff(t *testing.T) {
	e := engine(t)
	network(e)
	machines(e, "one")
	for name, test := range map[string]struct {
		change            m
		changes, replaces []string
	}{
		"nothing":               {m{}, nil, nil},
		"a tag":                 {m{"tags": m{"Name": "two"}}, []string{"tags"}, nil},
		"the image":             {m{"ami": images[1].id(testRegion)}, []string{"ami"}, []string{"ami"}},
		"the type":              {m{"instanceType": "t3.large"}, []string{"instanceType"}, nil},
		"user data":             {m{"userData": "x"}, []string{"userData"}, nil},
		"user data replaces":    {m{"userData": "x", "userDataReplaceOnChange": true}, []string{"userData", "userDataReplaceOnChange"}, []string{"userData"}},
		"what the vendor chose": {m{"availabilityZone": testRegion + "a", "privateIp": "10.20.0.4"}, nil, nil},
		"another zone":          {m{"availabilityZone": testRegion + "b"}, []string{"availabilityZone"}, []string{"availabilityZone"}},
		"a default":             {m{"sourceDestCheck": true}, nil, nil},
		"nested, in place":      {m{"rootBlockDevice": m{"volumeSize": 40, "encrypted": true}}, []string{"rootBlockDevice"}, nil},
		"nested, replaces":      {m{"rootBlockDevice": m{"volumeSize": 30, "encrypted": false}}, []string{"rootBlockDevice"}, []string{"rootBlockDevice"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := instanceArgs(e, "one")
			for k, v := range test.change {
				in[k] = v
			}
			d := e.Diff(typeInstance, "one", in)
			if got := names(d.ChangedKeys); !slices.Equal(got, test.changes) {
				t.Errorf("changes %v; want %v", got, test.changes)
			}
			if got := names(d.ReplaceKeys); !slices.Equal(got, test.replaces) {
				t.Errorf("replaces %v; want %v", got, test.replaces)
			}
			if (d.Changes == plugin.DiffNone) != (test.changes == nil) {
				t.Errorf("changes %v", d.Changes)
			}
		})
	}
}

func names(keys []resource.PropertyKey) (out []string) {
	for _, k := range keys {
		out = append(out, string(k))
	}
	return out
}

func TestPreviewOfAnInstance(t *testing.T) {
	e := engine(t)
	in := m{"ami": testImage(), "instanceType": "t3.medium", "subnetId": resource.MakeComputed(resource.NewStringProperty("")), "tags": m{"Name": "x"}}
	out := e.Preview(typeInstance, "x", in)
	for _, k := range []resource.PropertyKey{"publicIp", "privateIp", "arn", "subnetId", "vpcSecurityGroupIds"} {
		if !out[k].IsComputed() {
			t.Errorf("%s is %v in a preview; want unknown", k, out[k])
		}
	}
	if provider.Str(out, "instanceType") != "t3.medium" || out["keyName"].IsComputed() {
		t.Errorf("known inputs: %v", out)
	}
	if e.Objects(typeInstance) != 0 {
		t.Error("a preview has made something")
	}
}

func TestLookupAmi(t *testing.T) {
	e := engine(t)
	noble := m{"name": "name", "values": []any{"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"}}
	for name, test := range map[string]struct {
		in        m
		want, err string
	}{
		"newest":       {m{"mostRecent": true, "owners": []any{canonical}, "filters": []any{noble, m{"name": "virtualization-type", "values": []any{"hvm"}}}}, testImage(), ""},
		"several":      {m{"owners": []any{canonical}, "filters": []any{noble}}, "", "more than one result"},
		"none":         {m{"mostRecent": true, "filters": []any{m{"name": "name", "values": []any{"windows*"}}}}, "", "no results"},
		"other owner":  {m{"mostRecent": true, "owners": []any{"self"}}, "", "no results"},
		"wrong filter": {m{"filters": []any{m{"name": "nmae", "values": []any{"x"}}}}, "", "the filter 'nmae' is invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := e.Provider.Invoke(t.Context(), plugin.InvokeRequest{Tok: "aws:ec2/getAmi:getAmi", Args: provider.From(test.in)})
			if test.err != "" {
				cloudtest.WantError(t, err, test.err)
				return
			}
			if err != nil || provider.Str(r.Properties, "id") != test.want {
				t.Errorf("found %v, %v; want %s", provider.Str(r.Properties, "id"), err, test.want)
			}
		})
	}
}
