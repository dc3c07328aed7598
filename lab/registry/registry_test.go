package registry

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	programs "hybrid/lab/build"
	"hybrid/lab/registry/store"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fixture is a folder with a program, and images made of it.
type fixture struct {
	*testing.T
	dir, program, server string
	images               []Image
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{T: t, dir: filepath.Join(t.TempDir(), "registry")}
	f.program = write(t, filepath.Join(t.TempDir(), "program"), "one")
	f.server = write(t, filepath.Join(t.TempDir(), "server"), "server")
	layer := Binary{Path: "/usr/local/bin/program", Source: f.program, Links: []string{"alias"}}
	f.images = []Image{
		{"registry.example/a/b:1", []Layer{layer}, v1.Config{Entrypoint: []string{"alias"}, Env: searchPath}},
		{"other.example/a/b:1", []Layer{layer, Binary{Path: "/x", Source: f.program}}, v1.Config{}},
	}
	return f
}

// build returns the layers that were made.
func (f *fixture) build() []string {
	f.Helper()
	var made []string
	if err := build(f.Context(), nil, f.dir, f.images, map[string]string{store.Server: f.server}, func(line string) { made = append(made, line) }); err != nil {
		f.Fatal(err)
	}
	return made
}

func (f *fixture) blobs() int {
	f.Helper()
	entries, err := os.ReadDir(filepath.Join(f.dir, "blobs", "sha256"))
	if err != nil {
		f.Fatal(err)
	}
	return len(entries)
}

func TestBuildMakesOnlyWhatChanged(t *testing.T) {
	f := newFixture(t)
	if made := f.build(); len(made) != 2 { // the images share one layer
		t.Errorf("at first: made %q, want two layers", made)
	}
	const all = 2 + 2 + 2 // layers, configurations, manifests
	if n := f.blobs(); n != all {
		t.Errorf("at first: got %d blobs, want %d", n, all)
	}
	if made := f.build(); len(made) != 0 {
		t.Errorf("nothing changed: made %q", made)
	}
	write(t, f.program, "two")
	if made := f.build(); len(made) != 2 {
		t.Errorf("the program changed: made %q, want two layers", made)
	}
	if n := f.blobs(); n != all { // the old ones are gone
		t.Errorf("the program changed: got %d blobs, want %d", n, all)
	}
	if err := os.RemoveAll(filepath.Join(f.dir, "blobs")); err != nil {
		t.Fatal(err)
	}
	if made := f.build(); len(made) != 2 {
		t.Errorf("the blobs are lost: made %q, want two layers", made)
	}
	if text, err := os.ReadFile(filepath.Join(f.dir, store.Server)); err != nil || string(text) != "server" {
		t.Errorf("the registry's program: got %q, %v", text, err)
	}
}

