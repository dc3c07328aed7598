package build

// What the lab changes in other people's programs when it compiles them. docs/lab.md
// says the same in words.

const weaveModule = "github.com/weaveworks/weave"

// weaveEdits are the two places where Weave expects what a machine of the lab may
// not have.
var weaveEdits = []edit{
	// libpcap, and a C compiler to link it.
	{weaveModule, "router/pcap.go", `"github.com/google/gopacket/pcap"`, `"hybrid/lab/upstream/weave/pcap"`},
	// The kernel's dummy interfaces. This one lives for a moment, to give the
	// bridge an MTU; any kind will do, and Docker needs veth pairs anyway.
	{weaveModule, "net/bridge.go", `&netlink.Dummy{LinkAttrs: netlink.NewLinkAttrs()}`,
		`&netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "vethwedp"}`},
}

const s3Module = "github.com/versity/versitygw"

// s3Edits let the gateway stand for S3 in all regions: it would be of one only.
var s3Edits = []edit{
	{s3Module, "s3api/middlewares/authentication.go", "if authData.Region != region && ", `if region != "any" && authData.Region != region && `},
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

// pulumiLeftOut is what Pulumi's command is compiled without: the places for state, the
// keepers of secrets and the sources of logs that are services of a cloud, with the SDKs
// of AWS, Azure, Google and Vault that they import: a third of its code. The lab keeps
// state in files and secrets by a passphrase. Two commands go as well: the assistant and
// the viewer of traces.
//
// So does the log that Pulumi keeps of each command, whatever -v says, for which there is no
// switch: all properties of all resources, several times, compressed, encrypted and never
// read. It is two thirds of the CPU time of a preview that finds nothing to change. What
// -v and --logtostderr log isn't touched.
var pulumiLeftOut = []edit{
	{pulumiModule, "backend/diy/backend.go", `	_ "gocloud.dev/blob/azureblob" // driver for azblob://
`, ""},
	{pulumiModule, "backend/diy/backend.go", `	"gocloud.dev/blob/gcsblob"     // driver for gs://
	_ "gocloud.dev/blob/s3blob"    // driver for s3://
`, ""},
	{pulumiModule, "backend/diy/backend.go", `	_ "github.com/pulumi/pulumi/pkg/v3/backend/diy/postgres" // driver for postgres://
`, ""},
	{pulumiModule, "backend/diy/backend.go", `	"github.com/pulumi/pulumi/pkg/v3/authhelpers"
`, ""},
	{pulumiModule, "backend/diy/backend.go", `	if p.Scheme == gcsblob.Scheme {
		blobmux, err = authhelpers.GoogleCredentialsMux(ctx)
		if err != nil {
			return nil, err
		}
	}
`, ""},
	{pulumiModule, "backend/diy/bucket.go", `	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
`, ""},
	{pulumiModule, "backend/diy/bucket.go", "var input *awss3.CopyObjectInput", "var input *struct{ CopySource *string }"},
	{pulumiModule, "backend/diy/bucket.go", "(input *awss3.CopyObjectInput)", "(input *struct{ CopySource *string })"},
	{pulumiModule, "secrets/cloud/manager.go", `	_ "gocloud.dev/secrets/awskms"        // support for awskms://
	_ "gocloud.dev/secrets/azurekeyvault" // support for azurekeyvault://
	"gocloud.dev/secrets/gcpkms"          // support for gcpkms://
	_ "gocloud.dev/secrets/hashivault"    // support for hashivault://
	"google.golang.org/api/cloudkms/v1"
`, ""},
	{pulumiModule, "secrets/cloud/manager.go", `	"github.com/pulumi/pulumi/pkg/v3/authhelpers"
`, ""},
	{pulumiModule, "secrets/cloud/manager.go", `	case gcpkms.Scheme:
		credentials, err := authhelpers.ResolveGoogleCredentials(ctx, cloudkms.CloudkmsScope)
		if err != nil {
			return nil, fmt.Errorf("missing google credentials: %w", err)
		}

		kmsClient, _, err := gcpkms.Dial(ctx, credentials.TokenSource)
		if err != nil {
			return nil, fmt.Errorf("failed to connect to gcpkms: %w", err)
		}
		opener := gcpkms.URLOpener{
			Client: kmsClient,
		}

		return opener.OpenKeeperURL(ctx, u)
`, ""},
	{pulumiModule, "operations/operations_aws.go", "", ""},
	{pulumiModule, "operations/operations_cloud_aws.go", "", ""},
	{pulumiModule, "operations/operations_gcp.go", "", ""},
	{pulumiModule, "operations/resources.go", `	case "cloud":
		return CloudOperationsProvider(ops.config, ops.resource)
	case "aws":
		return AWSOperationsProvider(ctx, ops.config, ops.resource)
	case "gcp":
		return GCPOperationsProvider(ctx, ops.config, ops.resource)
`, ""},
	{pulumiModule, "cmd/pulumi/pulumi.go", `	"github.com/pulumi/pulumi/pkg/v3/cmd/pulumi/neo"
`, ""},
	{pulumiModule, "cmd/pulumi/pulumi.go", `				neo.NewNeoCmd(),
`, ""},
	{pulumiModule, "cmd/pulumi/pulumi.go", `	"github.com/pulumi/pulumi/pkg/v3/cmd/pulumi/trace"
`, ""},
	{pulumiModule, "cmd/pulumi/pulumi.go", `				trace.NewViewTraceCmd(),
				trace.NewConvertTraceCmd(),
`, ""},
	{pulumiModule, "cmd/pulumi/pulumi.go", `			var logErr error
			autoLogger, logErr = backendlogging.StartLogging(cmd.Context(), nil /* sm */, commandPath)
			if logErr != nil {
				slog.Info("automatic logging unavailable", "err", logErr)
			}
`, ""},
	// Nor do programs and plugins send what they log.
	{pulumiModule, "cmd/pulumi/pulumi.go", "InitOtelReceiver(otelTracesFlag, &backendlogging.SlogLogExporter{})", "InitOtelReceiver(otelTracesFlag, nil)"},
}

// pulumiSnapshotEdits write the state once for all steps that wait for that. Each still
// goes on only when the state on disk has it. Pulumi writes the whole state for every step
// alone, one after the other: on two cores a fifth of the time that the stack takes.
var pulumiSnapshotEdits = []edit{
	{pulumiModule, "backend/snapshot.go", `			var err error
			if request.mutator() {
				err = sm.saveSnapshot()
				hasElidedWrites = false
			} else {
				hasElidedWrites = true
			}
			request.result <- err
`, `			requests, mustWrite := []mutationRequest{request}, request.mutator()
			for waiting := true; waiting; {
				select {
				case next := <-mutationRequests:
					requests = append(requests, next)
					mustWrite = next.mutator() || mustWrite
				default:
					waiting = false
				}
			}
			var err error
			if mustWrite {
				err = sm.saveSnapshot()
			}
			hasElidedWrites = !mustWrite
			for _, r := range requests {
				r.result <- err
			}
`},
}

// promtoolEdits leave out of promtool the SDKs of all clouds by which Prometheus finds
// what to ask: half of its code, which checks and tests of rules don't use.
var promtoolEdits = []edit{
	{prometheusModule, "cmd/promtool/main.go", `	_ "github.com/prometheus/prometheus/plugins" // Register plugins.
`, ""},
	{prometheusModule, "cmd/promtool/query.go", `	_ "github.com/prometheus/prometheus/plugins" // Register plugins.
`, ""},
}
