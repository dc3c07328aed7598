package clouds

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// SynRetries is the kernel's setting of how often a connection is tried: 2 gives up
// after 7 s, the default 6 after 127 s. Pods may set it for themselves.
const SynRetries = "net.ipv4.tcp_syn_retries"

// KubeadmOverrides are merged over the documents that kubeadm is given, for
// machines or wishes that the generated ones don't suit. Maps are merged key by
// key. Lists are appended to; items of lists of {name, value} replace the item
// of the same name. Any other value replaces the generated one. An empty key changes
// nothing.
//
// See https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/
// for the fields.
type KubeadmOverrides struct {
	InitConfiguration      map[string]any `json:"initConfiguration,omitempty"`
	JoinConfiguration      map[string]any `json:"joinConfiguration,omitempty"`
	ClusterConfiguration   map[string]any `json:"clusterConfiguration,omitempty"`
	KubeletConfiguration   map[string]any `json:"kubeletConfiguration,omitempty"`
	KubeProxyConfiguration map[string]any `json:"kubeProxyConfiguration,omitempty"`
}

// byName returns the overrides by the documents' names in the settings.
func (k *KubeadmOverrides) byName() map[string]map[string]any {
	return map[string]map[string]any{
		"initConfiguration":      k.InitConfiguration,
		"joinConfiguration":      k.JoinConfiguration,
		"clusterConfiguration":   k.ClusterConfiguration,
		"kubeletConfiguration":   k.KubeletConfiguration,
		"kubeProxyConfiguration": k.KubeProxyConfiguration,
	}
}

// certificateHours is how long kubeadm's certificates live, in whole hours: a year, if
// nothing else is set (certificateValidityPeriod, see
// https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/).
func (k *KubeadmOverrides) certificateHours() int {
	text, _ := k.ClusterConfiguration["certificateValidityPeriod"].(string)
	if life, err := time.ParseDuration(text); err == nil {
		return max(int(life.Hours()), 1)
	}
	return 365 * 24
}

// ours are fields that no override may set, and what to do instead: the program
// relies on what it has put there.
var ours = map[string]string{
	"apiVersion":                 "leave it out: the program follows kubeadm's current version",
	"kind":                       "leave it out: it follows from the document's name",
	"kubernetesVersion":          "set hybrid:kubernetesVersion",
	"clusterName":                "set the cluster's name in hybrid:clusters",
	"networking":                 "set hybrid:podCidr and the cluster's serviceCidr",
	"controlPlaneEndpoint":       "leave it out: workers join over the private network",
	"localAPIEndpoint":           "leave it out: firewalls and kubeconfigs name the API's address and port",
	"certificatesDir":            "leave it out: certificates are renewed where kubeadm puts them",
	"discovery":                  "leave it out: every join has a token of its own",
	"controlPlane":               "leave it out: a cluster has one control plane",
	"dryRun":                     "leave it out: pulumi preview shows what would be done",
	"nodeRegistration.name":      "leave it out: nodes are named after their machines",
	"nodeRegistration.criSocket": "leave it out: machines are prepared with containerd",
}

// Problems says what the overrides must not set, and what doesn't fit into the
// documents, one line for each.
func (k *KubeadmOverrides) Problems() []string {
	var out []string
	for document, values := range k.byName() {
		known := maps.Clone(fields()[document].(map[string]any))
		known["apiVersion"], known["kind"] = "any", "any" // see ours
		for path, advice := range ours {
			if has(values, strings.Split(path, ".")) {
				out = append(out, fmt.Sprintf("%s sets %s: %s", document, path, advice))
			}
		}
		out = append(out, misfitsOf(document, values, known)...)
	}
	slices.Sort(out)
	return out
}

func has(values map[string]any, path []string) bool {
	v, ok := values[path[0]]
	if !ok || len(path) == 1 {
		return ok
	}
	below, _ := v.(map[string]any)
	return has(below, path[1:])
}

const (
	kubeadmVersion = "kubeadm.k8s.io/v1beta4"
	criSocket      = "unix:///run/containerd/containerd.sock"
)

