// Command pulumi-resource-kubernetes is the official Pulumi Kubernetes
// provider, linked from its Go module. Its own main package can't be built from
// there: what it embeds is generated and not part of the module. The lab copies
// this folder and the module's two JSON files together and builds the copy.
package main

import (
	"bytes"
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var mapping []byte

func main() {
	// The published schema is the module's with the version added.
	name := []byte(`"name": "kubernetes",`)
	versioned := append(bytes.Clone(name), `"version": "`+version.Version+`",`...)
	provider.Serve("kubernetes", version.Version, bytes.Replace(schema, name, versioned, 1), mapping)
}
