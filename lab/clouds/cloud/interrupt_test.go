package cloud_test

import (
	"context"
	"errors"
	"net/url"
	"runtime"
	"sync"
	"testing"
	"time"

	"hybrid/lab/clouds/aws"
	"hybrid/lab/clouds/cloud"
	"hybrid/lab/clouds/cloud/cloudtest"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/system/lock"
	"hybrid/lab/vm"
)

const (
	vpcType      = "aws:ec2/vpc:Vpc"
	subnetType   = "aws:ec2/subnet:Subnet"
	instanceType = "aws:ec2/instance:Instance"
	eipType      = "aws:ec2/eip:Eip"
	groupType    = "aws:ec2/securityGroup:SecurityGroup"
	ruleType     = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
)

type m = map[string]any

func engine(t *testing.T) *cloudtest.Engine {
	return cloudtest.New(t, aws.New, aws.Package, m{"region": "eu-central-1"})
}

// network makes a VPC with a subnet, which the engine knows.
func network(e *cloudtest.Engine) {
	e.Helper()
	vpc, _ := e.Make(vpcType, "vpc", m{"cidrBlock": "10.20.0.0/24"})
	e.Make(subnetType, "subnet", m{"vpcId": vpc, "cidrBlock": "10.20.0.0/24"})
}

func instance(e *cloudtest.Engine) m {
	e.Helper()
	return m{"ami": image(e), "instanceType": "t3.medium", "subnetId": e.ID(subnetType, "subnet"), "tags": m{"Name": "vm"}}
}

// kill starts something, ends it when it calls an operation of the hypervisor,
// and takes the engine's next deployment. As with SIGKILL, what is not done yet
// is never done, and the kernel frees the locks.
func kill(e *cloudtest.Engine, operation string, start func()) {
	e.Helper()
	killed := false
	e.Host.Before = func(_ context.Context, op, _ string) error {
		if op == operation {
			killed = true
			runtime.Goexit()
		}
		return nil
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		start()
	}()
	<-ended
	if !killed {
		e.Fatalf("%s isn't called", operation)
	}
	e.Host.Before = nil
	e.Restart()
}

func TestKilledCreate(t *testing.T) {
	for _, operation := range []string{"ApplyPolicy", "CreateMachine"} {
		t.Run(operation, func(t *testing.T) {
			e := engine(t)
			network(e)
			args := instance(e)
			kill(e, operation, func() { _, _, _ = e.Try(instanceType, "vm", args) })
			e.Make(instanceType, "vm", args)
			if n := e.Objects(instanceType); n != 1 || len(e.Host.Machines()) != 1 {
				t.Errorf("%d instances and %d machines after another up; want 1 each", n, len(e.Host.Machines()))
			}
			empty(e)
		})
	}
}

func TestKilledNetwork(t *testing.T) {
	e := engine(t)
	vpc, _ := e.Make(vpcType, "vpc", m{"cidrBlock": "10.20.0.0/24"})
	args := m{"vpcId": vpc, "cidrBlock": "10.20.0.0/24"}
	kill(e, "CreateNetwork", func() { _, _, _ = e.Try(subnetType, "subnet", args) })
	e.Make(subnetType, "subnet", args)
	if n := e.Objects(subnetType); n != 1 || e.Host.Networks() != 1 {
		t.Errorf("%d subnets and %d networks after another up; want 1 each", n, e.Host.Networks())
	}
}

// The engine was killed, and its plugin still makes what the next one's has to clear.
func TestCreateGoesOn(t *testing.T) {
	e := engine(t)
	vpc, _ := e.Make(vpcType, "vpc", m{"cidrBlock": "10.20.0.0/24"})
	args := m{"vpcId": vpc, "cidrBlock": "10.20.0.0/24"}
	begun, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var first sync.Once
	e.Host.Before = func(_ context.Context, op, _ string) error {
		if op == "CreateNetwork" {
			first.Do(func() { close(begun); <-goOn })
		}
		return nil
	}
	former := e.Former()
	go func() {
		defer close(ended)
		_, _, _ = former.Try(subnetType, "subnet", args)
	}()
	<-begun
	e.Restart()
	time.AfterFunc(100*time.Millisecond, func() { close(goOn) })
	e.Make(subnetType, "subnet", args)
	<-ended
	if n := e.Objects(subnetType); n != 1 || e.Host.Networks() != 1 {
		t.Errorf("%d subnets and %d networks after another up; want 1 each", n, e.Host.Networks())
	}
}

// The engine was killed while its plugin waited for another create of the same URN: what
// came of it now would belong to no resource.
func TestCreateThatIsLate(t *testing.T) {
	e := engine(t)
	unlock, err := lock.Take("create-" + url.PathEscape(eipType+" address"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, _, err := e.Try(eipType, "address", m{"domain": "vpc"})
		ended <- err
	}()
	time.Sleep(100 * time.Millisecond) // it waits for the lock
	if err := e.Provider.Close(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, unlock)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want a cancellation", err)
	}
	if n := e.Objects(eipType); n != 0 {
		t.Errorf("%d addresses; want none", n)
	}
}

// An end before the plugin's last create is cleared away would leave an orphan.
func TestEngineGrace(t *testing.T) {
	if longest := 2*vm.CreateTimeout + cloud.CleanupTime; provider.EngineGrace <= longest {
		t.Errorf("a plugin ends %s after its engine; want that it waits longer than the %s that a create may take to end", provider.EngineGrace, longest)
	}
}

