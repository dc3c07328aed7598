package mesh

import (
	"cmp"
	"embed"
	"fmt"
	"slices"
	"strings"

	"hybrid/clouds"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// scripts run on nodes.
//
//go:embed scripts/node/admission.sh scripts/node/end-peers.sh scripts/node/reclaim.sh scripts/node/take-part.sh scripts/node/up.sh
var scripts embed.FS

// weaveCommand is the command weave for machines.
//
//go:embed scripts/node/weave.sh
var weaveCommand string

// steps are the names of those whose step is not named after its file. They are in the
// commands: other names would run the steps again in stacks that are there.
var steps = map[string]string{"end-peers": "peers", "take-part": "peer"}

// script is one of them.
func script(file, timeout string, params pulumi.StringMap, triggers ...pulumi.Input) (clouds.Script, error) {
	body, err := scriptBody(file)
	return clouds.Script{Name: "mesh-" + cmp.Or(steps[file], file), Body: body, Params: params, Triggers: triggers, Timeout: timeout}, err
}

// scriptBody is a script without what begins every one.
func scriptBody(file string) (string, error) {
	text, err := scripts.ReadFile("scripts/node/" + file + ".sh")
	if err != nil {
		return "", err
	}
	var library string
	switch file {
	case "admission", "end-peers":
		reclaim, err := scripts.ReadFile("scripts/node/reclaim.sh")
		if err != nil {
			return "", err
		}
		library = string(reclaim)
	case "take-part":
		library = clouds.DrainLibrary
	}
	return library + string(text), nil
}

// admission runs on the host's control plane, and exists as long as this cluster
// takes part. It waits until the host has seeded the ring, so that there is
// something to join. When it goes, it gives the addresses of the cluster's peers back to
// the ring. Nothing of it is of the cluster: of one that is lost the machines go at the
// same time, and their peers with them.
func (x *clusterMesh) admission(host *clusterMesh) (pulumi.Resource, error) {
	// Without a trigger: a host that is created again has another host key, which runs
	// this again and replaces nothing of this cluster.
	s, err := script("admission", "15m", pulumi.StringMap{"CLUSTER": pulumi.String(x.cluster.Name)})
	if err != nil {
		return nil, err
	}
	// A majority of the host's nodes seeds the ring.
	needs := append([]pulumi.Resource{host.daemonSet}, x.args.PeerRules...)
	for _, n := range x.args.Host.Nodes {
		needs = append(needs, n.Joined)
	}
	return x.atTheHost("mesh-admission", s, needs...)
}

// peers runs on the host's control plane, and exists as long as the cluster's peers. When
// it goes, because the cluster leaves or is created again, it ends them, by the cluster's
// API, and gives their addresses back. The DaemonSet's own deletion can't end them: the
// engine closes the Kubernetes provider of a cluster that is replaced, and then deletes by
// it (contract.IgnoreClose in https://github.com/pulumi/pulumi/blob/v3.253.0/pkg/resource/deploy/providers/registry.go).
func (x *clusterMesh) peers(admission pulumi.Resource) (pulumi.Resource, error) {
	s, err := script("end-peers", "5m", pulumi.StringMap{
		"CLUSTER": pulumi.String(x.cluster.Name), "ADMIN": x.cluster.Kubeconfig,
	})
	if err != nil {
		return nil, err
	}
	return x.atTheHost("mesh-peers", s, admission)
}

// atTheHost runs a script about the cluster on the host's control plane.
func (x *clusterMesh) atTheHost(name string, s clouds.Script, needs ...pulumi.Resource) (pulumi.Resource, error) {
	s.Leaves = true
	return x.args.Host.Run(x.ctx, x.named(name), x.args.Host.ControlPlane(), s,
		pulumi.Parent(x.mesh), pulumi.DependsOn(needs),
		// No peer is left to give addresses to.
		pulumi.DeletedWith(x.args.Host.Identity))
}

// checks are last: the cluster is part of the mesh when they exist.
func (x *clusterMesh) checks(daemonSets []pulumi.Resource) error {
	c := x.cluster
	generation := x.daemonSet.Metadata.Generation().ApplyT(func(n *int) string {
		if n == nil {
			return ""
		}
		return fmt.Sprint(*n)
	}).(pulumi.StringOutput)
	// Not their being Ready: when the mesh can't come up, this is to say why.
	var joined []pulumi.Resource
	for _, other := range x.args.Clusters {
		for _, n := range other.Nodes {
			joined = append(joined, n.Joined)
		}
	}
	var machines pulumi.StringArray
	for _, other := range x.args.Clusters {
		for _, n := range other.Nodes {
			machines = append(machines, n.Machine)
		}
	}
	reclaims := "no"
	if x.host() { // only one may
		reclaims = "yes"
	}
	up, err := script("up", "10m", pulumi.StringMap{
		"NODES":    pulumi.String(strings.Join(x.nodes(), " ")),
		"RECLAIMS": pulumi.String(reclaims),
		"WEAVE":    pulumi.String(weaveCommand),
		// Looked at again when machines are replaced, or Weave Net's own settings.
		"MACHINES": machines.ToStringArrayOutput().ApplyT(func(ids []string) string {
			return strings.Join(ids, " ")
		}).(pulumi.StringOutput),
		"GENERATION": generation,
	}, c.Life)
	if err != nil {
		return err
	}
	needs := slices.Concat(daemonSets, x.args.PeerRules, joined)
	x.mesh.Up[c.Name], err = c.Run(x.ctx, x.named("mesh"), c.ControlPlane(), up,
		pulumi.Parent(x.mesh), pulumi.DependsOn(needs))
	if err != nil {
		return err
	}
	for _, n := range c.Nodes {
		if err := x.takePart(n); err != nil {
			return err
		}
	}
	return nil
}

// takePart waits until a node is Ready by the mesh, and gives a worker's addresses back
// when it is taken out of its cluster. It depends on the node's membership, and so
// goes before that; also when a new machine takes the node's place, since the
// membership is its trigger: otherwise it would be the new peer that gives its
// addresses back.
func (x *clusterMesh) takePart(n *clouds.Node) error {
	s, err := script("take-part", "15m", pulumi.StringMap{"NODE": pulumi.String(n.Name)}, n.Member.ID())
	if err != nil {
		return err
	}
	s.Leaves = n != x.cluster.ControlPlane() // which never leaves its cluster
	peer, err := x.cluster.Run(x.ctx, n.Name+"-peer", x.cluster.ControlPlane(), s,
		pulumi.Parent(x.mesh), pulumi.DependsOn([]pulumi.Resource{n.Member, x.daemonSet}),
		pulumi.DeletedWith(x.cluster.Identity))
	x.mesh.Peers[x.cluster.Name] = append(x.mesh.Peers[x.cluster.Name], peer)
	return err
}

// nodes are the names of all peers, in the order of the clusters.
func (x *clusterMesh) nodes() []string {
	var names []string
	for _, c := range x.args.Clusters {
		for _, n := range c.Nodes {
			names = append(names, n.Name)
		}
	}
	return names
}
