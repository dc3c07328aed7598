package federation

import (
	"fmt"
	"strings"

	"hybrid/clouds"
	"hybrid/internal/objects"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// impersonator is the account by which members let the federation speak for those
// who reach into them through its API. Karmada knows it by name.
const impersonator = "karmada-impersonator"

// joining is a cluster on its way into the federation.
type joining struct {
	*builder
	cluster *clouds.Cluster
}

// member makes a cluster a member. Deletion goes the other way round: the cluster
// leaves, what the federation knows of it goes, then its accounts.
func (b *builder) member(c *clouds.Cluster) error {
	j := &joining{b, c}
	printed, err := j.accounts()
	if err != nil {
		return err
	}
	known, err := j.keep(printed)
	if err != nil {
		return err
	}
	endpoint := pulumi.Sprintf("https://%s:%d", b.addressOf(c), clouds.APIPort)
	registered, err := j.register(endpoint, known)
	if err != nil {
		return err
	}
	s, err := b.script("member", "10m", pulumi.StringMap{
		"CLUSTER": pulumi.String(c.Name), "IDENTITY": c.Life, "ENDPOINT": endpoint,
	})
	if err != nil {
		return err
	}
	s.Leaves = true
	b.Members[c.Name], err = b.args.Host.Run(b.ctx, j.named("membership"), b.args.Host.ControlPlane(), s,
		pulumi.Parent(b.Federation), pulumi.DependsOn(with(b.args.PeerRules, registered)),
		// There is nothing to leave when the federation goes, or has gone.
		pulumi.DeletedWith(b.args.Host.Identity))
	return err
}

// addressOf is where the federation's programs reach a member's API. The host is at
// home: no cloud brings what a machine sends to its own public address back to it
// through a firewall that knows the machine by its private one.
func (b *builder) addressOf(c *clouds.Cluster) pulumi.StringOutput {
	if c == b.args.Host {
		return c.ControlPlane().PrivateAddress
	}
	return c.ControlPlane().PublicAddress
}

// named names a resource that is about the cluster.
func (j *joining) named(suffix string) string { return j.cluster.Name + "-federation-" + suffix }

// inCluster are the options of each object in the member.
func (j *joining) inCluster(more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return objects.Options(j.Federation, j.cluster.Provider, j.cluster.Identity, more...)
}

// accounts are by which the federation uses the member: one that may do everything,
// and one that may speak for others. It returns their tokens, which don't expire.
func (j *joining) accounts() (pulumi.StringOutput, error) {
	none := pulumi.StringOutput{}
	namespace, err := corev1.NewNamespace(j.ctx, j.named("namespace"), &corev1.NamespaceArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String(clusterNamespace), Labels: karmadaLabels, Annotations: objects.Adopt()},
	}, j.inCluster()...)
	if err != nil {
		return none, err
	}
	var made []pulumi.Resource
	var ids pulumi.Array
	for _, account := range []string{j.account(), impersonator} {
		secret, err := j.newAccount(account, namespace)
		if err != nil {
			return none, err
		}
		made = append(made, secret)
		ids = append(ids, secret.Metadata.Uid().Elem())
	}
	rights, err := j.rights(namespace)
	if err != nil {
		return none, err
	}
	text, err := body("credentials")
	if err != nil {
		return none, err
	}
	printed, err := j.cluster.Run(j.ctx, j.named("credentials"), j.cluster.ControlPlane(), clouds.Script{
		Name: "federation-credentials", Body: text, Secret: true, Timeout: "5m",
		Params:   pulumi.StringMap{"CLUSTER": pulumi.String(j.cluster.Name), "ISSUED": pulumi.Sprintf("%v", ids)},
		Triggers: pulumi.Array{j.cluster.Life},
	}, pulumi.Parent(j.Federation), pulumi.DependsOn(append(made, rights...)))
	if err != nil {
		return none, err
	}
	return pulumi.ToSecret(printed.Stdout).(pulumi.StringOutput), nil
}

// account is the one that may do everything. It is named after the cluster, as
// Karmada's own tools do.
func (j *joining) account() string { return "karmada-" + j.cluster.Name }

// newAccount makes a service account, and a Secret that is filled with its token.
func (j *joining) newAccount(name string, namespace pulumi.Resource) (*corev1.Secret, error) {
	meta := metav1.ObjectMetaArgs{
		Name: pulumi.String(name), Namespace: pulumi.String(clusterNamespace), Labels: karmadaLabels, Annotations: objects.Adopt(),
	}
	account, err := corev1.NewServiceAccount(j.ctx, j.named(name), &corev1.ServiceAccountArgs{Metadata: meta},
		j.inCluster(pulumi.DependsOn([]pulumi.Resource{namespace}))...)
	if err != nil {
		return nil, err
	}
	annotations := objects.Adopt()
	annotations["kubernetes.io/service-account.name"] = pulumi.String(name)
	meta.Annotations = annotations
	return corev1.NewSecret(j.ctx, j.named(name+"-token"), &corev1.SecretArgs{
		Metadata: meta, Type: pulumi.String("kubernetes.io/service-account-token"),
	}, j.inCluster(pulumi.DependsOn([]pulumi.Resource{account}))...)
}

