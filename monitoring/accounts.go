package monitoring

import (
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"hybrid/clouds"
	"hybrid/federation"
	"hybrid/internal/objects"
	"hybrid/workloads/topology"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"go.yaml.in/yaml/v3"
)

// accountsIn is their namespace: every API has it, and Karmada doesn't copy the
// federation's into the members.
const accountsIn = "kube-system"

// viewRole has the least that hybrid needs to look: for those who look from elsewhere, too.
//
//go:embed view-role.yaml
var viewRole string

// federationRole is the one that is for the federation's API.
const federationRole = "hybrid-view-federation"

// role is one of view-role.yaml.
type role struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name, Namespace string }
	Rules      []struct {
		APIGroups     []string `yaml:"apiGroups"`
		Resources     []string
		ResourceNames []string `yaml:"resourceNames"` // none: all
		Verbs         []string
	}
}

// roles reads view-role.yaml. What it doesn't know is an error: a rule would allow more
// than is meant.
func roles() (all []role, err error) {
	documents := yaml.NewDecoder(strings.NewReader(viewRole))
	documents.KnownFields(true)
	for {
		var r role
		err := documents.Decode(&r)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("view-role.yaml: %w", err)
		}
		all = append(all, r)
	}
}

// api is one that the exporter looks at.
type api struct {
	// name is that of its context in the kubeconfig.
	name string
	// server is its URL for pods of the host.
	server   pulumi.StringInput
	provider *kubernetes.Provider
	identity pulumi.Resource
	// needs exist when objects can be made in it.
	needs []pulumi.Resource
	roles []role
}

// accounts makes one in each API. It returns a kubeconfig with a context for each. Secret.
func (b *builder) accounts() (pulumi.StringOutput, error) {
	none := pulumi.StringOutput{}
	all, err := roles()
	if err != nil {
		return none, err
	}
	inClusters := slices.DeleteFunc(slices.Clone(all), func(r role) bool {
		return r.Metadata.Name == federationRole || r.Metadata.Namespace == topology.Namespace && !b.args.Database
	})
	inFederation := slices.DeleteFunc(all, func(r role) bool { return r.Metadata.Name != federationRole })
	var apis []api
	for _, c := range b.args.Clusters {
		apis = append(apis, api{c.Name, b.serverOf(c), c.Provider, c.Identity, nil, inClusters})
	}
	f := b.args.Federation
	apis = append(apis, api{federation.Context, pulumi.String(federation.URL), f.Provider, f.Identity, []pulumi.Resource{f.Ready}, inFederation})
	var kubeconfigs pulumi.StringArray
	for _, a := range apis {
		k, err := b.account(a)
		if err != nil {
			return none, fmt.Errorf("%s: %w", a.name, err)
		}
		kubeconfigs = append(kubeconfigs, k)
	}
	return pulumi.ToSecret(kubeconfigs.ToStringArrayOutput().ApplyT(clouds.MergeKubeconfigs)).(pulumi.StringOutput), nil
}

// serverOf is where the host's pods reach a cluster's API. The host is at home: no cloud
// brings what a machine sends to its own public address back to it through a firewall that
// knows the machine by its private one.
func (b *builder) serverOf(c *clouds.Cluster) pulumi.StringOutput {
	address := c.ControlPlane().PublicAddress
	if c == b.args.Host {
		address = c.ControlPlane().PrivateAddress
	}
	return pulumi.Sprintf("https://%s:%d", address, clouds.APIPort)
}

