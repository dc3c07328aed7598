package clouds

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Leave is all that remains of a cluster that its user has declared lost: its
// Kubernetes provider, under the name that it had. What the state has in the cluster
// is deleted by it, and it takes all that for gone without asking: its kubeconfig
// leads nowhere. The cluster's machines and all else go as if it were not in the
// settings.
func Leave(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) error {
	c := &Cluster{Name: name, Lost: true}
	if err := ctx.RegisterComponentResource("hybrid:clouds:Cluster", name, c, opts...); err != nil {
		return fmt.Errorf("cluster %q, which is lost: %w", name, err)
	}
	kubeconfig, err := writeKubeconfig(kubeconfig{CurrentContext: name})
	if err == nil {
		// Without a ClusterIdentifier and without a cluster in its kubeconfig: neither
		// counts as another cluster, for which the provider would be replaced, and
		// then the former one would be asked.
		_, err = kubernetes.NewProvider(ctx, name+"-kubernetes", &kubernetes.ProviderArgs{
			Kubeconfig: pulumi.String(kubeconfig), DeleteUnreachable: pulumi.Bool(true),
			EnableServerSideApply: pulumi.Bool(true), EnableConfigMapMutable: pulumi.Bool(true), EnableSecretMutable: pulumi.Bool(true),
		}, pulumi.Parent(c))
	}
	if err != nil {
		return fmt.Errorf("cluster %q, which is lost: %w", name, err)
	}
	return ctx.RegisterResourceOutputs(c, pulumi.Map{})
}
