// Package packages makes Kubernetes' packages for the lab's machines, and a signed apt
// repository of them for each minor version, as https://pkgs.k8s.io has them.
package packages

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	contents "github.com/goreleaser/nfpm/v2/files"
)

// revision is the packages' own, the part of their version behind Kubernetes'. Another one
// has them made again.
const revision = "1.1"

//go:embed files
var files embed.FS

// Kubernetes is one version.
type Kubernetes struct {
	Version string // exact, such as v1.35.4
	Program string // path of the multi-call binary that is kubeadm, kubelet and kubectl
}

// folder is where the repository of the version is in the tree of all. Its name is
// that of the URL, as on https://pkgs.k8s.io.
func (k Kubernetes) folder() string {
	minor := k.Version[:strings.LastIndex(k.Version, ".")]
	return filepath.Join("core:", "stable:", minor, "deb")
}

// pool is the folder of a repository that has the packages.
const pool = "amd64"

// Build makes the repositories of these versions in a folder, each unless it is there, and
// removes others. progress receives one line at a time.
func Build(dir string, all []Kubernetes, progress func(line string)) error {
	var wanted []string
	for _, k := range all {
		wanted = append(wanted, filepath.Join(dir, k.folder()))
		if err := k.build(dir, progress); err != nil {
			return fmt.Errorf("packages of Kubernetes %s: %w", k.Version, err)
		}
	}
	there, err := filepath.Glob(filepath.Join(dir, "core:", "stable:", "*", "deb"))
	for _, path := range there {
		if !slices.Contains(wanted, path) {
			err = errors.Join(err, os.RemoveAll(filepath.Dir(path)))
		}
	}
	return err
}

// Files are the paths of a version's packages.
func Files(dir string, k Kubernetes) ([]string, error) {
	return filepath.Glob(filepath.Join(dir, k.folder(), pool, "*.deb"))
}

// build makes a repository beside its place, and moves it there when it is whole.
func (k Kubernetes) build(dir string, progress func(string)) error {
	program, err := os.Stat(k.Program)
	if err != nil {
		return err
	}
	to := filepath.Join(dir, k.folder())
	stamp := fmt.Sprintf("%s-%s %d %s\n", k.Version, revision, program.Size(), program.ModTime().UTC().Format(time.RFC3339Nano))
	if made, err := os.ReadFile(filepath.Join(to, "stamp")); err == nil && string(made) == stamp {
		return nil
	}
	progress("making the packages of Kubernetes " + k.Version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	part, err := os.MkdirTemp(dir, "part-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(part)
	scripts, err := os.MkdirTemp(part, "scripts-")
	if err != nil {
		return err
	}
	if err := os.CopyFS(scripts, files); err != nil {
		return err
	}
	made := filepath.Join(part, "deb")
	if err := os.MkdirAll(filepath.Join(made, pool), 0o755); err != nil {
		return err
	}
	for _, p := range k.packages(filepath.Join(scripts, "files")) {
		if err := write(p, filepath.Join(made, pool)); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	if err := index(made, time.Now()); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(made, "stamp"), []byte(stamp), 0o644); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(to), os.MkdirAll(filepath.Dir(to), 0o755)); err != nil {
		return err
	}
	return os.Rename(made, to)
}

// packages are those of a version: kubeadm, kubelet and kubectl have what the official
// packages of these names have, but for the program. That is one for all, in a package whose
// name has its version: while kubeadm is newer than the kubelet, there are two of it.
func (k Kubernetes) packages(files string) []*nfpm.Info {
	plain := strings.TrimPrefix(k.Version, "v")
	program := "kube-" + plain
	describe := func(name, what string, depends []string, all ...*contents.Content) *nfpm.Info {
		return &nfpm.Info{
			Name: name, Arch: pool, Platform: "linux", Version: plain, Release: revision,
			Section: "admin", Maintainer: "The lab <lab@hybrid.test>", Description: what,
			// Always the same: the same program makes the same packages.
			MTime: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
			Overridables: nfpm.Overridables{
				Depends: depends, Contents: all,
				Deb: nfpm.Deb{Compression: "zstd"},
			},
			DisableGlobbing: true,
		}
	}
	file := func(source, destination string, mode fs.FileMode) *contents.Content {
		return &contents.Content{Source: source, Destination: destination, FileInfo: &contents.ContentFileInfo{Mode: mode}}
	}
	link := func(name string) *contents.Content {
		return &contents.Content{Source: "../lib/" + program + "/kube", Destination: "/usr/bin/" + name, Type: contents.TypeSymlink}
	}
	const units = "/usr/lib/systemd/system/"
	kubelet := describe("kubelet", "Node agent for Kubernetes clusters", []string{program, "iptables", "mount", "util-linux"},
		link("kubelet"), file(filepath.Join(files, "kubelet.service"), units+"kubelet.service", 0o644))
	kubelet.Scripts.PostInstall = filepath.Join(files, "kubelet.postinst")
	return []*nfpm.Info{
		describe(program, "Programs of Kubernetes "+plain+" in one file", nil, file(k.Program, "/usr/lib/"+program+"/kube", 0o755)),
		describe("kubeadm", "Command-line utility for creating a Kubernetes cluster", []string{program},
			link("kubeadm"), file(filepath.Join(files, "10-kubeadm.conf"), units+"kubelet.service.d/10-kubeadm.conf", 0o644)),
		kubelet,
		describe("kubectl", "Command-line utility for interacting with a Kubernetes cluster", []string{program}, link("kubectl")),
	}
}

func write(info *nfpm.Info, dir string) (err error) {
	info = nfpm.WithDefaults(info)
	f, err := os.Create(filepath.Join(dir, deb.Default.ConventionalFileName(info)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return deb.Default.Package(info, f)
}
