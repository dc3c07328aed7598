package observe

import (
	"context"
	"fmt"
	"path"
	"strings"

	"hybrid/workloads/topology"
)

// Script runs one of workloads/scripts/pod, in Python, in a member's pod, and returns what
// it prints.
func (o *Observer) Script(ctx context.Context, cluster, namespace, pod, script string, args ...string) (string, error) {
	argv := append([]string{"python3", path.Join("/etc/psql/scripts", script)}, args...)
	out, err := o.clusters[cluster].exec(ctx, Pod{Namespace: namespace, Name: pod}, topology.Container, argv...)
	if err != nil {
		return "", fmt.Errorf("%s: %w", pod, plain(err))
	}
	return strings.TrimSpace(string(out)), nil
}
