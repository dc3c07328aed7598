package cloud_test

import (
	"context"
	"errors"
	"testing"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/clouds/cloud/cloudtest"
	"hybrid/lab/vm"
)

// host is a hypervisor of which a test says what goes wrong.
type host struct {
	*cloudtest.Hypervisor
	applied func() error // after a policy was applied
	machine func() error // when a machine is looked for
}

func (h *host) ApplyPolicy(ctx context.Context, id string, p vm.Policy) error {
	if err := h.Hypervisor.ApplyPolicy(ctx, id, p); err != nil {
		return err
	}
	return h.applied()
}

func (h *host) Machine(ctx context.Context, id string) (*vm.Status, error) {
	if err := h.machine(); err != nil {
		return nil, err
	}
	return h.Hypervisor.Machine(ctx, id)
}

// on gives the engine's plugin such a hypervisor.
func on(e *cloudtest.Engine) *host {
	none := func() error { return nil }
	h := &host{e.Host, none, none}
	e.Cloud.Attach(e.Dir, func(context.Context) (cloud.Hypervisor, error) { return h, nil })
	return h
}

// A machine that is gone when its create or update ends is neither made nor changed.
func TestMachineGoneMeanwhile(t *testing.T) {
	e := engine(t)
	h := on(e)
	network(e)
	gone := func() error { return vm.ErrNotFound }
	h.machine = gone
	_, _, err := e.Try(instanceType, "vm", instance(e))
	cloudtest.WantError(t, err, "was deleted meanwhile")
	if n := e.Objects(instanceType); n != 0 {
		t.Errorf("%d instances; want none", n)
	}
	h.machine = func() error { return nil }
	e.Make(instanceType, "vm", instance(e))
	h.machine = gone
	_, err = e.Update(instanceType, "vm", instance(e))
	cloudtest.WantError(t, err, "was deleted meanwhile")
}

// What has come of an apply that fails is unknown: the policy before it is to be
// applied again, though it was the last one that was.
func TestPolicyAfterAFailure(t *testing.T) {
	e := engine(t)
	h := on(e)
	network(e)
	group, _ := e.Make(groupType, "group", m{"vpcId": e.ID(vpcType, "vpc")})
	args := instance(e)
	args["vpcSecurityGroupIds"] = []any{group}
	e.Make(instanceType, "vm", args)
	h.applied = func() error {
		h.applied = func() error { return nil }
		return errors.New("hung up")
	}
	_, _, err := e.Try(ruleType, "rule", m{"securityGroupId": group, "ipProtocol": "tcp", "fromPort": 80, "toPort": 80, "cidrIpv4": "0.0.0.0/0"})
	cloudtest.WantError(t, err, "hung up")
	if rules := e.Host.Policy(e.ID(subnetType, "subnet")).Machines[0].Ingress; len(rules) != 0 {
		t.Errorf("the router enforces %v, which the cloud doesn't have", rules)
	}
}
