// Package objects has what all objects in a Kubernetes API have in common.
package objects

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Adopt are annotations that let Pulumi create what is there already: objects of a
// cluster that had been declared lost, and is there after all. See
// https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/.
func Adopt() pulumi.StringMap {
	return pulumi.StringMap{"pulumi.com/patchForce": pulumi.String("true")}
}

// AdoptAndGo are those of objects that aren't waited for.
func AdoptAndGo() pulumi.StringMap {
	all := Adopt()
	all["pulumi.com/skipAwait"] = pulumi.String("true")
	return all
}

// Options are those of each object in an API: a child of parent, made by provider. With
// identity, which stands for the API's life, it needs no deletion of its own.
func Options(parent pulumi.Resource, provider *kubernetes.Provider, identity pulumi.Resource, more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return append([]pulumi.ResourceOption{
		pulumi.Parent(parent), pulumi.Provider(provider), pulumi.DeletedWith(identity),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "5m", Update: "5m", Delete: "5m"}),
	}, more...)
}

// Version is an object's resource version; "" as long as it has none.
func Version(v pulumi.StringPtrOutput) pulumi.StringOutput {
	return v.ApplyT(func(v *string) string {
		if v == nil {
			return ""
		}
		return *v
	}).(pulumi.StringOutput)
}