func TestScriptsAreExecutable(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	layer := Scripts{Path: "/opt", Files: fstest.MapFS{"tool/run": {Data: []byte("#!/bin/sh")}}}
	if err := errors.Join(layer.write(t.Context(), nil, w), w.Close()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o %d", h.Name, h.Mode, h.Size))
	}
	if want := []string{"opt/ 755 0", "opt/tool/ 755 0", "opt/tool/run 755 9"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestImagesCanBePulled(t *testing.T) {
	f := newFixture(t)
	f.build()
	server := httptest.NewServer(store.Handler(f.dir))
	defer server.Close()
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/a/b:1")
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(ref) // without ns: the first
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.OS != "linux" || config.Architecture != "amd64" || len(config.Config.Entrypoint) != 1 || len(config.RootFS.DiffIDs) != 1 {
		t.Errorf("configuration: got %+v", config)
	}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	r, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(text), "usr/local/bin/alias") {
		t.Errorf("layer: got %d bytes, %v, want a tar with the alias", len(text), err)
	}
}

// A program is copied when it is another one. Whether it is shows in its time.
func TestInstall(t *testing.T) {
	from, to := write(t, filepath.Join(t.TempDir(), "from"), "one"), filepath.Join(t.TempDir(), "to")
	built := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, c := range []struct {
		text, want string
		built      time.Time
	}{
		{"one", "one", built},
		{"two", "one", built}, // the same size and time: the same program
		{"two", "two", built.Add(time.Nanosecond)},
		{"three", "three", built},
	} {
		write(t, from, c.text)
		if err := os.Chtimes(from, c.built, c.built); err != nil {
			t.Fatal(err)
		}
		if err := install(from, to); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(to)
		if err != nil {
			t.Fatal(err)
		}
		if c.want == c.text && !info.ModTime().Equal(c.built) || string(got) != c.want || info.Mode().Perm() != 0o755 {
			t.Errorf("%s of %s: got %s of %s, mode %v", c.text, c.built, got, info.ModTime(), info.Mode())
		}
	}
}

// An image's tag must not promise another version than its program's.
func TestTagsAreThePinnedVersions(t *testing.T) {
	for _, test := range []struct{ dir, module, tag string }{
		{"kube", "k8s.io/kubernetes", Kubernetes},
		{"kube", "go.etcd.io/etcd/server/v3", "v" + strings.TrimSuffix(etcd, "-0")},
		{"coredns", "github.com/coredns/coredns", coreDNS},
		{"karmada", "github.com/karmada-io/karmada", Karmada},
	} {
		if version, err := programs.Version(filepath.Join("../upstream", test.dir), test.module); err != nil || version != test.tag {
			t.Errorf("%s in lab/upstream/%s is %s, %v; the image's tag says %s", test.module, test.dir, version, err, test.tag)
		}
	}
	for module, tag := range map[string]string{"k8s.io/kubernetes": NextKubernetes, "go.etcd.io/etcd/server/v3": "v" + strings.TrimSuffix(nextEtcd, "-0")} {
		if version, err := programs.Pinned("../upstream/kube/next.mod", module); err != nil || version != tag {
			t.Errorf("%s in lab/upstream/kube/next.mod is %s, %v; the image's tag says %s", module, version, err, tag)
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, i := range images(Inputs{NextKube: "kube"}) {
		if seen[i.Name] {
			t.Errorf("%s: two images have this name", i.Name)
		}
		seen[i.Name] = true
	}
	for _, name := range karmadaPrograms {
		if !seen["docker.io/karmada/"+name+":"+Karmada] {
			t.Errorf("%s has no image", name)
		}
	}
}

func TestHandler(t *testing.T) {
	f := newFixture(t)
	f.build()
	handler := store.Handler(f.dir)
	get := func(method, url string) *httptest.ResponseRecorder {
		r := httptest.NewRecorder()
		handler.ServeHTTP(r, httptest.NewRequest(method, url, nil))
		return r
	}
	first := get("GET", "/v2/a/b/manifests/1?ns=registry.example").Header().Get("Docker-Content-Digest")
	second := get("GET", "/v2/a/b/manifests/1?ns=other.example").Header().Get("Docker-Content-Digest")
	if first == second {
		t.Errorf("two registries' images: got %q twice", first)
	}
	for _, test := range []struct {
		method, url string
		status      int
		mediaType   string
	}{
		{"GET", "/v2/", http.StatusOK, ""},
		{"HEAD", "/v2/a/b/manifests/1?ns=registry.example", http.StatusOK, "application/vnd.oci.image.manifest.v1+json"},
		{"GET", "/v2/a/b/manifests/" + first, http.StatusOK, "application/vnd.oci.image.manifest.v1+json"},
		{"GET", "/v2/a/b/blobs/" + first, http.StatusOK, "application/octet-stream"},
		{"GET", "/v2/a/b/manifests/1?ns=none.example", http.StatusNotFound, "application/json"},
		{"GET", "/v2/a/b/manifests/2?ns=registry.example", http.StatusNotFound, "application/json"},
		{"GET", "/v2/a/b/blobs/sha256:" + strings.Repeat("0", 64), http.StatusNotFound, "application/json"},
		{"GET", "/v2/a/b/blobs/sha256:..%2f..%2findex.json", http.StatusNotFound, "application/json"},
		{"GET", "/v2/a/b/tags/list", http.StatusNotFound, "text/plain; charset=utf-8"},
		{"PUT", "/v2/a/b/manifests/1", http.StatusMethodNotAllowed, "text/plain; charset=utf-8"},
	} {
		r := get(test.method, test.url)
		if got := r.Header().Get("Content-Type"); r.Code != test.status || got != test.mediaType {
			t.Errorf("%s %s: got %d %q, want %d %q", test.method, test.url, r.Code, got, test.status, test.mediaType)
		}
	}
}

func TestKeysFollowTheInputs(t *testing.T) {
	dir := t.TempDir()
	one, two := write(t, filepath.Join(dir, "1"), "one"), write(t, filepath.Join(dir, "2"), "two")
	same := write(t, filepath.Join(dir, "3"), "one")
	keys := map[string]Layer{}
	for _, l := range []Layer{
		Binary{Path: "/a", Source: one}, Binary{Path: "/b", Source: one}, Binary{Path: "/a", Source: two},
		Binary{Path: "/a", Source: one, Links: []string{"c"}},
		Scripts{Path: "/a", Files: fstest.MapFS{"a": {Data: []byte("one")}}}, Scripts{Path: "/b", Files: fstest.MapFS{"a": {Data: []byte("one")}}},
		Scripts{Path: "/a", Files: fstest.MapFS{"b": {Data: []byte("one")}}}, Scripts{Path: "/a", Files: fstest.MapFS{"a": {Data: []byte("two")}}},
		Programs{Image: "i:1", Names: []string{"a", "b"}}, Programs{Image: "i:2", Names: []string{"a", "b"}}, Programs{Image: "i:1", Names: []string{"a b"}},
	} {
		key, err := l.key()
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := keys[key]; taken {
			t.Errorf("%+v and %+v have the same key %s", l, other, key)
		}
		keys[key] = l
	}
	key, err := Binary{Path: "/a", Source: same}.key()
	if err != nil || keys[key] == nil {
		t.Errorf("the same contents elsewhere: got another key %s, %v", key, err)
	}
	if _, err := (Binary{Path: "/a", Source: filepath.Join(dir, "none")}).key(); err == nil {
		t.Error("no such file: got a key")
	}
}
