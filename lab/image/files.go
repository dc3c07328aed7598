package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The build contexts.
var (
	//go:embed all:context
	machine embed.FS
	//go:embed database
	database embed.FS
)

// file is one of the build's inputs.
type file struct {
	name string // in the build context
	mode int64
	open func() (io.ReadCloser, int64, error)
}

type files []file

// Inputs are the programs that the image has beside Debian's packages.
type Inputs struct {
	Packages   []string // paths of Kubernetes' packages
	Containerd string   // path of containerd
	Shim       string   // path of containerd-shim-runc-v2, of the same version
	Ctr        string   // path of ctr, containerd's client, of the same version
}

// inputs are all that the machines' image is made of: its build context and programs.
func inputs(in Inputs) (files, error) {
	all, err := contextOf(machine, "context")
	if err != nil {
		return nil, err
	}
	for name, path := range map[string]string{"containerd": in.Containerd, "containerd-shim-runc-v2": in.Shim, "ctr": in.Ctr} {
		all = append(all, file{name, 0o755, func() (io.ReadCloser, int64, error) { return openFile(path) }})
	}
	if len(in.Packages) == 0 {
		return nil, errors.New("expected packages of Kubernetes, found none")
	}
	for _, path := range in.Packages {
		all = append(all, file{"packages/" + filepath.Base(path), 0o644, func() (io.ReadCloser, int64, error) { return openFile(path) }})
	}
	slices.SortFunc(all, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// contextOf are the files of an embedded build context.
func contextOf(from embed.FS, folder string) (files, error) {
	sub, err := fs.Sub(from, folder)
	if err != nil {
		return nil, err
	}
	var all files
	err = fs.WalkDir(sub, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(sub, path)
		if err != nil {
			return err
		}
		mode := int64(0o644) // embedding loses the mode
		if bytes.HasPrefix(text, []byte("#!")) {
			mode = 0o755
		}
		all = append(all, file{path, mode, func() (io.ReadCloser, int64, error) {
			return io.NopCloser(bytes.NewReader(text)), int64(len(text)), nil
		}})
		return nil
	})
	return all, err
}

func openFile(path string) (io.ReadCloser, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// digest is short enough for a tag and long enough for one host's images.
func (all files) digest() (string, error) {
	hash := sha256.New()
	for _, f := range all {
		r, size, err := f.open()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%q %o %d\n", f.name, f.mode, size)
		_, err = io.Copy(hash, r)
		r.Close()
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(hash.Sum(nil))[:12], nil
}

// tar streams the inputs. Times are zero, so that Docker's cache of layers goes
// by the contents.
func (all files) tar() io.ReadCloser {
	r, w := io.Pipe()
	go func() { w.CloseWithError(all.writeTar(w)) }()
	return r
}

func (all files) writeTar(w io.Writer) error {
	archive := tar.NewWriter(w)
	for _, f := range all {
		r, size, err := f.open()
		if err != nil {
			return err
		}
		err = archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: size})
		if err == nil {
			_, err = io.Copy(archive, r)
		}
		r.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return archive.Close()
}
