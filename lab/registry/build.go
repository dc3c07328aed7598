// Package registry makes the container images that the lab serves, from programs
// built on this host, under the names that they have upstream.
package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"hybrid/lab/registry/store"

	"github.com/docker/docker/client"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Build makes the images, and puts the servers' programs beside them, in store.Dir. Only what
// changed is made again. A registry that runs serves the new images at once.
// progress receives one line at a time.
func Build(ctx context.Context, cli *client.Client, in Inputs, progress func(line string)) error {
	dir, err := store.Dir()
	if err != nil {
		return err
	}
	programs := map[string]string{store.Server: in.Server, store.NameServer: in.CoreDNS, store.S3: in.S3}
	return build(ctx, cli, dir, images(in), programs, progress)
}

func build(ctx context.Context, cli *client.Client, dir string, images []Image, programs map[string]string, progress func(string)) error {
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return err
	}
	layers, err := openLayers(dir)
	if err != nil {
		return err
	}
	folder, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	var index v1.ImageIndex = mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, i := range images {
		made, err := assemble(ctx, cli, layers, i, progress)
		if err != nil {
			return fmt.Errorf("image %s: %w", i.Name, err)
		}
		if err := folder.WriteImage(made); err != nil {
			return fmt.Errorf("image %s: %w", i.Name, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: made, Descriptor: v1.Descriptor{
			Annotations: map[string]string{store.NameAnnotation: i.Name},
			Platform:    &v1.Platform{OS: "linux", Architecture: "amd64"},
		}})
	}
	text, err := index.RawManifest()
	if err != nil {
		return err
	}
	if err := replace(filepath.Join(dir, "index.json"), 0o644, text); err != nil {
		return err
	}
	for name, program := range programs {
		if err := install(program, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return errors.Join(layers.save(), collect(dir, index))
}

func assemble(ctx context.Context, cli *client.Client, layers *layers, i Image, progress func(string)) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, l := range i.Layers {
		layer, err := layers.get(ctx, cli, l, func() { progress("making a layer of " + i.Name) })
		if err != nil {
			return nil, err
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			return nil, err
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Config = "linux", "amd64", i.Config
	return mutate.ConfigFile(img, config)
}

// replace writes a file as a whole or not at all, also for those who read it now.
func replace(path string, mode fs.FileMode, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// install copies a program with its time, unless it is there already. Who runs it can
// tell by the time whether it is another one.
func install(from, to string) error {
	source, err := os.Stat(from)
	if err != nil {
		return err
	}
	if there, err := os.Stat(to); err == nil && there.ModTime().Equal(source.ModTime()) && there.Size() == source.Size() {
		return nil
	}
	program, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := replace(to, 0o755, program); err != nil {
		return err
	}
	// Last: a copy that was killed before is made again.
	return os.Chtimes(to, source.ModTime(), source.ModTime())
}

// collect removes the blobs that no image refers to.
func collect(dir string, index v1.ImageIndex) error {
	used := map[string]bool{}
	manifests, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range manifests.Manifests {
		used[d.Digest.Hex] = true
		text, err := os.ReadFile(filepath.Join(dir, "blobs", d.Digest.Algorithm, d.Digest.Hex))
		if err != nil {
			return err
		}
		var manifest v1.Manifest
		if err := json.Unmarshal(text, &manifest); err != nil {
			return err
		}
		used[manifest.Config.Digest.Hex] = true
		for _, l := range manifest.Layers {
			used[l.Digest.Hex] = true
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !used[e.Name()] {
			errs = append(errs, os.Remove(filepath.Join(dir, "blobs", "sha256", e.Name())))
		}
	}
	return errors.Join(errs...)
}