// document is one YAML document.
type document = map[string]any

// initDocuments are what kubeadm init reads. Nodes speak to the API at the
// control plane's private address; the certificate also names the public one,
// which administrators use.
func initDocuments(cluster string, args *ClusterArgs, node, private, public string) []document {
	return []document{
		merged(document{
			"apiVersion":       kubeadmVersion,
			"kind":             "InitConfiguration",
			"localAPIEndpoint": document{"advertiseAddress": private, "bindPort": APIPort},
			"nodeRegistration": registration(node, private),
		}, args.Kubeadm.InitConfiguration),
		clusterConfiguration(cluster, args, node, private, public),
		kubeletConfiguration(args),
		merged(document{
			"apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
			"kind":       "KubeProxyConfiguration",
		}, args.Kubeadm.KubeProxyConfiguration),
	}
}

// kubeletConfiguration is what all kubelets of a cluster are told.
func kubeletConfiguration(args *ClusterArgs) document {
	return merged(document{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		// A pod's own, like those that Kubernetes calls safe.
		"allowedUnsafeSysctls": []any{SynRetries},
		"cgroupDriver":         "systemd", // as containerd's, see scripts/node/prepare.sh
		// The API server verifies them: the cluster's authority signs a kubelet's
		// serving certificate, and the next one before its end.
		"serverTLSBootstrap": true,
	}, args.Kubeadm.KubeletConfiguration)
}

// initParams are what init.sh is given of the settings, as the head of the script says.
func initParams(cluster string, args *ClusterArgs, node, private, public string) (map[string]string, error) {
	documents := initDocuments(cluster, args, node, private, public)
	config, err := render(documents...)
	if err != nil {
		return nil, err
	}
	elsewhere := slices.Clone(documents)
	elsewhere[1] = merged(documents[1], document{"certificatesDir": stateFolder + "/pki"})
	certificate, err := render(elsewhere...)
	if err != nil {
		return nil, err
	}
	// The first counts for new nodes only. Of the second, names have a way of their own,
	// the ranges can't change, and another version is no other setting.
	running := slices.Clone(documents[1:])
	running[0] = without(running[0], "kubernetesVersion", "networking")
	server, _ := running[0]["apiServer"].(document)
	running[0]["apiServer"] = without(server, "certSANs")
	settings, err := render(running...)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"CONFIG":       config,
		"CERTIFICATE":  certificate,
		"NAMES":        strings.Join(certificateNames(cluster, args, node, private, public), " "),
		"SETTINGS":     strings.TrimSpace(settings),
		"NETWORKS":     fmt.Sprintf("%s %s", args.PodCIDR, args.ServiceCIDR),
		"VERSION":      args.version(),
		"AUDIT_POLICY": auditPolicy,
		"ADMISSION":    admission,
		"APPROVER":     timed(approver),
		"RENEWER":      timed(renewer),
		"NODE":         node,
		"REPORTER":     timed(reporter),
	}, nil
}

// stateFolder is where scripts keep what they have done, $STATE in scripts/node/lib.sh.
const stateFolder = "/var/lib/hybrid"

// without is a copy of a document that lacks some keys.
func without(d document, keys ...string) document {
	out := maps.Clone(d)
	for _, k := range keys {
		delete(out, k)
	}
	return out
}

func clusterConfiguration(cluster string, args *ClusterArgs, node, private, public string) document {
	names := []any{private, public, node}
	for _, n := range args.DNSNames {
		names = append(names, n)
	}
	return merged(document{
		"apiVersion":           kubeadmVersion,
		"kind":                 "ClusterConfiguration",
		"clusterName":          cluster,
		"kubernetesVersion":    args.version(),
		"controlPlaneEndpoint": fmt.Sprintf("%s:%d", private, APIPort),
		"networking": document{
			"podSubnet":     args.PodCIDR.String(),
			"serviceSubnet": args.ServiceCIDR.String(),
		},
		"apiServer":         apiServer(names),
		"controllerManager": withoutProfiling(),
		"scheduler":         withoutProfiling(),
	}, args.Kubeadm.ClusterConfiguration)
}

