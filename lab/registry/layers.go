package registry

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/docker/docker/client"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layers are those that are made already, by their keys.
type layers struct {
	dir  string
	made map[string]string // key → digest
	used map[string]string
}

func openLayers(dir string) (*layers, error) {
	l := &layers{dir: dir, made: map[string]string{}, used: map[string]string{}}
	text, err := os.ReadFile(l.file())
	if errors.Is(err, os.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	return l, json.Unmarshal(text, &l.made)
}

func (l *layers) file() string { return filepath.Join(l.dir, "layers.json") }

func (l *layers) blob(digest string) string { return filepath.Join(l.dir, "blobs", "sha256", digest) }

// save forgets the layers that weren't asked for.
func (l *layers) save() error {
	text, err := json.MarshalIndent(l.used, "", "  ")
	if err != nil {
		return err
	}
	return replace(l.file(), 0o644, text)
}

// get makes a layer unless it is there; making is called before.
func (l *layers) get(ctx context.Context, cli *client.Client, what Layer, making func()) (v1.Layer, error) {
	key, err := what.key()
	if err != nil {
		return nil, err
	}
	digest, ok := l.made[key]
	if ok {
		_, err = os.Stat(l.blob(digest))
	}
	if !ok || err != nil {
		making()
		if digest, err = l.make(ctx, cli, what); err != nil {
			return nil, err
		}
	}
	l.made[key], l.used[key] = digest, digest
	info, err := os.Stat(l.blob(digest))
	if err != nil {
		return nil, err
	}
	return blobLayer{l.blob(digest), v1.Hash{Algorithm: "sha256", Hex: digest}, info.Size()}, nil
}

// make writes a layer to its blob and returns the digest.
func (l *layers) make(ctx context.Context, cli *client.Client, what Layer) (digest string, err error) {
	f, err := os.CreateTemp(filepath.Join(l.dir, "blobs"), ".layer-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name()) // gone by then, if all is well
	defer f.Close()
	hash := sha256.New()
	w := tar.NewWriter(io.MultiWriter(f, hash))
	if err := what.write(ctx, cli, w); err != nil {
		return "", err
	}
	if err := errors.Join(w.Close(), f.Chmod(0o644), f.Close()); err != nil {
		return "", err
	}
	digest = hex.EncodeToString(hash.Sum(nil))
	return digest, os.Rename(f.Name(), l.blob(digest))
}

// blobLayer is a layer that stands uncompressed in its blob: machines on the same
// host have nothing to gain from fewer bytes, and cores to lose.
type blobLayer struct {
	path string
	hash v1.Hash
	size int64
}

func (b blobLayer) Digest() (v1.Hash, error)             { return b.hash, nil }
func (b blobLayer) DiffID() (v1.Hash, error)             { return b.hash, nil }
func (b blobLayer) Compressed() (io.ReadCloser, error)   { return os.Open(b.path) }
func (b blobLayer) Uncompressed() (io.ReadCloser, error) { return os.Open(b.path) }
func (b blobLayer) Size() (int64, error)                 { return b.size, nil }
func (b blobLayer) MediaType() (types.MediaType, error)  { return types.OCIUncompressedLayer, nil }
