package registry

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	if err := writeFolders(w, name); err != nil {
		return err
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

// writeFolders writes the folders above a file, the outermost first.
func writeFolders(w *tar.Writer, name string) error {
	for i, c := range name {
		if c == '/' {
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name[:i+1], Mode: 0o755}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Scripts are executable files that come with this program.
type Scripts struct {
	Path  string // folder in the image that gets Files' folders and files
	Files fs.FS
}

func (s Scripts) key() (string, error) {
	hash := sha256.New()
	err := s.each(func(name string, text []byte) error {
		_, err := fmt.Fprintf(hash, "%q %q\n", name, text)
		return err
	})
	return "scripts " + hex.EncodeToString(hash.Sum(nil)), err
}

func (s Scripts) write(_ context.Context, _ *client.Client, w *tar.Writer) error {
	return s.each(func(name string, text []byte) error {
		if err := writeFolders(w, name); err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			return err
		}
		_, err := w.Write(text)
		return err
	})
}

// each calls with the files' names in the image.
func (s Scripts) each(call func(name string, text []byte) error) error {
	return fs.WalkDir(s.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(s.Files, name)
		if err != nil {
			return err
		}
		return call(strings.TrimPrefix(path.Join(s.Path, name), "/"), text)
	})
}

// Programs are programs of a Docker image with the libraries that they need. A name
// with a slash is a file or folder, which is taken as it is.
type Programs struct {
	Image string // reference; it changes when the image does
	Names []string
}

func (p Programs) key() (string, error) { return image.ProgramsKey(p.Image, p.Names), nil }

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