// certificateNames are the names and addresses in the API's certificate, besides
// those that Kubernetes itself puts there.
func certificateNames(cluster string, args *ClusterArgs, node, private, public string) []string {
	server, _ := clusterConfiguration(cluster, args, node, private, public)["apiServer"].(document)
	list, _ := server["certSANs"].([]any)
	var names []string
	for _, n := range list {
		names = append(names, fmt.Sprint(n))
	}
	return names
}

// joinDocument is what kubeadm join reads. It contains the token: a secret.
func joinDocument(args *ClusterArgs, node, private string, t joinCommand) (string, error) {
	return render(merged(document{
		"apiVersion":       kubeadmVersion,
		"kind":             "JoinConfiguration",
		"nodeRegistration": registration(node, private),
		"discovery": document{"bootstrapToken": document{
			"apiServerEndpoint": t.endpoint,
			"token":             t.token,
			"caCertHashes":      []any{t.caHash},
		}},
		// The control plane is up when a token has been minted: who can't find
		// it in two minutes (default: five) won't find it at all.
		"timeouts": document{"discovery": "2m0s"},
	}, args.Kubeadm.JoinConfiguration))
}

// registration is how a node enters the cluster.
func registration(node, private string) document {
	return document{
		"name":      node,
		"criSocket": criSocket,
		// A droplet has several addresses; kubelet would take the public one.
		"kubeletExtraArgs": []any{document{"name": "node-ip", "value": private}},
	}
}

// joinCommand is what a worker needs to join.
type joinCommand struct{ endpoint, token, caHash string }

// id is the token's public half.
func (t joinCommand) id() string {
	id, _, _ := strings.Cut(t.token, ".")
	return id
}

var joinLine = regexp.MustCompile(`^kubeadm join (\S+) --token ([a-z0-9]{6}\.[a-z0-9]{16}) --discovery-token-ca-cert-hash (sha256:[0-9a-f]{64})\s*$`)

// parseJoin reads what `kubeadm token create --print-join-command` prints.
func parseJoin(printed string) (joinCommand, error) {
	m := joinLine.FindStringSubmatch(printed)
	if m == nil { // never quote it: it may hold the token
		return joinCommand{}, fmt.Errorf("kubeadm token create: expected one line \"kubeadm join …\", found %d characters of something else", len(printed))
	}
	return joinCommand{endpoint: m[1], token: m[2], caHash: m[3]}, nil
}

// render writes documents one after the other, keys sorted.
func render(documents ...document) (string, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	for _, d := range documents {
		if err := e.Encode(d); err != nil {
			return "", fmt.Errorf("rendering %s: %w", d["kind"], err)
		}
	}
	if err := e.Close(); err != nil {
		return "", err
	}
	return out.String(), nil
}

// merged returns base with over merged into it; see KubeadmOverrides.
func merged(base, over document) document {
	out := maps.Clone(base)
	for k, v := range over {
		if v == nil {
			continue
		}
		switch old := out[k].(type) {
		case document:
			if m, ok := v.(document); ok {
				v = merged(old, m)
			}
		case []any:
			if l, ok := v.([]any); ok {
				v = appended(old, l)
			}
		}
		out[k] = v
	}
	return out
}

// appended appends items; one that has the name of an earlier one replaces it.
func appended(base, over []any) []any {
	out := slices.Clone(base)
	for _, item := range over {
		at := slices.IndexFunc(out, func(x any) bool { return sameItem(x, item) })
		if at < 0 {
			out = append(out, item)
		} else {
			out[at] = item
		}
	}
	return out
}

func sameItem(a, b any) bool {
	x, ok := a.(document)
	y, ok2 := b.(document)
	if ok && ok2 {
		return x["name"] != nil && x["name"] == y["name"]
	}
	return !ok && !ok2 && reflect.DeepEqual(a, b)
}
