package aws

import (
	"context"
	"slices"
	"testing"

	"hybrid/lab/clouds/cloud/cloudtest"
)

// A gateway goes to another VPC in place, but not while machines have addresses by it.
func TestGatewayMoves(t *testing.T) {
	e := engine(t)
	network(e)
	machines(e, "frankfurt-1")
	other, _ := e.Make(typeVpc, "other", m{"cidrBlock": "10.21.0.0/24"})
	if d := e.Diff(typeGateway, "gateway", m{"vpcId": other}); len(d.ReplaceKeys) > 0 {
		t.Errorf("another vpcId replaces the gateway: %v", d.ReplaceKeys)
	}
	_, err := e.Update(typeGateway, "gateway", m{"vpcId": other})
	cloudtest.WantError(t, err, "mapped public addresses")
	for _, r := range [][2]string{{typeEipAssoc, "frankfurt-1"}, {typeInstance, "frankfurt-1"}} {
		if err := e.Delete(r[0], r[1]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Update(typeGateway, "gateway", m{"vpcId": other}); err != nil {
		t.Error(err)
	}
}

// The range of a subnet is given once, whatever the zone.
func TestSubnetInAnotherZone(t *testing.T) {
	e := engine(t)
	network(e)
	_, _, err := e.Try(typeSubnet, "second", m{"vpcId": e.ID(typeVpc, "vpc"), "cidrBlock": "10.20.0.0/24", "availabilityZone": testRegion + "b"})
	cloudtest.WantError(t, err, "InvalidSubnet.Conflict")
}

// An instance is stopped to get another type, and started again.
func TestAnotherType(t *testing.T) {
	e := engine(t)
	network(e)
	machines(e, "frankfurt-1")
	var operations []string
	e.Host.Before = func(_ context.Context, operation, _ string) error {
		operations = append(operations, operation)
		return nil
	}
	args := instanceArgs(e, "frankfurt-1")
	args["tags"] = m{"Name": "frankfurt-1", "Owner": "somebody"}
	if _, err := e.Update(typeInstance, "frankfurt-1", args); err != nil || slices.Contains(operations, "StopMachine") {
		t.Errorf("a tag: %v, %v; want no stop", operations, err)
	}
	args["instanceType"] = "t3.large"
	if _, err := e.Update(typeInstance, "frankfurt-1", args); err != nil || !slices.Equal(operations, []string{"StopMachine", "StartMachine"}) {
		t.Errorf("another type: %v, %v; want a stop and a start", operations, err)
	}
}
