package build

// What the lab changes in other people's programs when it compiles them. docs/lab.md
// says the same in words.

const weaveModule = "github.com/weaveworks/weave"

// weaveEdits are the two places where Weave expects what a machine of the lab may
// not have.
var weaveEdits = []edit{
	// libpcap, and a C compiler to link it.
	{weaveModule, "router/pcap.go", `"github.com/google/gopacket/pcap"`, `"hybrid/lab/weave/pcap"`},
	// The kernel's dummy interfaces. This one lives for a moment, to give the
	// bridge an MTU; any kind will do, and Docker needs veth pairs anyway.
	{weaveModule, "net/bridge.go", `&netlink.Dummy{LinkAttrs: netlink.NewLinkAttrs()}`,
		`&netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "vethwedp"}`},
}

// kubernetesPluginEdits leave out of the Kubernetes provider its components (Helm's
// Chart, Kustomize's Directory, YAML's ConfigFile and ConfigGroup), which the program
// doesn't use. They alone import the SDK for Go, all 65 packages of it: 400 seconds of
// CPU time. The provider says of each that it is an unknown type.
var kubernetesPluginEdits = []edit{
	{kubernetesPluginModule, "pkg/provider/provider_construct.go", `	providerhelmv4 "github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider/helm/v4"
	providerkustomizev2 "github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider/kustomize/v2"
`, ""},
	{kubernetesPluginModule, "pkg/provider/provider_construct.go", `	provideryamlv2 "github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider/yaml/v2"
`, ""},
	{kubernetesPluginModule, "pkg/provider/provider_construct.go", `
	"kubernetes:yaml/v2:ConfigFile":     provideryamlv2.NewConfigFileProvider,
	"kubernetes:yaml/v2:ConfigGroup":    provideryamlv2.NewConfigGroupProvider,
	"kubernetes:helm.sh/v4:Chart":       providerhelmv4.NewChartProvider,
	"kubernetes:kustomize/v2:Directory": providerkustomizev2.NewDirectoryProvider,
}`, "}"},
	// The Chart's options, which are the SDK's type.
	{kubernetesPluginModule, "pkg/helm/tool.go", `	helmv4 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/helm/v4"
`, ""},
	{kubernetesPluginModule, "pkg/helm/tool.go", `repoOpts helmv4.RepositoryOpts)`,
		`repoOpts struct {
	CaFile, CertFile, KeyFile pulumi.AssetOrArchive
	Username, Password, Repo  *string
})`},
}