// The object was made, and the engine died before it could record the ID.
func TestUnrecorded(t *testing.T) {
	e := engine(t)
	network(e)
	first, _ := e.Make(instanceType, "vm", instance(e))
	e.Forget(instanceType, "vm")
	e.Restart()
	second, _ := e.Make(instanceType, "vm", instance(e))
	if n := e.Objects(instanceType); first == second || n != 1 || len(e.Host.Machines()) != 1 {
		t.Errorf("%d instances and %d machines after another up; want 1 each", n, len(e.Host.Machines()))
	}
}

// A destroy after such a death must not stumble over what the engine does not know.
func TestUnrecordedIsNoObstacle(t *testing.T) {
	e := engine(t)
	network(e)
	e.Make(instanceType, "vm", instance(e))
	e.Forget(instanceType, "vm")
	e.Restart()
	empty(e)
}

// A replacement is created while its predecessor, of the same URN, still lives.
func TestPredecessorIsNoOrphan(t *testing.T) {
	e := engine(t)
	network(e)
	before, _ := e.Make(instanceType, "vm", instance(e))
	e.Diff(instanceType, "vm", instance(e)) // as every deployment begins
	after, _ := e.Make(instanceType, "vm", instance(e))
	if before == after || e.Objects(instanceType) != 2 {
		t.Errorf("the predecessor was deleted (%d instances)", e.Objects(instanceType))
	}
	if n := len(e.Host.Machines()); n != 2 {
		t.Errorf("%d machines of different names; want 2", n)
	}
}

// What others refer to is known to the engine, whatever it says.
func TestReferredIsNoOrphan(t *testing.T) {
	e := engine(t)
	network(e)
	vpc := e.ID(vpcType, "vpc")
	e.Forget(vpcType, "vpc")
	if _, _, err := e.Try(vpcType, "vpc", m{"cidrBlock": "10.30.0.0/24"}); err != nil {
		t.Fatal(err)
	}
	if e.Objects(vpcType) != 2 {
		t.Errorf("%s was deleted although a subnet is in it", vpc)
	}
}

func TestKilledDelete(t *testing.T) {
	e := engine(t)
	network(e)
	e.Make(instanceType, "vm", instance(e))
	kill(e, "DeleteMachine", func() { _ = e.Delete(instanceType, "vm") })
	if _, _, gone := e.Refresh(instanceType, "vm"); !gone || len(e.Host.Machines()) != 0 {
		t.Errorf("gone %v, %d machines; want a delete to go on", gone, len(e.Host.Machines()))
	}
	empty(e)
}

func TestFailedCreateLeavesNothing(t *testing.T) {
	e := engine(t)
	network(e)
	e.Host.Before = func(_ context.Context, op, _ string) error {
		if op == "CreateMachine" {
			return errors.New("no space left on device")
		}
		return nil
	}
	_, _, err := e.Try(instanceType, "vm", instance(e))
	cloudtest.WantError(t, err, "no space left on device")
	if n := e.Objects(instanceType); n != 0 {
		t.Errorf("%d instances after a failure; want none", n)
	}
	if p := e.Host.Policy(e.ID(subnetType, "subnet")); len(p.Machines) != 0 {
		t.Errorf("the router still knows the machine: %+v", p)
	}
}

func TestCancelEndsACreate(t *testing.T) {
	e := engine(t)
	network(e)
	working := make(chan struct{})
	e.Host.Before = func(ctx context.Context, op, _ string) error {
		if op == "CreateMachine" {
			close(working)
			<-ctx.Done()
		}
		return nil
	}
	ended := make(chan error, 1)
	args := instance(e)
	go func() {
		_, _, err := e.Try(instanceType, "vm", args)
		ended <- err
	}()
	<-working
	if err := e.Provider.SignalCancellation(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v; want a cancellation", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a create goes on after SignalCancellation")
	}
	if n := e.Objects(instanceType); n != 0 {
		t.Errorf("%d instances after a cancellation; want none", n)
	}
}

// Others go on while a machine is made.
func TestNoLockDuringACreate(t *testing.T) {
	e := engine(t)
	network(e)
	working, finish := make(chan struct{}), make(chan struct{})
	e.Host.Before = func(_ context.Context, op, _ string) error {
		if op == "CreateMachine" {
			close(working)
			<-finish
		}
		return nil
	}
	ended := make(chan error, 1)
	args := instance(e)
	go func() {
		_, _, err := e.Try(instanceType, "vm", args)
		ended <- err
	}()
	<-working
	e.Make(eipType, "address", m{"domain": "vpc"})
	close(finish)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// empty destroys all that the engine knows and looks for what is left.
func empty(e *cloudtest.Engine) {
	e.Helper()
	for _, r := range [][2]string{{instanceType, "vm"}, {subnetType, "subnet"}, {vpcType, "vpc"}} {
		if e.ID(r[0], r[1]) == "" {
			continue
		}
		if err := e.Delete(r[0], r[1]); err != nil {
			e.Errorf("destroying %s: %v", r[1], err)
		}
	}
	if n := e.Host.Networks() + len(e.Host.Machines()) + e.Objects(vpcType) + e.Objects(subnetType) + e.Objects(instanceType); n != 0 {
		e.Errorf("%d things are left after a destroy", n)
	}
}

// image looks up an AMI.
func image(e *cloudtest.Engine) string {
	e.Helper()
	out := e.Invoke("aws:ec2/getAmi:getAmi", m{"mostRecent": true, "filters": []any{m{"name": "architecture", "values": []any{"x86_64"}}}})
	return provider.Str(out, "id")
}
