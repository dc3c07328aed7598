package observe

import (
	"strings"
	"testing"

	"hybrid/internal/fakecloud"
)

// A node that waits for a reboot is told with its packages, and the others aren't.
func TestPendingReboots(t *testing.T) {
	c := fakecloud.New(t, 2, 2)
	c.Cluster("london").Nodes[0].Annotations = map[string]string{RebootAnnotation: NoReboot}
	n := c.Cluster("london").Nodes[1]
	n.Annotations = map[string]string{RebootAnnotation: "libc6 linux-base"}
	problems := observer(t, c).Look(t.Context()).Problems
	if len(problems) != 1 || problems[0].Kind != "RebootPending" || problems[0].Object != n.Name ||
		!strings.HasSuffix(problems[0].Text, "waits for a reboot, because of libc6 linux-base") ||
		problems[0].Command != "hybrid reboot --node "+n.Name {
		t.Errorf("found %+v", problems)
	}
}
