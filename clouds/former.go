package clouds

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// Former is what there is already: the stack as the updates before have left it. A
// change of some settings ends a cluster, or stops its machines, which can only be
// told by comparing.
type Former struct {
	// Kubeconfig has the contexts of all APIs, and AdminCIDRs are who has been let in
	// to them, after the last update: the stack's outputs. Empty before the first.
	Kubeconfig string
	AdminCIDRs []string

	// clusters are those of the last update that ended well, by name. One that has
	// never been complete may be replaced without asking.
	clusters map[string]formerCluster
	// resources are all, by name and type: "london-1 digitalocean:index/droplet:Droplet".
	resources map[string]map[string]any
	// ends are the clusters of which Check has found that they end.
	ends map[string]bool
}

// commandType ends the keys of commands in Former.resources.
const commandType = " command:remote:Command"

// formerCluster is what the stack's output clusters says of a cluster.
type formerCluster struct {
	// Fixed are the settings that it has been made with, see builder.fixed.
	Fixed map[string]string
	// Life is the cluster's, see Cluster.Lived. Empty in stacks of earlier releases.
	Life life
}

// ReadFormer asks the engine for the stack as it is recorded, which it does in
// previews, too.
func ReadFormer(ctx *pulumi.Context) (*Former, error) {
	f := &Former{resources: map[string]map[string]any{}, ends: map[string]bool{}}
	stack := StackName(ctx)
	var last struct {
		Outputs struct {
			Clusters   map[string]any `pulumi:"clusters"`
			Kubeconfig string         `pulumi:"kubeconfig"`
			AdminCIDRs []string       `pulumi:"adminCidrs"`
		} `pulumi:"outputs"`
	}
	if _, err := ctx.InvokePackageRaw("pulumi:pulumi:readStackOutputs", map[string]any{"name": stack}, &last, ""); err != nil {
		return nil, fmt.Errorf("reading the outputs of stack %s: %w", stack, err)
	}
	f.Kubeconfig, f.AdminCIDRs = last.Outputs.Kubeconfig, last.Outputs.AdminCIDRs
	if last.Outputs.Clusters == nil {
		return f, nil // nor may the engine be asked for resources of a stack that has never had any
	}
	if err := convert(last.Outputs.Clusters, &f.clusters); err != nil {
		return nil, fmt.Errorf("the output clusters of stack %s: %w", stack, err)
	}
	var state struct {
		Outputs map[string]struct {
			Type    string         `pulumi:"type"`
			Outputs map[string]any `pulumi:"outputs"`
		} `pulumi:"outputs"`
	}
	if _, err := ctx.InvokePackageRaw("pulumi:pulumi:readStackResourceOutputs", map[string]any{"stackName": stack}, &state, ""); err != nil {
		return nil, fmt.Errorf("reading the resources of stack %s: %w", stack, err)
	}
	for urn, r := range state.Outputs {
		f.resources[urn[strings.LastIndex(urn, "::")+2:]+" "+r.Type] = r.Outputs
	}
	return f, nil
}

// StackName is the stack's whole name, as far as its backend has more than one part.
func StackName(ctx *pulumi.Context) string {
	org := ctx.Organization()
	if org == "" || org == "organization" { // that of a backend without organizations
		return ctx.Stack()
	}
	return strings.Join([]string{org, ctx.Project(), ctx.Stack()}, "/")
}

