package mesh

import (
	"fmt"
	"slices"
	"strings"

	"hybrid/clouds"
	"hybrid/internal/objects"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Names of Weave Net's own manifest.
const (
	// Name is that of the DaemonSet, and the value of its pods' label "name".
	Name = "weave-net"
	// Namespace is where Weave Net runs.
	Namespace = "kube-system"
	// Container is the one of each pod that is the peer.
	Container = "weave"

	// The Secret with the password, and its key.
	secretName = "weave-passwd"
	// The ConfigMap with what a peer needs to find the others.
	settingsName = "weave-mesh"
	// Keys of that. The meeting points are lines of address and node name.
	settingsInit     = "ipalloc-init"
	settingsMeetings = "meeting-points"
)

var labels = pulumi.StringMap{"name": pulumi.String(Name)}

func metadata(name string) metav1.ObjectMetaArgs {
	return metav1.ObjectMetaArgs{Name: pulumi.String(name), Namespace: pulumi.String(Namespace), Labels: labels, Annotations: objects.Adopt()}
}

// objects are what the DaemonSet needs: rights, password, settings.
func (x *clusterMesh) objects() ([]pulumi.Resource, error) {
	all, err := x.access()
	if err != nil {
		return nil, err
	}
	secret, err := v1.NewSecret(x.ctx, x.named(secretName), &v1.SecretArgs{
		Metadata: metadata(secretName), StringData: pulumi.StringMap{secretName: x.mesh.Password},
	}, x.inCluster()...)
	if err != nil {
		return nil, err
	}
	x.secretVersion = objects.Version(secret.Metadata.ResourceVersion())
	settings, err := v1.NewConfigMap(x.ctx, x.named(settingsName), &v1.ConfigMapArgs{
		Metadata: metadata(settingsName), Data: x.settings(),
	}, x.inCluster()...)
	return append(all, secret, settings), err
}

// settings are apart from the DaemonSet because they follow the number of nodes: a
// change must reach new peers, and restart none.
//
// Without ipalloc-init a peer that is alone for a moment would seed the whole
// range by itself, and refuse all others for ever ("IP allocation was seeded by
// different peers"). So the host's nodes wait for a majority of them, and all
// others never seed. It counts only for peers that have no ring yet.
//
// The others meet all of the host's nodes: with one, its loss would be the loss of
// the meeting point. The host's nodes are told of all others for the day when the
// host is created again, see launch.sh.
func (x *clusterMesh) settings() pulumi.StringMapInput {
	init, clusters := "observer", []*clouds.Cluster{x.args.Host}
	if x.host() {
		init = fmt.Sprintf("consensus=%d", len(x.cluster.Nodes))
		clusters = slices.DeleteFunc(slices.Clone(x.args.Clusters), func(c *clouds.Cluster) bool { return c == x.cluster })
	}
	meetings := pulumi.StringArray{}
	for _, c := range clusters {
		for _, n := range c.Nodes {
			meetings = append(meetings, pulumi.Sprintf("%s %s\n", n.PublicAddress, n.Name))
		}
	}
	return pulumi.StringMap{
		settingsInit: pulumi.String(init),
		settingsMeetings: meetings.ToStringArrayOutput().ApplyT(func(all []string) string {
			return strings.Join(all, "")
		}).(pulumi.StringOutput),
	}
}

// access lets Weave Net list the nodes of its cluster, mark them as networked,
// and keep a list of peers in a ConfigMap. It has no policy controller, and so
// needs no right to read pods, namespaces and policies.
func (x *clusterMesh) access() ([]pulumi.Resource, error) {
	account, err := v1.NewServiceAccount(x.ctx, x.named(Name), &v1.ServiceAccountArgs{Metadata: metadata(Name)}, x.inCluster()...)
	if err != nil {
		return nil, err
	}
	clusterWide := metav1.ObjectMetaArgs{Name: pulumi.String(Name), Labels: labels, Annotations: objects.Adopt()}
	clusterRole, err := rbacv1.NewClusterRole(x.ctx, x.named(Name), &rbacv1.ClusterRoleArgs{
		Metadata: clusterWide,
		Rules: rbacv1.PolicyRuleArray{
			rule("nodes", "", "get", "list", "watch"),
			rule("nodes/status", "", "patch", "update"),
		},
	}, x.inCluster()...)
	if err != nil {
		return nil, err
	}
	subjects := rbacv1.SubjectArray{rbacv1.SubjectArgs{
		Kind: pulumi.String("ServiceAccount"), Name: pulumi.String(Name), Namespace: pulumi.String(Namespace),
	}}
	ref := func(kind string) rbacv1.RoleRefArgs {
		return rbacv1.RoleRefArgs{ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String(kind), Name: pulumi.String(Name)}
	}
	clusterBinding, err := rbacv1.NewClusterRoleBinding(x.ctx, x.named(Name), &rbacv1.ClusterRoleBindingArgs{
		Metadata: clusterWide, RoleRef: ref("ClusterRole"), Subjects: subjects,
	}, x.inCluster()...)
	if err != nil {
		return nil, err
	}
	role, err := rbacv1.NewRole(x.ctx, x.named(Name), &rbacv1.RoleArgs{
		Metadata: metadata(Name),
		Rules: rbacv1.PolicyRuleArray{
			rule("configmaps", Name, "get", "update"),
			rule("configmaps", "", "create"), // which can't be bound to a name
		},
	}, x.inCluster()...)
	if err != nil {
		return nil, err
	}
	binding, err := rbacv1.NewRoleBinding(x.ctx, x.named(Name), &rbacv1.RoleBindingArgs{
		Metadata: metadata(Name), RoleRef: ref("Role"), Subjects: subjects,
	}, x.inCluster()...)
	return []pulumi.Resource{account, clusterRole, clusterBinding, role, binding}, err
}

// rule lets verbs be used on a resource of the core group, or on one object.
func rule(resource, name string, verbs ...string) rbacv1.PolicyRuleArgs {
	r := rbacv1.PolicyRuleArgs{
		ApiGroups: pulumi.StringArray{pulumi.String("")}, Resources: pulumi.StringArray{pulumi.String(resource)},
		Verbs: pulumi.ToStringArray(verbs),
	}
	if name != "" {
		r.ResourceNames = pulumi.StringArray{pulumi.String(name)}
	}
	return r
}
