package clouds

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"
)

// life is what a stack's output clusters says of how a cluster has begun, and gone on.
type life struct {
	// Machine is the ID of the machine that the cluster was made with, and Init that of
	// the step that made it. Kubernetes' providers know the cluster by them.
	Machine, Init string
	// Now is the ID of the machine that is its control plane, and Restore how often that
	// has been brought back from a snapshot.
	Now     string
	Restore int
	// Snapshots says that there were snapshots to come back from.
	Snapshots bool
}

// Restoring says whether the cluster's control plane is to be brought back from its last
// snapshot, which the last update that ended well has not done yet.
func (f *Former) Restoring(s Settings) bool {
	if f == nil {
		return false
	}
	was := f.clusters[s.Name].Life
	return was.Machine != "" && was.Restore != s.Restore && !f.ends[s.Name]
}

// Replaced says whether the cluster's control plane is on another machine than after the
// last update that ended well, as far as there is any.
func (f *Former) Replaced(cluster string) bool {
	triggers, _ := f.resources[nodeNames(cluster, 0)[0]+"-first-contact"+commandType]["triggers"].([]any)
	return len(triggers) == 0 || triggers[0] != f.clusters[cluster].Life.Now
}

// begin makes <cluster>-life, the resource that is replaced when the cluster is recreated. The
// engine deletes everything that depends on it, init included, in one step before it creates
// the new one. What is DeletedWith init therefore only leaves the state: no command runs on a
// machine that is gone.
func (b *bootstrap) begin(machine pulumi.StringOutput) error {
	first := b.since(machine, machine, func(l life) string { return l.Machine })
	life, err := random.NewRandomId(b.ctx, b.named("life"), &random.RandomIdArgs{
		ByteLength: pulumi.Int(8), Keepers: pulumi.StringMap{"machine": first},
	}, pulumi.Parent(b.parent), pulumi.DeleteBeforeReplace(true))
	if err != nil {
		return err
	}
	b.begun = life.ID().ToStringOutput()
	b.born = b.alive(first)
	return nil
}

// alive returns the value unchanged, and makes it depend on <cluster>-life: the engine treats
// it as changed when that is replaced.
func (b *bootstrap) alive(value pulumi.StringOutput) pulumi.StringOutput {
	return pulumi.All(value, b.begun).ApplyT(func(v []any) string { return v[0].(string) }).(pulumi.StringOutput)
}

// firstInit is the ID of the step that the cluster was made by: that of its init, unless its
// control plane has come back, or is coming back, in the place of a lost one.
func (b *bootstrap) firstInit(machine, init pulumi.StringOutput) pulumi.StringOutput {
	return b.alive(b.since(machine, init, func(l life) string { return l.Init }))
}

// since is what is known of the cluster's former life if that goes on, and otherwise own.
//
// Where there are snapshots it goes on whatever becomes of the machine.
func (b *bootstrap) since(machine, own pulumi.StringOutput, of func(life) string) pulumi.StringOutput {
	var was life
	ends := false
	if f := b.args.Former; f != nil {
		was, ends = f.clusters[b.cluster].Life, f.ends[b.cluster]
	}
	goesOn := b.args.Snapshots != nil && !ends && !b.args.Lost
	switch {
	case goesOn && was.Snapshots:
		return pulumi.String(of(was)).ToStringOutput()
	case was.Machine != was.Now:
		own = pulumi.All(machine, own).ApplyT(func(v []any) string {
			if v[0] == was.Now {
				return of(was)
			}
			return v[1].(string)
		}).(pulumi.StringOutput)
	}
	if goesOn {
		return apart(b.ctx, own)
	}
	return own
}

// apart returns the value without its dependencies. Otherwise the engine would treat it as
// unknown when it replaces the machine, and would delete everything in the cluster. A preview
// records no dependencies, so there it returns the value as it is.
func apart(ctx *pulumi.Context, made pulumi.StringOutput) pulumi.StringOutput {
	if ctx.DryRun() {
		return made
	}
	out, resolve, reject := ctx.NewOutput()
	go func() {
		switch r, err := internals.UnsafeAwaitOutput(ctx.Context(), made); {
		case err != nil:
			reject(err)
		case !r.Known:
			reject(errors.New("expected a machine that is there, found one that an update with --target has left out"))
		default:
			resolve(r.Value)
		}
	}()
	return out.ApplyT(func(v any) string { return v.(string) }).(pulumi.StringOutput)
}

// refusedRestore says why the control plane can't be brought back, or nothing.
func (f *Former) refusedRestore(s Settings) string {
	was, there := f.clusters[s.Name]
	switch changed := there && s.Restore != was.Life.Restore; {
	case changed && s.Lost:
		return fmt.Sprintf("restore is %d and was %d, and lost is set: expected one of them, for what is lost isn't brought back; set restore back, or take lost out", s.Restore, was.Life.Restore)
	case changed && !was.Life.Snapshots:
		return fmt.Sprintf("restore is %d and was %d, and the last pulumi up has left no snapshots to come back from: set it back, run pulumi up with hybrid:backup enabled, and count it up when the control plane is gone", s.Restore, was.Life.Restore)
	}
	return ""
}