// convert turns a value of plain maps and lists into one that has a type.
func convert(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

// sizes are where the clouds' resources have the type of a machine, by token.
var sizes = map[string]string{
	"digitalocean:index/droplet:Droplet": "size",
	"aws:ec2/instance:Instance":          "instanceType",
	"gcp:compute/instance:Instance":      "machineType",
}

// machineType is that of a node's machine, or empty if there is none.
func (f *Former) machineType(node string) string {
	for token, key := range sizes {
		if r, ok := f.resources[node+" "+token]; ok {
			t, _ := r[key].(string)
			return t
		}
	}
	return ""
}

// login is how a cluster's control plane has been reached, or nil if it has none yet.
func (f *Former) login(cluster string) (*login, error) {
	return f.loginBy(nodeNames(cluster, 0)[0] + "-init")
}

// loginBy is how a step has reached its node, or nil if there is no such step.
func (f *Former) loginBy(step string) (*login, error) {
	made, ok := f.resources[step+commandType]
	if !ok {
		return nil, nil
	}
	l := &login{}
	if err := convert(made["connection"], l); err != nil || l.Host == "" {
		return nil, fmt.Errorf("%s: the stack's state doesn't tell how to reach the node: expected a connection, found none", step)
	}
	return l, nil
}

// fixed are the settings that can't change in a cluster that is there, by their
// names. They are those with defaults.
func (s *builder) fixed() map[string]string {
	all := map[string]string{
		"cloud": s.args.Cloud, "region": s.args.Region, "networkCidr": s.args.NetworkCIDR.String(),
		"serviceCidr": s.args.ServiceCIDR.String(), "hybrid:podCidr": s.args.PodCIDR.String(),
		"federationHost": strconv.FormatBool(s.args.FederationHost),
	}
	if s.args.Zone != "" {
		all["zone"] = s.args.Zone
	}
	if s.args.Cloud == GCE {
		all[projectKey] = config.Get(s.ctx, projectKey)
	}
	return all
}

// projectKey is Google's project, a setting of the provider for the whole stack.
const projectKey = "gcp:project"

// renewing are those of the fixed settings that a cluster gets by being replaced, on
// other machines. The others are in what its machines have been told once, and in the
// mesh of all clusters.
var renewing = []string{"cloud", "region", "zone", "networkCidr"}

// Check compares a cluster's settings with those that it has been made with. It
// returns what it would lose by them and hasn't been allowed to: one line each, with
// what to do. It warns of what it is going to lose.
func (f *Former) Check(ctx *pulumi.Context, settings Settings, shared Shared) ([]string, error) {
	name := settings.Name
	s := &builder{ctx: ctx, cluster: name, args: &ClusterArgs{Settings: settings, Shared: shared}}
	cl, err := newCloud(s)
	if err != nil {
		return nil, err
	}
	cl.defaults()
	was, now := f.clusters[name].Fixed, s.fixed()
	var refused, lost []string
	for _, key := range slices.Sorted(maps.Keys(now)) {
		before, known := was[key]
		if !known || before == now[key] {
			continue
		}
		change := fmt.Sprintf("%s changes from %q to %q", key, before, now[key])
		switch {
		case key == projectKey && settings.FederationHost:
			refused = append(refused, change+", and nothing moves between projects: set it back or, if you want to begin again there, run pulumi destroy before")
		case key == projectKey:
			refused = append(refused, change+", and nothing moves between projects: set it back or, if you want that, "+
				"take the cluster out of hybrid:clusters, run pulumi up, and put it in again together with the other project")
		case !slices.Contains(renewing, key):
			refused = append(refused, change+", which a cluster that is there can't: set it back")
		case key == "networkCidr" && overlaps(before, settings.NetworkCIDR):
			refused = append(refused, change+", which overlap, and both are there for a while: choose a range beside the former")
		case settings.FederationHost:
			refused = append(refused, change+": that ends the cluster, and with it the federation, which it hosts, and all that the federation has placed: "+
				"set it back or, if you want that, run pulumi destroy before")
		case !settings.Replace:
			refused = append(refused, change+": that ends the cluster and makes another one, on other machines, without what is stored in it; "+
				"set it back or, if you want that, set replace: true for the cluster")
		default:
			lost = append(lost, change)
		}
	}
	f.ends[name] = len(lost) > 0
	refused = append(refused, f.refusedVersion(settings, shared)...)
	if reason := f.refusedRestore(settings); reason != "" {
		refused = append(refused, reason)
	}
	switch {
	case len(refused) > 0:
	case len(lost) > 0:
		err = ctx.Log.Warn(fmt.Sprintf("cluster %q ends and another one is made, without what is stored in it, as replace: true allows: %s", name, strings.Join(lost, "; ")), nil)
	case settings.Replace:
		err = ctx.Log.Warn(fmt.Sprintf("cluster %q: replace: true allows the next change to end it: take it out", name), nil)
	}
	return refused, err
}

// overlaps says whether a range overlaps one that is written.
func overlaps(text string, r netip.Prefix) bool {
	p, err := netip.ParsePrefix(text)
	return err == nil && p.Overlaps(r)
}
