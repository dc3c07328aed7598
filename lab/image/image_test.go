package image

import (
	"archive/tar"
	"embed"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDigestFollowsTheInputs(t *testing.T) {
	dir := t.TempDir()
	other := write(t, filepath.Join(dir, "containerd"), "another program")
	digest := func(text string) string {
		t.Helper()
		kube := write(t, filepath.Join(t.TempDir(), "kubeadm.deb"), text)
		files, err := inputs(Inputs{[]string{kube}, other, other, other})
		if err != nil {
			t.Fatal(err)
		}
		d, err := files.digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	one := digest("one")
	if same := digest("one"); same != one {
		t.Errorf("the same contents: got %s and %s", one, same)
	}
	if other := digest("two"); other == one {
		t.Errorf("other contents: got %s twice", one)
	}
	if files, err := inputs(Inputs{[]string{filepath.Join(dir, "none")}, other, other, other}); err == nil {
		if _, err = files.digest(); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("no such package: got %v, want %v", err, os.ErrNotExist)
		}
	}
	if _, err := inputs(Inputs{nil, other, other, other}); err == nil {
		t.Error("no packages at all: got no error")
	}
}

func TestTarHoldsTheInputs(t *testing.T) {
	dir := t.TempDir()
	program, deb := write(t, filepath.Join(dir, "program"), "binary"), write(t, filepath.Join(dir, "kubeadm.deb"), "package")
	files, err := inputs(Inputs{[]string{deb}, program, program, program})
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]int64{}
	stream := files.tar()
	defer stream.Close()
	for archive := tar.NewReader(stream); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		modes[header.Name] = header.Mode
	}
	for name, mode := range map[string]int64{
		"Dockerfile":                   0o644,
		"packages/kubeadm.deb":         0o644,
		"containerd":                   0o755,
		"containerd-shim-runc-v2":      0o755,
		"rootfs/usr/local/sbin/lab-vm": 0o755,
		"rootfs/etc/cloud/cloud.cfg":   0o644,
		"rootfs/etc/containerd/certs.d/_default/hosts.toml": 0o644,
	} {
		if modes[name] != mode {
			t.Errorf("%s: got mode %o, want %o", name, modes[name], mode)
		}
	}
}

func TestTheDockerfilesAgree(t *testing.T) {
	for name, c := range map[string]struct {
		from embed.FS
		base string
	}{"context": {machine, Base}, "database": {database, DatabaseBase}} {
		text, err := c.from.ReadFile(name + "/Dockerfile")
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		for _, want := range []string{"FROM " + c.base, "LABEL " + label()} {
			if !slices.Contains(lines, want) {
				t.Errorf("%s: the Dockerfile has no line %q", name, want)
			}
		}
	}
}

// containerd reads the same in the lab as on real machines, but for what a container
// can't do.
func TestContainerdIsConfiguredAsOnRealMachines(t *testing.T) {
	script, err := os.ReadFile("../../clouds/scripts/node/prepare.sh")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(script), "put \"$ROOT\"/etc/containerd/config.toml <<-EOT\n")
	real, _, found := strings.Cut(rest, "\tEOT\n")
	if !found {
		t.Fatal("prepare.sh writes no /etc/containerd/config.toml")
	}
	want := strings.NewReplacer("\t", "", "$pause", "registry.k8s.io/pause:"+pause(t), "SystemdCgroup = true", "SystemdCgroup = false").Replace(real)
	lab, err := machine.ReadFile("context/rootfs/etc/containerd/config.toml")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for line := range strings.Lines(string(lab)) {
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "#") || text == "restrict_oom_score_adj = true" || text == `[plugins."io.containerd.cri.v1.runtime"]` {
			continue
		}
		got.WriteString(line)
	}
	if got.String() != want {
		t.Errorf("the lab's containerd has\n%s\nreal ones have\n%s", got.String(), want)
	}
}

// pause is the version that the registry has.
func pause(t *testing.T) string {
	t.Helper()
	images, err := os.ReadFile("../registry/images.go")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`pause += "([0-9.]+)"`).FindSubmatch(images)
	if m == nil {
		t.Fatal("the registry's list has no version of pause")
	}
	return string(m[1])
}

func TestGather(t *testing.T) {
	script, err := exec.LookPath("ldd") // itself a script: it needs no libraries
	if err != nil {
		t.Fatal(err)
	}
	// Something that is loaded at run time, and needs the C library for sure.
	plugins := t.TempDir()
	library, err := exec.Command("sh", "-c", `cp "$(ldd "$(command -v cp)" | grep -o '/[^ ]*lib[^ ]*' | head -n 1)" "$0/plugin.so"`, plugins).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, library)
	}
	for name, test := range map[string]struct {
		names []string
		want  string // found in /out; empty: a failure
	}{
		"a program":                 {[]string{"cp"}, "/cp"},
		"with its loader":           {[]string{"cp"}, "/ld-linux"},
		"a path":                    {[]string{"/bin/sh"}, "/bin/sh"},
		"what comes after a script": {[]string{script, "cp"}, "/cp"},
		"a folder":                  {[]string{plugins}, plugins + "/plugin.so"},
		"what a folder's loads":     {[]string{plugins}, "/libc.so"},
		"no such program":           {[]string{"cp", "nosuchprogram", "sh"}, ""},
		"no such path":              {[]string{"cp", "/no/such/path", "sh"}, ""},
	} {
		out := filepath.Join(t.TempDir(), "out")
		said, err := exec.Command("sh", append([]string{"-c", strings.ReplaceAll(gather, "/out", out), "sh"}, test.names...)...).CombinedOutput()
		var found []string
		_ = filepath.WalkDir(out, func(path string, _ fs.DirEntry, err error) error {
			found = append(found, strings.TrimPrefix(path, out))
			return err
		})
		if (err == nil) != (test.want != "") || test.want != "" && !strings.Contains(strings.Join(found, "\n"), test.want) {
			t.Errorf("%s: got %v, %s, %q; want %q", name, err, said, found, test.want)
		}
	}
}

func TestFollow(t *testing.T) {
	for name, test := range map[string]struct{ stream, lines, err string }{
		"build":  {`{"stream":"Step 1\n"}{"stream":"\n"}{"aux":{"ID":"x"}}{"stream":"a\nb\n"}`, "Step 1|a|b", ""},
		"pull":   {`{"status":"Pulling","id":"abc"}{"status":"Done"}`, "abc Pulling|Done", ""},
		"colors": {`{"stream":"\u001b[91mred\n\u001b[0m"}`, "red", ""},
		"error":  {`{"stream":"a"}{"errorDetail":{"message":"no"},"error":"no"}`, "a", "no"},
		"cut":    {`{"stream":"a"}{"str`, "a", "unexpected EOF"},
	} {
		var lines []string
		err := follow(strings.NewReader(test.stream), func(line string) { lines = append(lines, line) })
		if got := strings.Join(lines, "|"); got != test.lines {
			t.Errorf("%s: lines: got %q, want %q", name, got, test.lines)
		}
		if (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
			t.Errorf("%s: error: got %v, want %q", name, err, test.err)
		}
	}
}