// account makes one in an API, with its roles, and returns a kubeconfig for it. Its token
// doesn't expire. Secret.
func (b *builder) account(a api) (pulumi.StringOutput, error) {
	none := pulumi.StringOutput{}
	named := func(suffix string) string { return a.name + "-" + b.named(suffix) }
	opts := func(needs ...pulumi.Resource) []pulumi.ResourceOption {
		return objects.Options(b.Monitoring, a.provider, a.identity, pulumi.DependsOn(slices.Concat(a.needs, needs)))
	}
	meta := metav1.ObjectMetaArgs{Name: pulumi.String(exporterName), Namespace: pulumi.String(accountsIn), Annotations: objects.Adopt()}
	account, err := corev1.NewServiceAccount(b.ctx, named("account"), &corev1.ServiceAccountArgs{
		Metadata: meta, AutomountServiceAccountToken: pulumi.Bool(false),
	}, opts()...)
	if err != nil {
		return none, err
	}
	for _, r := range a.roles {
		if err := b.grant(r, named, opts); err != nil {
			return none, err
		}
	}
	annotations := objects.Adopt()
	annotations["kubernetes.io/service-account.name"] = pulumi.String(exporterName)
	meta.Annotations = annotations
	// It is there when the API has filled it in.
	token, err := corev1.NewSecret(b.ctx, named("token"), &corev1.SecretArgs{
		Metadata: meta, Type: pulumi.String("kubernetes.io/service-account-token"),
	}, opts(account)...)
	if err != nil {
		return none, err
	}
	return pulumi.ToSecret(pulumi.All(a.server, token.Data).ApplyT(func(v []any) (string, error) {
		return kubeconfig(a.name, v[0].(string), v[1].(map[string]string))
	})).(pulumi.StringOutput), nil
}

// kubeconfig is that of an account, with what its Secret has. It never quotes that in
// errors.
func kubeconfig(name, server string, secret map[string]string) (string, error) {
	text := map[string]string{}
	for _, key := range []string{"ca.crt", "token"} {
		value, err := base64.StdEncoding.DecodeString(secret[key])
		if err != nil || len(value) == 0 {
			return "", fmt.Errorf("the Secret %s/%s: expected %s, found none: does the controller manager run?", accountsIn, exporterName, key)
		}
		text[key] = string(value)
	}
	return clouds.NewKubeconfig(name, server, text["ca.crt"], clouds.Credentials{Token: text["token"]})
}

// grant gives the account a role. Its name is not that of view-role.yaml, which is for
// others.
func (b *builder) grant(r role, named func(string) string, opts func(...pulumi.Resource) []pulumi.ResourceOption) error {
	const group = "rbac.authorization.k8s.io"
	name := strings.Replace(r.Metadata.Name, "hybrid-view", exporterName, 1)
	meta := metav1.ObjectMetaArgs{Name: pulumi.String(name), Annotations: objects.Adopt()}
	var rules rbacv1.PolicyRuleArray
	for _, x := range r.Rules {
		one := rbacv1.PolicyRuleArgs{
			ApiGroups: pulumi.ToStringArray(x.APIGroups), Resources: pulumi.ToStringArray(x.Resources), Verbs: pulumi.ToStringArray(x.Verbs),
		}
		if len(x.ResourceNames) > 0 {
			one.ResourceNames = pulumi.ToStringArray(x.ResourceNames)
		}
		rules = append(rules, one)
	}
	ref := rbacv1.RoleRefArgs{ApiGroup: pulumi.String(group), Kind: pulumi.String(r.Kind), Name: pulumi.String(name)}
	subjects := rbacv1.SubjectArray{rbacv1.SubjectArgs{
		Kind: pulumi.String("ServiceAccount"), Name: pulumi.String(exporterName), Namespace: pulumi.String(accountsIn),
	}}
	roleName, bindingName := named("role-"+name), named("binding-"+name)
	if r.Metadata.Namespace == "" {
		made, err := rbacv1.NewClusterRole(b.ctx, roleName, &rbacv1.ClusterRoleArgs{Metadata: meta, Rules: rules}, opts()...)
		if err == nil {
			_, err = rbacv1.NewClusterRoleBinding(b.ctx, bindingName, &rbacv1.ClusterRoleBindingArgs{Metadata: meta, RoleRef: ref, Subjects: subjects}, opts(made)...)
		}
		return err
	}
	meta.Namespace = pulumi.String(r.Metadata.Namespace)
	made, err := rbacv1.NewRole(b.ctx, roleName, &rbacv1.RoleArgs{Metadata: meta, Rules: rules}, opts()...)
	if err == nil {
		_, err = rbacv1.NewRoleBinding(b.ctx, bindingName, &rbacv1.RoleBindingArgs{Metadata: meta, RoleRef: ref, Subjects: subjects}, opts(made)...)
	}
	return err
}
