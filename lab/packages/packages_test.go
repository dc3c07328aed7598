package packages

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
)

func kubernetes(t *testing.T, version, program string) Kubernetes {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kube")
	if err := os.WriteFile(path, []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	return Kubernetes{version, path}
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What apt checks: the signature by the key, the list by the signed release, and the
// packages by the list.
func TestRepositoryIsSigned(t *testing.T) {
	dir, k := t.TempDir(), kubernetes(t, "v1.35.4", "program")
	if err := Build(dir, []Kubernetes{k}, func(string) {}); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "core:", "stable:", "v1.35", "deb")
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(read(t, root, "Release.key")))
	if err != nil || len(keys) != 1 || keys[0].PrivateKey != nil {
		t.Fatalf("found the keys %v, %v; want one, without its private half", keys, err)
	}
	signed, rest := clearsign.Decode(read(t, root, "InRelease"))
	if signed == nil || len(rest) > 0 {
		t.Fatalf("InRelease is no signed text, or has %q behind it", rest)
	}
	if _, err := signed.VerifySignature(keys, nil); err != nil {
		t.Error(err)
	}
	if got, want := strings.TrimSpace(string(signed.Plaintext)), strings.TrimSpace(string(read(t, root, "Release"))); got != want {
		t.Errorf("what is signed is\n%s\nRelease is\n%s", got, want)
	}
	list := read(t, root, "Packages")
	if want := fmt.Sprintf(" %x %d Packages\n", sha256.Sum256(list), len(list)); !strings.Contains(string(read(t, root, "Release")), want) {
		t.Errorf("Release has no line %q", want)
	}
	var names []string
	for paragraph := range strings.SplitSeq(strings.TrimSpace(string(list)), "\n\n") {
		field := func(name string) string {
			m := regexp.MustCompile("(?m)^" + name + ": (.*)$").FindStringSubmatch(paragraph)
			if m == nil {
				t.Fatalf("no %s in\n%s", name, paragraph)
			}
			return m[1]
		}
		if v := field("Version"); v != "1.35.4-"+revision {
			t.Errorf("%s has version %s: prepare.sh installs 1.35.4-*", field("Package"), v)
		}
		deb := read(t, root, field("Filename"))
		if got := fmt.Sprintf("%x %d", sha256.Sum256(deb), len(deb)); got != field("SHA256")+" "+field("Size") {
			t.Errorf("%s is %s, the list says %s %s", field("Filename"), got, field("SHA256"), field("Size"))
		}
		names = append(names, field("Package"))
	}
	if want := []string{"kube-1.35.4", "kubeadm", "kubectl", "kubelet"}; !slices.Equal(names, want) {
		t.Errorf("packages %q, want %q", names, want)
	}
	if paths, err := Files(dir, k); err != nil || len(paths) != len(names) {
		t.Errorf("files %q, %v; want %d", paths, err, len(names))
	}
}

// While kubeadm is newer than the kubelet, both programs are there, and nothing of one
// package is in another.
func TestVersionsAreInstalledBesideEachOther(t *testing.T) {
	owner := map[string]string{}
	for _, k := range []Kubernetes{{"v1.35.4", "kube"}, {"v1.36.5", "kube"}} {
		for _, p := range k.packages("files") {
			for _, c := range p.Contents {
				if was, ok := owner[c.Destination]; ok && was != p.Name {
					t.Errorf("%s is in %s and in %s", c.Destination, was, p.Name)
				}
				owner[c.Destination] = p.Name
			}
			if !strings.HasPrefix(p.Name, "kube-") && !slices.Contains(p.Depends, "kube-"+strings.TrimPrefix(k.Version, "v")) {
				t.Errorf("%s %s depends on %q: it lacks its program", p.Name, k.Version, p.Depends)
			}
		}
	}
}

func TestBuildMakesOnlyWhatChanged(t *testing.T) {
	dir := t.TempDir()
	one, two := kubernetes(t, "v1.35.4", "one"), kubernetes(t, "v1.36.5", "two")
	build := func(all ...Kubernetes) (said int) {
		t.Helper()
		if err := Build(dir, all, func(string) { said++ }); err != nil {
			t.Fatal(err)
		}
		return said
	}
	files := func(k Kubernetes) []string {
		t.Helper()
		paths, err := Files(dir, k)
		if err != nil {
			t.Fatal(err)
		}
		return paths
	}
	if n := build(one, two); n != 2 || len(files(two)) == 0 {
		t.Errorf("at first: made %d, want 2", n)
	}
	first := read(t, files(one)[0])
	if n := build(one); n != 0 || len(files(one)) == 0 || len(files(two)) > 0 {
		t.Errorf("without the second: made %d; %q is left of the first, %q of the second", n, files(one), files(two))
	}
	// The same program makes the same package, whenever it was built.
	same := kubernetes(t, "v1.35.4", "one")
	if n := build(same); n != 1 || !bytes.Equal(read(t, files(same)[0]), first) {
		t.Errorf("the same program, built again: made %d; want another repository with the same packages", n)
	}
	if n := build(kubernetes(t, "v1.35.4", "other")); n != 1 || bytes.Equal(read(t, files(one)[0]), first) {
		t.Errorf("another program: made %d, want other packages", n)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "part-*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %q, %v", left, err)
	}
}
