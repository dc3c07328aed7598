package clouds

import (
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Only what its user has declared lost may be forgotten: never unset, for then the
// environment's PULUMI_K8S_DELETE_UNREACHABLE would say.
func TestNotReachableIsNotGone(t *testing.T) {
	t.Setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
	for _, lost := range []bool{false, true} {
		a := args(AWS)
		a.Lost = lost
		provider := build(t, "london", a, false, nil).Find(t, "london-kubernetes")
		if v := mockcloud.Open(provider.Inputs["deleteUnreachable"]); !v.IsBool() || v.BoolValue() != lost {
			t.Errorf("lost: %v: deleteUnreachable is %v", lost, v)
		}
	}
}

func TestLeave(t *testing.T) {
	t.Parallel()
	whole := build(t, "london", args(AWS), false, nil)
	r, err := mockcloud.Run(false, nil, func(ctx *pulumi.Context) error { return Leave(ctx, "london") })
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Made) != 2 {
		t.Errorf("it leaves %v; want a component and its provider", r.Made)
	}
	before, after := whole.Find(t, "london-kubernetes"), r.Find(t, "london-kubernetes")
	if before.RegisterRPC.GetParent() != after.RegisterRPC.GetParent() {
		t.Error("it is another provider than that of the objects")
	}
	if !mockcloud.Open(after.Inputs["deleteUnreachable"]).BoolValue() {
		t.Error("what is in it can't be forgotten")
	}
	// See Leave: with either it would be another cluster.
	if k, err := parseKubeconfig(text(after, "kubeconfig")); err != nil || len(k.Clusters) > 0 || k.CurrentContext != "london" || after.Inputs.HasValue("clusterIdentifier") {
		t.Errorf("its kubeconfig is %+v, %v, its identifier %v", k, err, after.Inputs["clusterIdentifier"])
	}
}
