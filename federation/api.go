package federation

import (
	"slices"

	"hybrid/internal/objects"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	// systemNamespace is where Karmada's programs elect their leaders and look for
	// their servers. Karmada knows it by name.
	systemNamespace = "karmada-system"
	// clusterNamespace has what is secret about members; in members, the accounts
	// that the federation uses there.
	clusterNamespace = "karmada-cluster"
)

// karmadaLabels mark what is Karmada's own, and so is not placed in members.
var karmadaLabels = pulumi.StringMap{"karmada.io/system": pulumi.String("true")}

// object makes an object of a kind that there is no type for.
func (b *builder) object(resource, apiVersion, kind, name string, fields kubernetes.UntypedArgs, opts ...pulumi.ResourceOption) (*apiextensions.CustomResource, error) {
	return apiextensions.NewCustomResource(b.ctx, b.named(resource), &apiextensions.CustomResourceArgs{
		ApiVersion: pulumi.String(apiVersion), Kind: pulumi.String(kind),
		Metadata:    metav1.ObjectMetaArgs{Name: pulumi.String(name), Annotations: objects.Adopt()},
		OtherFields: fields,
	}, b.inFederation(opts...)...)
}

// objects are what Karmada needs in the federation's API.
func (b *builder) objects() ([]pulumi.Resource, error) {
	var all []pulumi.Resource
	for _, name := range []string{systemNamespace, clusterNamespace} {
		n, err := corev1.NewNamespace(b.ctx, b.named(name), &corev1.NamespaceArgs{
			Metadata: metav1.ObjectMetaArgs{Name: pulumi.String(name), Annotations: objects.Adopt(), Labels: karmadaLabels},
		}, b.inFederation()...)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	registered, err := b.registration(slices.Clone(all))
	if err != nil {
		return nil, err
	}
	all = append(all, registered...)
	for _, make := range []func() ([]pulumi.Resource, error){b.kinds, b.webhookConfigurations, b.roles} {
		made, err := make()
		if err != nil {
			return nil, err
		}
		all = append(all, made...)
	}
	return all, nil
}

// converted are the kinds that there are in two versions, with the webhook between
// them.
var converted = []string{"resourcebindings.work.karmada.io", "clusterresourcebindings.work.karmada.io"}

// kinds are Karmada's.
func (b *builder) kinds() ([]pulumi.Resource, error) {
	found, err := definitions()
	if err != nil {
		return nil, err
	}
	var all []pulumi.Resource
	for _, d := range found {
		if slices.Contains(converted, d.Name) {
			d.Spec["conversion"] = pulumi.Map{
				"strategy": pulumi.String("Webhook"),
				"webhook": pulumi.Map{
					"clientConfig": pulumi.Map{
						"url":      pulumi.String(webhookURL + "convert"),
						"caBundle": bundle(b.pki.authority.Cert),
					},
					"conversionReviewVersions": pulumi.ToStringArray([]string{"v1"}),
				},
			}
		}
		annotations := objects.Adopt()
		for key, value := range d.Annotations {
			annotations[key] = pulumi.String(value)
		}
		made, err := apiextensions.NewCustomResource(b.ctx, b.named("kind-"+d.Name), &apiextensions.CustomResourceArgs{
			ApiVersion: pulumi.String("apiextensions.k8s.io/v1"), Kind: pulumi.String("CustomResourceDefinition"),
			Metadata:    metav1.ObjectMetaArgs{Name: pulumi.String(d.Name), Annotations: annotations},
			OtherFields: kubernetes.UntypedArgs{"spec": d.Spec},
		}, b.inFederation()...)
		if err != nil {
			return nil, err
		}
		all = append(all, made)
	}
	return all, nil
}

// registration passes all that is about clusters on to Karmada's own server. The
// API server looks for that in its own objects, where it must be known by another
// name.
func (b *builder) registration(needs []pulumi.Resource) ([]pulumi.Resource, error) {
	service, err := corev1.NewService(b.ctx, b.named("aggregated-alias"), &corev1.ServiceArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(aggregatedName), Namespace: pulumi.String(systemNamespace), Annotations: objects.AdoptAndGo(),
		},
		Spec: corev1.ServiceSpecArgs{
			Type: pulumi.String("ExternalName"), ExternalName: pulumi.String(aggregatedName + "." + Namespace + ".svc.cluster.local"),
		},
	}, b.inFederation(pulumi.DependsOn(needs))...)
	if err != nil {
		return nil, err
	}
	registered, err := b.object("cluster-api", "apiregistration.k8s.io/v1", "APIService", "v1alpha1.cluster.karmada.io", kubernetes.UntypedArgs{
		"spec": pulumi.Map{
			"group": pulumi.String("cluster.karmada.io"), "version": pulumi.String("v1alpha1"),
			"groupPriorityMinimum": pulumi.Int(2000), "versionPriority": pulumi.Int(10),
			"caBundle": bundle(b.pki.authority.Cert),
			"service": pulumi.Map{
				"name": pulumi.String(aggregatedName), "namespace": pulumi.String(systemNamespace), "port": pulumi.Int(443),
			},
		},
	}, pulumi.DependsOn([]pulumi.Resource{service}))
	return []pulumi.Resource{service, registered}, err
}

// ready makes Ready.
func (b *builder) ready(programs []running) error {
	var needs []pulumi.Resource
	var generations pulumi.Array
	for _, p := range programs {
		needs = append(needs, p.deployment)
		generations = append(generations, p.generation)
	}
	s, err := b.script("ready", "10m", pulumi.StringMap{"GENERATIONS": pulumi.Sprintf("%v", generations)})
	if err != nil {
		return err
	}
	b.Ready, err = b.args.Host.Run(b.ctx, b.named("ready"), b.args.Host.ControlPlane(), s, pulumi.Parent(b.Federation), pulumi.DependsOn(needs))
	return err
}
