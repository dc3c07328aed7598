package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hybrid/lab/registry"
)

// TestLongCertificates stands for certificates of one hour and for three hours, at a tenth of
// all times: how long certificates live, how often the control plane checks them, how long a
// kubelet waits at most before it restarts a container, and how long the cluster is left alone.
const (
	shortLife    = 6 * time.Minute
	shortEvery   = time.Minute
	shortRestart = 30 * time.Second
	aloneFor     = 3 * shortLife
	// renewPause is how long the API may be away while it is left alone.
	renewPause = 10 * time.Second
)

// TestLongCertificates leaves a cluster alone until all of its certificates have ended, three
// times over. `make e2e-long` runs it.
func TestLongCertificates(t *testing.T) {
	l := open(t)
	l.steps(t, []part{
		{name: "up", run: func(l *lab) {
			l.up(l.shortLived())
			// The timer runs every ten minutes.
			const timer = "hybrid-renew-certificates.timer"
			l.run("london-1", fmt.Sprintf(`set -e; mkdir -p /etc/systemd/system/%[1]s.d
printf '[Timer]\nOnActiveSec=\nOnUnitInactiveSec=\nOnActiveSec=%[2]d\nOnUnitInactiveSec=%[2]d\nAccuracySec=1\n' >/etc/systemd/system/%[1]s.d/tenth.conf
systemctl daemon-reload; systemctl restart %[1]s`, timer, int(shortEvery.Seconds())))
			l.allReady(pair)
		}},
		{name: "left alone", run: leftAlone},
		{name: "one pulumi up later", run: readAgain},
	})
}

// shortLived are the settings of one cluster with certificates of shortLife, its kubelets' too.
func (l *lab) shortLived() string {
	return l.alone("", func(settings map[string]any) {
		kubeadm := settings["hybrid:kubeadm"].(map[string]any)
		// A container that is restarted every few minutes waits longer each time, up to 5 minutes.
		kubeadm["kubeletConfiguration"].(map[string]any)["crashLoopBackOff"] = map[string]any{"maxContainerRestartPeriod": shortRestart.String()}
		cluster := kubeadm["clusterConfiguration"].(map[string]any)
		cluster["certificateValidityPeriod"] = shortLife.String()
		cluster["controllerManager"] = map[string]any{"extraArgs": []any{map[string]any{"name": "cluster-signing-duration", "value": shortLife.String()}}}
	})
}

// ends returns when a node's certificates end, by file.
func (l *lab) ends(node string) map[string]time.Time {
	l.Helper()
	out := l.run(node, `cd /etc/kubernetes
tell() { echo "$1 $(date -d "$(openssl x509 -noout -enddate | cut -d = -f 2)" +%s)"; }
for f in pki/*.crt pki/etcd/*.crt /var/lib/kubelet/pki/kubelet-*-current.pem; do
	case $f in *'*'* | */ca.crt | */front-proxy-ca.crt) continue ;; esac
	tell "$f" <"$f"
done
for f in *.conf; do
	data=$(sed -n 's/^ *client-certificate-data: //p' "$f")
	[ -z "$data" ] || printf %s "$data" | base64 -d | tell "$f"
done`)
	ends := map[string]time.Time{}
	for line := range strings.Lines(out) {
		file, at, _ := strings.Cut(strings.TrimSpace(line), " ")
		seconds, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			l.Fatalf("%s: %q: %v", node, line, err)
		}
		ends[file] = time.Unix(seconds, 0)
	}
	return ends
}

// leftAlone waits until the certificates have ended three times over. The cluster works all the
// time, as its own control plane sees it.
func leftAlone(l *lab) {
	first := map[string]map[string]time.Time{}
	for _, node := range pair["london"] {
		first[node] = l.ends(node)
	}
	files := slices.Sorted(maps.Keys(first["london-1"]))
	for _, file := range []string{"admin.conf", "controller-manager.conf", "scheduler.conf", "pki/apiserver.crt", "pki/etcd/server.crt", "/var/lib/kubelet/pki/kubelet-client-current.pem", "/var/lib/kubelet/pki/kubelet-server-current.pem"} {
		if !slices.Contains(files, file) {
			l.Fatalf("london-1 has the certificates %v, want %s among them", files, file)
		}
	}
	kubectl := func(args string) (string, error) {
		return l.ssh("london-1", "kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 5s "+args)
	}
	for end := time.Now().Add(aloneFor); time.Now().Before(end); l.rest(5 * time.Second) {
		l.eventually(renewPause, func() error {
			out, err := kubectl(`get nodes -o 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'`)
			if err == nil && out != "True True" {
				err = fmt.Errorf("the nodes are Ready: %s", out)
			}
			return err
		})
	}
	now := time.Now()
	for node, ends := range first {
		latest := l.ends(node)
		for file, end := range ends {
			if end.After(now) {
				l.Errorf("%s: %s ends at %s, which was to be long ago", node, file, end)
			}
			if latest[file].Before(now) {
				l.Errorf("%s: %s has ended at %s", node, file, latest[file])
			}
		}
	}
	// Controllers, scheduler and kubelets still work, and the API still reaches kubelets.
	if out, err := kubectl("create deployment late --image " + registry.Tools + " --replicas 2 -- sleep infinity"); err != nil {
		l.Fatal(err, out)
	}
	l.eventually(time.Minute, func() error {
		out, err := kubectl("get deployment late -o 'jsonpath={.status.readyReplicas}'")
		if err == nil && out != "2" {
			err = fmt.Errorf("%q of two pods are Ready", out)
		}
		return err
	})
	// The first request after a renewal may fail: the API server closes its connections to
	// kubelets when it notices its new certificate.
	l.eventually(10*time.Second, func() error {
		out, err := kubectl("exec deploy/late -- cat /etc/hostname")
		if err == nil && strings.HasPrefix(out, "late-") {
			return nil
		}
		return fmt.Errorf("a kubelet isn't reached through the API: %v, %s", err, out)
	})
	fmt.Printf("--- %d certificates of two nodes ended and were renewed for %s\n", len(first["london-1"])+len(first["london-2"]), aloneFor)
}

// readAgain has `pulumi up` read the administrator's certificate again. The program counts that
// certificate's age in hours, so the test has to force it.
func readAgain(l *lab) {
	if _, err := l.cluster("london").CoreV1().Nodes().List(l.ctx, metav1.ListOptions{}); err == nil || !strings.Contains(err.Error(), "Unauthorized") && !strings.Contains(err.Error(), "asked for the client to provide credentials") {
		l.Errorf("by the kubeconfig of before: %v, want that it has ended", err)
	}
	s, _, _, err := l.status()
	if err != nil {
		l.Fatal(err)
	}
	if !hasProblem("cluster london: the administrator's certificate in the kubeconfig has ended")(s) {
		l.Errorf("status doesn't say that the administrator's certificate has ended: %+v", s.Problems)
	}
	l.up(l.shortLived(), "--replace", "**admin-conf-age")
	if got := l.nodes("london"); len(got) != len(pair["london"]) {
		l.Errorf("by the new kubeconfig there are %v", got)
	}
	if err := l.membersReady("london"); err != nil {
		l.Error(err)
	}
	l.must("preview", "--expect-no-changes", l.shortLived())
}
