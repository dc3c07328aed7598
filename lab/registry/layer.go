package registry

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"hybrid/lab/image"

	"github.com/docker/docker/client"
)

// Layer is a part of an image's file system.
type Layer interface {
	// key changes when the layer's contents do.
	key() (string, error)
	write(ctx context.Context, cli *client.Client, w *tar.Writer) error
}

// Binary is one executable file of the host, and the names that it also goes by.
type Binary struct {
	Path   string   // in the image
	Source string   // on the host
	Links  []string // further names in Path's folder
}

func (b Binary) key() (string, error) {
	f, err := os.Open(b.Source)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("binary %s %q %s", b.Path, b.Links, hex.EncodeToString(hash.Sum(nil))), nil
}

func (b Binary) write(_ context.Context, _ *client.Client, w *tar.Writer) error {
	f, err := os.Open(b.Source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(b.Path, "/")
	for i, c := range name { // its folders, the outermost first
		if c == '/' {
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name[:i+1], Mode: 0o755}); err != nil {
				return err
			}
		}
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(w, f); err != nil {
		return err
	}
	for _, link := range b.Links {
		header := &tar.Header{Typeflag: tar.TypeSymlink, Name: path.Join(path.Dir(name), link), Linkname: path.Base(name), Mode: 0o777}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
	}
	return nil
}

// Programs are programs of a Docker image with the libraries that they need. A name
// with a slash is a file or folder, which is taken as it is.
type Programs struct {
	Image string // reference; it changes when the image does
	Names []string
}

func (p Programs) key() (string, error) { return fmt.Sprintf("programs %s %q", p.Image, p.Names), nil }

func (p Programs) write(ctx context.Context, cli *client.Client, w *tar.Writer) error {
	files, err := image.Programs(ctx, cli, p.Image, p.Names)
	if err != nil {
		return err
	}
	defer files.Close()
	for r := tar.NewReader(files); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		// The same programs shall make the same layer.
		header.ModTime, header.AccessTime, header.ChangeTime = time.Time{}, time.Time{}, time.Time{}
		header.Uname, header.Gname, header.PAXRecords, header.Format = "", "", nil, tar.FormatUnknown
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
	}
}
