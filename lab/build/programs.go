package build

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// KubernetesSDK is the module of the SDK that asks for the Kubernetes plugin,
// which must be of the same version.
const KubernetesSDK = "github.com/pulumi/pulumi-kubernetes/sdk/v4"

// The modules whose versions the programs carry.
const (
	pulumiModule           = "github.com/pulumi/pulumi/pkg/v3"
	kubernetesPluginModule = "github.com/pulumi/pulumi-kubernetes/provider/v4"
	kubernetesModule       = "k8s.io/kubernetes"
	karmadaModule          = "github.com/karmada-io/karmada"
	containerdModule       = "github.com/containerd/containerd/v2"
	prometheusModule       = "github.com/prometheus/prometheus"
)

// program is one that the lab runs.
type program struct {
	name    string
	dir     string // the module's folder, below the checkout
	pkg     string
	ldflags string
	output  string // where it goes; empty: the cache
	// pins is a file of pins beside go.mod, which counts instead of that: the program of
	// another version. Not with edits.
	pins   string
	edits  []edit
	embeds []embed
	// alone says that nothing is gained from compiling the modules that it shares
	// with the others at the same versions.
	alone bool
}

// programs lists them in the order of their use, so that what fails early is
// seen early.
func (b *Builder) programs() ([]program, error) {
	pulumi, err := Version(filepath.Join(b.Project, "lab"), pulumiModule)
	if err != nil {
		return nil, err
	}
	sdk, err := Version(b.Project, KubernetesSDK)
	if err != nil {
		return nil, err
	}
	kube, err := Version(filepath.Join(b.Project, "lab", "upstream", "kube"), kubernetesModule)
	if err != nil {
		return nil, err
	}
	karmada, err := Version(filepath.Join(b.Project, "lab", "upstream", "karmada"), karmadaModule)
	if err != nil {
		return nil, err
	}
	containerd, err := Version(filepath.Join(b.Project, "lab", "upstream", "containerd"), containerdModule)
	if err != nil {
		return nil, err
	}
	weave, err := Version(filepath.Join(b.Project, "lab", "upstream", "weave"), weaveModule)
	if err != nil {
		return nil, err
	}
	const strip = "-s -w"
	// Weave is of 2019, and so are the versions of Kubernetes' modules that it
	// compiles with.
	weaveProgram := func(name string) program {
		return program{name: name, dir: "lab/upstream/weave", pkg: weaveModule + "/prog/" + name, edits: weaveEdits, alone: true,
			ldflags: strip + " -X main.version=" + strings.TrimSuffix(strings.TrimPrefix(weave, "v"), "+incompatible")}
	}
	// containerd has its shim and its client beside it: one version, one module.
	containerdProgram := func(name string) program {
		return program{name: name, dir: "lab/upstream/containerd", pkg: containerdModule + "/cmd/" + name,
			ldflags: strip + " -X " + containerdModule + "/version.Version=" + strings.TrimPrefix(containerd, "v")}
	}
	return []program{
		{name: "registry", dir: "lab", pkg: "./registry/cmd/registry", ldflags: strip},
		{name: "pause", dir: "lab", pkg: "./registry/cmd/pause", ldflags: strip},
		{name: "delay", dir: "lab", pkg: "./delay", ldflags: strip},
		{name: "pulumi-resource-lab", dir: "lab", pkg: "./plugins/cmd/pulumi-resource-lab", ldflags: strip},
		{name: "pulumi-language-go", dir: "lab", pkg: "./languagehost/cmd/pulumi-language-go", ldflags: strip},
		// The one program that is built for the user too: `pulumi up` builds it
		// to the same place (see buildTarget in Pulumi.yaml) and finds it done.
		{name: "the program", dir: ".", pkg: ".", output: filepath.Join(b.Project, "bin", "program")},
		{name: "hybrid", dir: ".", pkg: "./cmd/hybrid", ldflags: strip},
		{name: "kube", dir: "lab/upstream/kube", pkg: ".", ldflags: strip + stampKubernetes(kube)},
		containerdProgram("containerd"),
		containerdProgram("containerd-shim-runc-v2"),
		containerdProgram("ctr"),
		{name: "coredns", dir: "lab/upstream/coredns", pkg: ".", ldflags: strip},
		{name: "s3", dir: "lab/upstream/s3", pkg: ".", ldflags: strip, edits: s3Edits, alone: true},
		{name: "karmada", dir: "lab/upstream/karmada", pkg: ".",
			ldflags: strip + fmt.Sprintf(" -X %[1]s/pkg/version.gitVersion=%[2]s -X %[1]s/pkg/version.gitTreeState=clean", karmadaModule, karmada)},
		weaveProgram("weaver"),
		weaveProgram("weaveutil"),
		weaveProgram("kube-utils"),
		{name: "pulumi", dir: "lab", pkg: pulumiModule + "/cmd/pulumi", edits: slices.Concat(pulumiLeftOut, pulumiSnapshotEdits),
			ldflags: strip + " -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=" + pulumi},
		{name: "pulumi-resource-kubernetes", dir: "lab/upstream/kubernetesplugin", pkg: ".", edits: kubernetesPluginEdits,
			embeds: []embed{
				{kubernetesPluginModule, "cmd/pulumi-resource-kubernetes/schema.json"},
				{kubernetesPluginModule, "cmd/pulumi-resource-kubernetes/terraform-mapping.json"},
			},
			ldflags: strip + " -X " + kubernetesPluginModule + "/pkg/version.Version=" + strings.TrimPrefix(sdk, "v")},
	}, nil
}

// promtool is what long tests hold the alerts with. Nothing else needs it.
var promtool = program{name: "promtool", dir: "lab/upstream/promtool", pkg: prometheusModule + "/cmd/promtool", ldflags: "-s -w", edits: promtoolEdits, alone: true}

// nextKubernetes is the minor version after that of the lab's clusters. What upgrades them
// needs it, and nothing else.
func (b *Builder) nextKubernetes() (program, error) {
	p := program{name: "kube-next", dir: "lab/upstream/kube", pkg: ".", pins: "next.mod", alone: true}
	version, err := Pinned(filepath.Join(b.Project, p.dir, p.pins), kubernetesModule)
	p.ldflags = "-s -w" + stampKubernetes(version)
	return p, err
}

// modfile is the name of the file that has the program's pins.
func (p program) modfile() string { return cmp.Or(p.pins, "go.mod") }

// stampKubernetes gives the programs the version that their build scripts
// would. kubeadm holds client-go's against the cluster's, so both are needed.
func stampKubernetes(version string) string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	var b strings.Builder
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, kv := range [][2]string{
			{"gitVersion", version}, {"gitMajor", major}, {"gitMinor", minor}, {"gitTreeState", "clean"},
		} {
			fmt.Fprintf(&b, " -X %s.%s=%s", pkg, kv[0], kv[1])
		}
	}
	return b.String()
}

// Version is the version of a module that a folder's go.mod requires, with its "v".
func Version(dir, module string) (string, error) {
	return Pinned(filepath.Join(dir, "go.mod"), module)
}

// Pinned is the same of a file of pins, whatever its name.
func Pinned(path, module string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	f, err := modfile.ParseLax(path, text, nil)
	if err != nil {
		return "", err
	}
	for _, r := range f.Require {
		if r.Mod.Path == module {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s: want a requirement of %s, found none", path, module)
}

func copyFile(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644) // the module cache's files are read-only
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}
