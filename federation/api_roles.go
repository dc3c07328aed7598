package federation

import (
	"hybrid/internal/objects"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// proxyRole may reach into members through the federation's API.
const proxyRole = "cluster-proxy-admin"

// ownKinds are Karmada's kinds that belong to a namespace, and so to those who may
// work in it.
var ownKinds = []struct {
	group     string
	resources []string
}{
	{"autoscaling.karmada.io", []string{"cronfederatedhpas", "cronfederatedhpas/status", "federatedhpas", "federatedhpas/status"}},
	{"multicluster.x-k8s.io", []string{"serviceexports", "serviceexports/status", "serviceimports", "serviceimports/status"}},
	{"networking.karmada.io", []string{"multiclusteringresses", "multiclusteringresses/status", "multiclusterservices", "multiclusterservices/status"}},
	{"policy.karmada.io", []string{"overridepolicies", "propagationpolicies"}},
	{"work.karmada.io", []string{"resourcebindings", "resourcebindings/status", "works", "works/status"}},
}

// roles let administrators reach into members, and give Kubernetes' own roles view
// and edit their share of Karmada's kinds.
func (b *builder) roles() ([]pulumi.Resource, error) {
	proxy, err := b.role(proxyRole, nil, rbacv1.PolicyRuleArray{rule("cluster.karmada.io", []string{"clusters/proxy"}, "*")})
	if err != nil {
		return nil, err
	}
	subject := func(kind, name string) rbacv1.SubjectArgs {
		return rbacv1.SubjectArgs{ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String(kind), Name: pulumi.String(name)}
	}
	binding, err := rbacv1.NewClusterRoleBinding(b.ctx, b.named(proxyRole+"-binding"), &rbacv1.ClusterRoleBindingArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String(proxyRole), Annotations: objects.Adopt()},
		RoleRef:  rbacv1.RoleRefArgs{ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String("ClusterRole"), Name: pulumi.String(proxyRole)},
		// Members let the federation speak for these, and for no others: the
		// programs, the token, and the group by which both may do what they do.
		Subjects: rbacv1.SubjectArray{subject("User", "system:admin"), subject("User", "admin"), subject("Group", "system:masters")},
	}, b.inFederation(pulumi.DependsOn([]pulumi.Resource{proxy}))...)
	if err != nil {
		return nil, err
	}
	all := []pulumi.Resource{proxy, binding}
	for _, share := range []struct {
		of    string
		verbs []string
	}{
		{"view", []string{"get", "list", "watch"}},
		{"edit", []string{"create", "delete", "deletecollection", "patch", "update"}},
	} {
		var rules rbacv1.PolicyRuleArray
		for _, own := range ownKinds {
			rules = append(rules, rule(own.group, own.resources, share.verbs...))
		}
		r, err := b.role("karmada-"+share.of, pulumi.StringMap{"rbac.authorization.k8s.io/aggregate-to-" + share.of: pulumi.String("true")}, rules)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func (b *builder) role(name string, labels pulumi.StringMap, rules rbacv1.PolicyRuleArray) (pulumi.Resource, error) {
	return rbacv1.NewClusterRole(b.ctx, b.named(name), &rbacv1.ClusterRoleArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String(name), Labels: labels, Annotations: objects.Adopt()}, Rules: rules,
	}, b.inFederation()...)
}

func rule(group string, resources []string, verbs ...string) rbacv1.PolicyRuleArgs {
	return rbacv1.PolicyRuleArgs{
		ApiGroups: pulumi.StringArray{pulumi.String(group)}, Resources: pulumi.ToStringArray(resources), Verbs: pulumi.ToStringArray(verbs),
	}
}
