package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hybrid/lab/clouds/cloud/cloudtest"
	"hybrid/lab/plugins/provider"
)

func TestMachineThatIsGone(t *testing.T) {
	e := engine(t)
	network(e)
	id, _ := e.Make(instanceType, "vm", instance(e))
	if err := e.Host.DeleteMachine(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, _, gone := e.Refresh(instanceType, "vm"); !gone {
		t.Error("a refresh doesn't see that the machine is gone")
	}
	if p := e.Host.Policy(e.ID(subnetType, "subnet")); len(p.Machines) != 0 {
		t.Errorf("the router still knows the machine: %+v", p)
	}
	e.Make(instanceType, "vm", instance(e))
}

func TestMachineThatIsOff(t *testing.T) {
	e := engine(t)
	network(e)
	id, _ := e.Make(instanceType, "vm", instance(e))
	if err := e.Host.Power(t.Context(), id, false); err != nil {
		t.Fatal(err)
	}
	if _, out, gone := e.Refresh(instanceType, "vm"); gone || provider.Str(out, "instanceState") != "stopped" {
		t.Errorf("gone %v, state %q; want stopped", gone, provider.Str(out, "instanceState"))
	}
	args := instance(e)
	args["instanceType"] = "t3.large"
	if out, err := e.Update(instanceType, "vm", args); err != nil || provider.Str(out, "instanceState") != "running" {
		t.Errorf("after a change of the type: %v, %v; want running", provider.Str(out, "instanceState"), err)
	}
}

func TestNetworkThatIsGone(t *testing.T) {
	e := engine(t)
	network(e)
	vm, _ := e.Make(instanceType, "vm", instance(e))
	if err := errors.Join(e.Host.DeleteMachine(t.Context(), vm), e.Host.DeleteNetwork(t.Context(), e.ID(subnetType, "subnet"))); err != nil {
		t.Fatal(err)
	}
	if _, _, gone := e.Refresh(subnetType, "subnet"); !gone {
		t.Error("a refresh doesn't see that the network is gone")
	}
	if _, _, gone := e.Refresh(instanceType, "vm"); !gone {
		t.Error("an instance has outlived its network")
	}
}

func TestDriftOfAProperty(t *testing.T) {
	e := engine(t)
	network(e)
	args := instance(e)
	id, _ := e.Make(instanceType, "vm", args)
	path, err := resource.ParsePropertyPath("tags.Owner")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Cloud.Edit(t.Context(), id, path, resource.NewStringProperty("somebody")); err != nil {
		t.Fatal(err)
	}
	drift, _, _ := e.Refresh(instanceType, "vm")
	if drift.Changes != plugin.DiffSome || len(drift.ReplaceKeys) != 0 || drift.DetailedDiff["tags.Owner"].Kind != plugin.DiffDelete {
		t.Errorf("drift %+v; want that tags.Owner is to go", drift.DetailedDiff)
	}
	if _, err := e.Update(instanceType, "vm", args); err != nil {
		t.Fatal(err)
	}
	if drift, _, _ = e.Refresh(instanceType, "vm"); drift.Changes != plugin.DiffNone {
		t.Errorf("drift after its repair: %+v", drift.DetailedDiff)
	}
}

func TestEditIsAsStrictAsTheVendor(t *testing.T) {
	e := engine(t)
	network(e)
	id, _ := e.Make(instanceType, "vm", instance(e))
	for text, want := range map[string]string{"instanceType": "invalid value 'x' for InstanceType", "nosuch": "no such property", "tags.aws:x": "reserved"} {
		path, err := resource.ParsePropertyPath(text)
		if err != nil {
			t.Fatal(err)
		}
		cloudtest.WantError(t, e.Cloud.Edit(t.Context(), id, path, resource.NewStringProperty("x")), want)
	}
}

func TestImport(t *testing.T) {
	e := engine(t)
	network(e)
	r, err := e.Provider.Read(t.Context(), plugin.ReadRequest{
		URN: cloudtest.URN(vpcType, "imported"), Name: "imported", Type: vpcType, ID: resource.ID(e.ID(vpcType, "vpc")),
	})
	if err != nil || provider.Str(r.Inputs, "cidrBlock") != "10.20.0.0/24" || provider.Str(r.Outputs, "arn") == "" {
		t.Errorf("inputs %v, outputs %v, %v", r.Inputs, r.Outputs, err)
	}
}

// Many rules at once need few policies.
func TestPoliciesAreGathered(t *testing.T) {
	e := engine(t)
	network(e)
	group, _ := e.Make(groupType, "group", m{"vpcId": e.ID(vpcType, "vpc")})
	args := instance(e)
	args["vpcSecurityGroupIds"] = []any{group}
	e.Make(instanceType, "vm", args)
	first := make(chan struct{})
	var once sync.Once
	e.Host.Before = func(_ context.Context, op, _ string) error {
		if op == "ApplyPolicy" {
			once.Do(func() { close(first); time.Sleep(20 * time.Millisecond) }) // Docker takes longer
		}
		return nil
	}
	before := e.Host.Applied()
	const rules = 20
	var all sync.WaitGroup
	for i := range rules {
		in := provider.From(m{"securityGroupId": group, "ipProtocol": "tcp", "fromPort": 1000 + i, "toPort": 1000 + i, "cidrIpv4": "0.0.0.0/0"})
		name := fmt.Sprint("rule-", i)
		all.Go(func() {
			_, err := e.Provider.Create(t.Context(), plugin.CreateRequest{URN: cloudtest.URN(ruleType, name), Name: name, Type: ruleType, Properties: in})
			if err != nil {
				t.Error(err)
			}
		})
	}
	<-first
	all.Wait()
	if got := len(e.Host.Policy(e.ID(subnetType, "subnet")).Machines[0].Ingress); got != rules {
		t.Errorf("the router enforces %d rules; want %d", got, rules)
	}
	if n := e.Host.Applied() - before; n > rules/2 {
		t.Errorf("%d policies for %d rules at once", n, rules)
	}
}
