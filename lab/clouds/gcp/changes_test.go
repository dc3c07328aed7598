package gcp

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hybrid/lab/clouds/cloud/cloudtest"
)

// A subnetwork of another range is made before the one that it replaces is gone; a
// second one is not. No machine goes from one to the other.
func TestSubnetworkIsReplaced(t *testing.T) {
	e := engine(t)
	makeNetwork(e)
	e.Make(typeInstance, "america-1", vmArgs(e, "america-1", "-"))
	former := e.ID(typeSubnetwork, "subnet")
	args := m{"name": "america-2", "network": e.ID(typeNetwork, "net"), "ipCidrRange": "10.31.0.0/24", "region": "us-west1"}
	_, _, err := e.Try(typeSubnetwork, "second", args)
	cloudtest.WantError(t, err, "one subnetwork per network")
	if d := e.Diff(typeSubnetwork, "subnet", args); len(d.ReplaceKeys) == 0 {
		t.Error("another range doesn't replace the subnetwork")
	}
	made, _ := e.Make(typeSubnetwork, "subnet", args)
	if made == former {
		t.Errorf("the new subnetwork is %s, as the former", made)
	}
	in := vmArgs(e, "america-1", "-")
	if d := e.Diff(typeInstance, "america-1", in); len(d.ReplaceKeys) > 0 || len(d.ChangedKeys) == 0 {
		t.Errorf("another subnetwork: found %+v, want an update", d)
	}
	_, err = e.Update(typeInstance, "america-1", in)
	cloudtest.WantError(t, err, "doesn't move a machine")
}

// Another project of the provider is nothing to the resources that it has made.
func TestProjectOfTheProvider(t *testing.T) {
	e := engine(t)
	makeNetwork(e)
	in := m{"name": "america", "autoCreateSubnetworks": false}
	if d := e.Diff(typeNetwork, "net", in); len(d.ChangedKeys) > 0 {
		t.Errorf("found %v", d.ChangedKeys)
	}
	in["project"] = "other"
	if d := e.Diff(typeNetwork, "net", in); len(d.ReplaceKeys) != 1 || d.ReplaceKeys[0] != resource.PropertyKey("project") {
		t.Errorf("a project of its own replaces %v", d.ReplaceKeys)
	}
	// Which is no change if it is that of before.
	in["project"] = "lab"
	if d := e.Diff(typeNetwork, "net", in); len(d.ChangedKeys) > 0 {
		t.Errorf("found %v", d.ChangedKeys)
	}
}
