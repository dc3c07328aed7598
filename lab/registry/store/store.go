// Package store is the folder of the lab's container images, an OCI image layout,
// and its face as a registry.
package store

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"hybrid/lab/system/paths"
)

// The programs within the folder: that of the registry, and of the name server and the S3
// server beside it.
const (
	Server     = "registry"
	NameServer = "coredns"
	S3         = "s3"
)

// NameAnnotation marks an image in the layout's index with its full name, such as
// docker.io/library/postgres:18 (OCI image specification, annotations).
const NameAnnotation = "org.opencontainers.image.ref.name"

// Dir is where the images are kept.
func Dir() (string, error) {
	cache, err := paths.Cache()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "registry"), nil
}

// Packages is the part of the folder that has Kubernetes' packages.
func Packages(dir string) string { return filepath.Join(dir, "packages") }

// descriptor is one image of the index (OCI image specification, index.json).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations"`
}

// lookup finds an image by its upstream registry, repository and tag. It reads the
// index each time, so that new images are served at once. An empty host means any.
func lookup(dir, host, repository, tag string) (*descriptor, error) {
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, err
	}
	var index struct {
		Manifests []descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "index.json"), err)
	}
	for _, d := range index.Manifests {
		name := d.Annotations[NameAnnotation]
		upstream, rest, _ := strings.Cut(name, "/")
		if rest == repository+":"+tag && (host == "" || host == upstream) {
			return &d, nil
		}
	}
	return nil, os.ErrNotExist
}

// blob is the path of a digest such as sha256:0123….
func blob(dir, digest string) (string, bool) {
	algorithm, hex, ok := strings.Cut(digest, ":")
	if !ok || algorithm != "sha256" || len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		return "", false
	}
	return filepath.Join(dir, "blobs", algorithm, hex), true
}
