// Command crds writes the definitions of Karmada's custom resources, made from its
// Go API types, to the folder that it is given (see federation/crds).
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// apis is where Karmada's API types are, and groups those that are custom resources
// of the control plane. Karmada's others, cluster and search, have API servers of
// their own.
const apis = "github.com/karmada-io/karmada/pkg/apis/"

var groups = []string{"apps", "autoscaling", "config", "networking", "policy", "remedy", "work"}

// packages are all whose types are generated from.
func packages() []string {
	all := []string{mcs}
	for _, group := range groups {
		all = append(all, apis+group+"/...")
	}
	return all
}

// mcs are the types of the Kubernetes project's multi-cluster services, which
// Karmada's are built on.
const mcs = "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"

// unmarked are the resources of mcs, whose Go types carry no marks for what the
// project's own definitions have beside the schema. Without the subresource
// "status" Karmada couldn't report any.
var unmarked = map[string]struct {
	shortNames []string
	columns    []apiextensions.CustomResourceColumnDefinition
}{
	"serviceexports.multicluster.x-k8s.io": {shortNames: []string{"svcex"}},
	"serviceimports.multicluster.x-k8s.io": {
		shortNames: []string{"svcim"},
		columns: []apiextensions.CustomResourceColumnDefinition{
			{Name: "Type", Type: "string", JSONPath: ".spec.type"},
			{Name: "IP", Type: "string", JSONPath: ".spec.ips"},
		},
	},
}

const header = "# Made by `go generate ./federation/crds` from the Go types of Karmada: don't edit.\n"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: crds FOLDER")
		os.Exit(2)
	}
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "crds:", err)
		os.Exit(1)
	}
}

// generate replaces the definitions in a folder.
func generate(dir string) error {
	old, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range old { // those of types that are gone
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	// Without descriptions they are a third of the size: they are sent to an API
	// server and kept in the stack's state.
	args := []string{"tool", "controller-gen", "crd:maxDescLen=0", "output:crd:dir=" + dir}
	for _, p := range packages() {
		args = append(args, "paths="+p)
	}
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %q: %w", args, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := finish(file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// finish adds the header to a definition, and what its Go types don't tell.
func finish(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text = bytes.TrimPrefix(text, []byte("---\n"))
	var crd apiextensions.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &crd); err != nil {
		return err
	}
	if add, ok := unmarked[crd.Name]; ok {
		crd.Spec.Names.ShortNames = add.shortNames
		for i := range crd.Spec.Versions {
			v := &crd.Spec.Versions[i]
			v.Subresources = &apiextensions.CustomResourceSubresources{Status: &apiextensions.CustomResourceSubresourceStatus{}}
			v.AdditionalPrinterColumns = append(add.columns, apiextensions.CustomResourceColumnDefinition{
				Name: "Age", Type: "date", JSONPath: ".metadata.creationTimestamp",
			})
		}
		if text, err = marshal(crd); err != nil {
			return err
		}
	}
	return os.WriteFile(file, append([]byte(header), text...), 0o644)
}

// marshal leaves out the status, which is the API server's.
func marshal(crd apiextensions.CustomResourceDefinition) ([]byte, error) {
	text, err := json.Marshal(crd)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	delete(fields, "status")
	return yaml.Marshal(fields)
}
