package meshstatus

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Names of the mesh's pods, see hybrid/mesh.
const (
	namespace = "kube-system"
	selector  = "name=weave-net"
	container = "weave"
)

// Ask asks the peers of all nodes of the clusters, through kubectl: a command with
// the path of kubectl, and perhaps flags. contexts are the kubeconfig's.
func Ask(ctx context.Context, kubectl []string, contexts []string) ([]Row, error) {
	var rows []Row
	var errs []error
	for _, cluster := range contexts {
		run := func(args ...string) (string, error) {
			argv := append(append(kubectl[1:len(kubectl):len(kubectl)], "--context", cluster, "-n", namespace, "--request-timeout", "20s"), args...)
			var stderr strings.Builder
			cmd := exec.CommandContext(ctx, kubectl[0], argv...)
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
			}
			return string(out), err
		}
		out, err := run("get", "pods", "-l", selector, "-o", `jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName}{"\n"}{end}`)
		if err != nil {
			errs = append(errs, fmt.Errorf("cluster %q: %w", cluster, err))
			continue
		}
		for line := range strings.Lines(out) {
			pod, node, _ := strings.Cut(strings.TrimSpace(line), " ")
			row := Row{Cluster: cluster, Node: node}
			// The peer answers on its own machine only.
			text, err := run("exec", pod, "-c", container, "--", "curl", "-s", "-m", "5", "-H", "Accept: application/json", "http://127.0.0.1:6784/report")
			if err == nil {
				row.Peer, err = Parse([]byte(text))
			}
			row.Err = err
			rows = append(rows, row)
		}
	}
	return rows, errors.Join(errs...)
}
