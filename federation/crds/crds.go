// Package crds holds the definitions of Karmada's custom resources. They are made
// from Karmada's Go API types, so that they are those of the pinned version and
// nothing is downloaded when the federation is created.
package crds

import (
	"embed"
	"fmt"
	"io/fs"

	"go.yaml.in/yaml/v3"
)

//go:generate go -C ../../lab/upstream/karmada run ./crds ../../../federation/crds

//go:embed *.yaml
var files embed.FS

// CRD is a CustomResourceDefinition of apiextensions.k8s.io/v1.
type CRD struct {
	Name        string            // such as works.work.karmada.io
	Annotations map[string]string // those of its metadata
	Spec        map[string]any    // as in JSON; the caller's own
}

// All returns the definitions in the order of their names. The conversion webhook
// of ResourceBinding and ClusterResourceBinding isn't in them: its certificate is
// each federation's own.
func All() ([]CRD, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, err
	}
	var all []CRD
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var object struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
			Metadata   struct {
				Name        string
				Annotations map[string]string
			}
			Spec map[string]any
		}
		if err := yaml.Unmarshal(text, &object); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if object.APIVersion != APIVersion || object.Kind != Kind {
			return nil, fmt.Errorf("%s: want a %s of %s, found a %s of %s", name, Kind, APIVersion, object.Kind, object.APIVersion)
		}
		all = append(all, CRD{Name: object.Metadata.Name, Annotations: object.Metadata.Annotations, Spec: object.Spec})
	}
	return all, nil
}

// APIVersion and Kind are those of every definition.
const (
	APIVersion = "apiextensions.k8s.io/v1"
	Kind       = "CustomResourceDefinition"
)