// rights let the federation do everything: what it is given to place there may be
// anything.
func (j *joining) rights(namespace pulumi.Resource) ([]pulumi.Resource, error) {
	name := "karmada-controller-manager:" + j.account()
	meta := metav1.ObjectMetaArgs{Name: pulumi.String(name), Labels: karmadaLabels, Annotations: objects.Adopt()}
	all := []string{"*"}
	role, err := rbacv1.NewClusterRole(j.ctx, j.named("role"), &rbacv1.ClusterRoleArgs{Metadata: meta, Rules: rbacv1.PolicyRuleArray{
		rule("*", all, "*"),
		rbacv1.PolicyRuleArgs{NonResourceURLs: pulumi.ToStringArray(all), Verbs: pulumi.ToStringArray([]string{"get"})},
	}}, j.inCluster()...)
	if err != nil {
		return nil, err
	}
	binding, err := rbacv1.NewClusterRoleBinding(j.ctx, j.named("role-binding"), &rbacv1.ClusterRoleBindingArgs{
		Metadata: meta,
		RoleRef:  rbacv1.RoleRefArgs{ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String("ClusterRole"), Name: pulumi.String(name)},
		Subjects: rbacv1.SubjectArray{rbacv1.SubjectArgs{
			Kind: pulumi.String("ServiceAccount"), Name: pulumi.String(j.account()), Namespace: pulumi.String(clusterNamespace),
		}},
	}, j.inCluster(pulumi.DependsOn([]pulumi.Resource{role, namespace}))...)
	return []pulumi.Resource{role, binding}, err
}

// credential takes a line of what credentials.sh has printed: authority, token,
// impersonator's token.
func credential(printed pulumi.StringOutput, line int) pulumi.StringOutput {
	return printed.ApplyT(func(text string) (string, error) {
		all, err := lines(text)
		return all[line], err
	}).(pulumi.StringOutput)
}

// lines never quotes them in errors: they are secret.
func lines(printed string) (all [3]string, err error) {
	if n := copy(all[:], strings.Fields(printed)); n != len(all) {
		return all, fmt.Errorf("credentials.sh: expected %d lines, found %d", len(all), n)
	}
	return all, nil
}

// impersonatorSuffix follows the cluster's name in that of the Secret with the token of
// who speaks for others.
const impersonatorSuffix = "-impersonator"

// keep has the federation keep the member's credentials.
func (j *joining) keep(printed pulumi.StringOutput) ([]pulumi.Resource, error) {
	var all []pulumi.Resource
	for _, s := range []struct {
		name string
		data pulumi.StringMap
	}{
		{j.cluster.Name, pulumi.StringMap{"caBundle": credential(printed, 0), "token": credential(printed, 1)}},
		{j.cluster.Name + impersonatorSuffix, pulumi.StringMap{"token": credential(printed, 2)}},
	} {
		made, err := corev1.NewSecret(j.ctx, j.builder.named("credentials-"+s.name), &corev1.SecretArgs{
			Metadata: metav1.ObjectMetaArgs{
				Name: pulumi.String(s.name), Namespace: pulumi.String(clusterNamespace), Labels: karmadaLabels, Annotations: objects.Adopt(),
			},
			Data: s.data,
		}, j.inFederation(pulumi.DependsOn([]pulumi.Resource{j.Ready}))...)
		if err != nil {
			return nil, err
		}
		all = append(all, made)
	}
	return all, nil
}

// register tells the federation of the member.
func (j *joining) register(endpoint pulumi.StringOutput, needs []pulumi.Resource) (pulumi.Resource, error) {
	ref := func(name string) pulumi.Map {
		return pulumi.Map{"namespace": pulumi.String(clusterNamespace), "name": pulumi.String(name)}
	}
	c := j.cluster
	return j.object("member-"+c.Name, "cluster.karmada.io/v1alpha1", "Cluster", c.Name, kubernetes.UntypedArgs{"spec": pulumi.Map{
		"syncMode":    pulumi.String("Push"),
		"apiEndpoint": endpoint,
		"provider":    pulumi.String(c.Cloud), "region": pulumi.String(c.Region),
		"secretRef":             ref(c.Name),
		"impersonatorSecretRef": ref(c.Name + impersonatorSuffix),
	}}, pulumi.DependsOn(needs))
}
