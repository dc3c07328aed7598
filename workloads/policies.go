package workloads

import (
	"maps"
	"slices"

	"hybrid/workloads/topology"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// selector is an object that a policy is about.
type selector struct{ apiVersion, kind, name string }

// policy places objects in clusters. With weights, replicas are divided by them;
// otherwise each cluster gets the object as it is.
//
// Weights are the numbers of replicas themselves, and their sum is what is divided:
// so the division is exact. A change of weights makes Karmada divide again, and the
// clusters' ReplicaSets are scaled: nothing is replaced.
func (b *builder) policy(name string, selectors []selector, clusters []string, weights map[string]int) (pulumi.Resource, error) {
	var about []any
	for _, s := range selectors {
		about = append(about, map[string]any{"apiVersion": s.apiVersion, "kind": s.kind, "name": s.name, "namespace": topology.Namespace})
	}
	placement := map[string]any{"clusterAffinity": affinity(clusters)}
	if weights != nil {
		var list []any
		for _, cluster := range clusters {
			list = append(list, map[string]any{"targetCluster": affinity([]string{cluster}), "weight": weights[cluster]})
		}
		placement["replicaScheduling"] = map[string]any{
			"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
			"weightPreference": map[string]any{"staticWeightList": list},
		}
	}
	return b.custom(name+"-policy", "policy.karmada.io/v1alpha1", "PropagationPolicy", name, map[string]any{
		"resourceSelectors": about, "placement": placement,
		// A federation that is created again adopts what runs already.
		"conflictResolution": "Overwrite",
	})
}

// placed are the clusters with replicas.
func placed(placement map[string]int) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(placement)), func(name string) bool { return placement[name] == 0 })
}

func affinity(clusters []string) map[string]any {
	return map[string]any{"clusterNames": list(clusters)}
}

func list(names []string) []any {
	all := []any{}
	for _, n := range names {
		all = append(all, n)
	}
	return all
}

// everywhere makes a service's name lead to its pods from every cluster. Karmada
// puts the service itself there too: it needs no policy.
func (b *builder) everywhere(name string, providers []string, service pulumi.Resource) (pulumi.Resource, error) {
	clusters := func(names []string) (all []any) {
		for _, n := range names {
			all = append(all, map[string]any{"name": n})
		}
		return all
	}
	return b.custom(name+"-everywhere", "networking.karmada.io/v1alpha1", "MultiClusterService", name, map[string]any{
		"types":            []any{"CrossCluster"},
		"providerClusters": clusters(providers), "consumerClusters": clusters(b.names()),
	}, pulumi.DependsOn([]pulumi.Resource{service}))
}

func (b *builder) custom(resource, apiVersion, kind, name string, spec map[string]any, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	return apiextensions.NewCustomResource(b.ctx, b.named(resource), &apiextensions.CustomResourceArgs{
		ApiVersion: pulumi.String(apiVersion), Kind: pulumi.String(kind), Metadata: metadata(name),
		OtherFields: kubernetes.UntypedArgs{"spec": spec},
	}, b.federated(opts...)...)
}
