package clouds

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// minors are the minor versions of Kubernetes, of major version 1, that the federation
// supports and the lab runs: https://kubernetes.io/releases/.
var minors = []int{35, 36}

var version = regexp.MustCompile(`^v1\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`)

// parsed is a version without its major number, or false if it is none.
func parsed(text string) (minor, patch int, ok bool) {
	m := version.FindStringSubmatch(text)
	if m == nil {
		return 0, 0, false
	}
	minor, err := strconv.Atoi(m[1])
	patch, err2 := strconv.Atoi(m[2])
	return minor, patch, err == nil && err2 == nil
}

// versionProblem says why a version is not supported, or nothing.
func versionProblem(text string) string {
	minor, _, ok := parsed(text)
	if ok && slices.Contains(minors, minor) {
		return ""
	}
	var known []string
	for _, m := range minors {
		known = append(known, fmt.Sprintf("1.%d", m))
	}
	return fmt.Sprintf("found %q: expected an exact version of %s, such as %s", text, strings.Join(known, " or "), DefaultShared().KubernetesVersion)
}

// version is that of a cluster's nodes: its own, or that of all clusters.
func (a *ClusterArgs) version() string {
	return cmp.Or(a.Settings.KubernetesVersion, a.Shared.KubernetesVersion)
}

// preparedVersion is the parameter of the step prepare that says what a node runs: the
// step is recorded when the node runs it.
const preparedVersion = "VERSION"

// version is that of Kubernetes on a node, or empty if there is none.
func (f *Former) version(node string) string {
	text, _ := f.resources[node+"-prepare"+commandType]["stdin"].(string)
	return parameter(text, preparedVersion)
}

// Upgrade is a node that gets another version of Kubernetes.
type Upgrade struct {
	Node     string
	From, To string
	// ControlPlane says that the cluster's API is away meanwhile.
	ControlPlane bool
}

func (u Upgrade) String() string {
	if u.ControlPlane {
		return fmt.Sprintf("%s from %s to %s (the control plane: its API is away for about two minutes, pods run on)", u.Node, u.From, u.To)
	}
	return fmt.Sprintf("%s from %s to %s", u.Node, u.From, u.To)
}

// Upgrades are the nodes of a cluster that get another version, in their order.
func (f *Former) Upgrades(settings Settings, shared Shared) []Upgrade {
	to := (&ClusterArgs{Settings: settings, Shared: shared}).version()
	if settings.Lost {
		return nil
	}
	var all []Upgrade
	for i, node := range nodeNames(settings.Name, settings.Workers) {
		if from := f.version(node); from != "" && from != to && !f.ends[settings.Name] {
			all = append(all, Upgrade{Node: node, From: from, To: to, ControlPlane: i == 0})
		}
	}
	return all
}

// refusedVersion says which upgrades can't be, one line for each version that nodes run.
func (f *Former) refusedVersion(settings Settings, shared Shared) []string {
	nodes, reasons := map[string][]string{}, []string{}
	for _, u := range f.Upgrades(settings, shared) {
		reason := u.problem()
		if reason == "" {
			continue
		}
		if nodes[reason] == nil {
			reasons = append(reasons, reason)
		}
		nodes[reason] = append(nodes[reason], u.Node)
	}
	for i, reason := range reasons {
		reasons[i] = fmt.Sprintf("kubernetesVersion: %s: %s", strings.Join(nodes[reason], ", "), reason)
	}
	return reasons
}

// problem says why Kubernetes' policy of version skew forbids the upgrade, or nothing:
// https://kubernetes.io/releases/version-skew-policy/.
func (u Upgrade) problem() string {
	minor, patch, ok := parsed(u.From)
	toMinor, toPatch, ok2 := parsed(u.To)
	switch {
	case !ok || !ok2: // the latter has been told already
		return ""
	case toMinor < minor || toMinor == minor && toPatch < patch:
		return fmt.Sprintf("runs %s and can't go back to %s, nor may a worker be newer than its control plane: set %s or a newer one", u.From, u.To, u.From)
	case toMinor > minor+1:
		return fmt.Sprintf("runs %s and can't skip a minor version on its way to %s: set a version of 1.%d first, and run pulumi up", u.From, u.To, minor+1)
	}
	return ""
}
