package e2e

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hybrid/lab/registry"
)

// benchmark are the checks of the CIS Kubernetes Benchmark 1.12 that kubeadm's own
// settings fail. Each is a command that a machine answers with want, whose root folder is
// $ROOT; and one that takes the setting out.
var benchmark = []struct {
	id, command, without, want string
	// worker says that the check is for workers too.
	worker bool
}{
	{id: "1.1.11", command: "stat -c %a $ROOT/var/lib/etcd", without: "chmod 755 $ROOT/var/lib/etcd", want: "700"},
	{id: "1.1.12", command: "stat -c %U:%G $ROOT/var/lib/etcd", without: "chown root:root $ROOT/var/lib/etcd", want: "etcd:etcd"},
	{id: "1.2.5", command: flag("kube-apiserver", "kubelet-certificate-authority"), without: noFlag("kube-apiserver", "kubelet-certificate-authority"), want: "/etc/kubernetes/pki/ca.crt"},
	{id: "1.2.15", command: flag("kube-apiserver", "profiling"), without: noFlag("kube-apiserver", "profiling"), want: "false"},
	{id: "1.2.16", command: flag("kube-apiserver", "audit-log-path"), without: noFlag("kube-apiserver", "audit-log-path"), want: "/var/log/kubernetes/audit/audit.log"},
	{id: "1.2.17", command: flag("kube-apiserver", "audit-log-maxage"), without: noFlag("kube-apiserver", "audit-log-maxage"), want: "30"},
	{id: "1.2.18", command: flag("kube-apiserver", "audit-log-maxbackup"), without: noFlag("kube-apiserver", "audit-log-maxbackup"), want: "10"},
	{id: "1.2.19", command: flag("kube-apiserver", "audit-log-maxsize"), without: noFlag("kube-apiserver", "audit-log-maxsize"), want: "100"},
	{id: "1.2.27", command: flag("kube-apiserver", "service-account-extend-token-expiration"), without: noFlag("kube-apiserver", "service-account-extend-token-expiration"), want: "false"},
	{id: "1.3.2", command: flag("kube-controller-manager", "profiling"), without: noFlag("kube-controller-manager", "profiling"), want: "false"},
	{id: "1.4.1", command: flag("kube-scheduler", "profiling"), without: noFlag("kube-scheduler", "profiling"), want: "false"},
	{id: "4.1.1", command: "stat -c %a $ROOT" + kubeletUnit, without: "chmod 644 $ROOT" + kubeletUnit, want: "600", worker: true},
	{id: "4.1.9", command: "stat -c %a $ROOT" + kubeletConfig, without: "chmod 644 $ROOT" + kubeletConfig, want: "600", worker: true},
}

const (
	kubeletUnit   = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"
	kubeletConfig = "/var/lib/kubelet/config.yaml"
)

// flag prints what a program of the control plane is given, and noFlag takes it out.
func flag(program, name string) string {
	return fmt.Sprintf("sed -n 's/^ *- --%s=//p' $ROOT/etc/kubernetes/manifests/%s.yaml", name, program)
}

func noFlag(program, name string) string {
	return fmt.Sprintf("sed -i '/--%s=/d' $ROOT/etc/kubernetes/manifests/%s.yaml", name, program)
}

// scratch copies what the checks look at to a root folder of their own.
const scratch = "ROOT=$(mktemp -d); trap 'rm -rf $ROOT' EXIT; mkdir -p $ROOT/var/lib; cd /; cp -a --parents ./etc/kubernetes/manifests ." + kubeletUnit + " ." + kubeletConfig + " $ROOT; " +
	"[ ! -e /var/lib/etcd ] || { mkdir $ROOT/var/lib/etcd; chown --reference=/var/lib/etcd $ROOT/var/lib/etcd; chmod --reference=/var/lib/etcd $ROOT/var/lib/etcd; }"

// hardened runs the checks; each fails when its setting is taken out, and passes before.
func hardened(l *lab) {
	for cluster, nodes := range want {
		for i, node := range nodes {
			for _, c := range benchmark {
				if i > 0 && !c.worker {
					continue
				}
				script := fmt.Sprintf("set -e; ROOT=; %s; %s; %s; %s; echo \"without: $(%s)\"", c.command, scratch, c.command, c.without, c.command)
				got := l.run(node, "sudo sh -c '"+strings.ReplaceAll(script, "'", `'\''`)+"'")
				here, copied, without := answers(got)
				if here != c.want || copied != c.want {
					l.Errorf("%s: %s: found %q, and %q in a copy; want %q", c.id, node, here, copied, c.want)
				}
				if without == c.want {
					l.Errorf("%s: %s: found %q without the setting, too: the check proves nothing", c.id, node, without)
				}
			}
		}
		encryptedSecret(l, cluster)
		baseline(l, cluster)
	}
	audited(l, "london")
}

// answers are a check's of the machine, of a copy, and of the copy without the setting.
func answers(out string) (here, copied, without string) {
	with, without, _ := strings.Cut(out, "without:")
	here, copied, _ = strings.Cut(strings.TrimSpace(with), "\n")
	return here, copied, strings.TrimSpace(without)
}

// baseline tries to run a pod that is root on its node, in a namespace of others and in one
// of the program's. Nothing is made.
func baseline(l *lab, cluster string) {
	l.Helper()
	privileged := true
	try := func(namespace string) error {
		_, err := l.cluster(cluster).CoreV1().Pods(namespace).Create(l.ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "root"},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "root", Image: registry.Tools, SecurityContext: &corev1.SecurityContext{Privileged: &privileged},
			}}},
		}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	if err := try("kube-public"); err == nil || !strings.Contains(err.Error(), `violates PodSecurity "baseline:latest": privileged`) {
		l.Errorf("%s: a privileged pod: %v; want it refused", cluster, err)
	}
	if err := try("kube-system"); err != nil {
		l.Errorf("%s: a privileged pod of the program's own namespace is refused: %v", cluster, err)
	}
}

// rebootsReported has a machine wait for a reboot, as Ubuntu's packages do, and not any more.
func rebootsReported(l *lab, cluster, node string) {
	says := func(command string) string {
		l.run(node, "sudo sh -c '"+command+"; systemctl start hybrid-report-reboots'")
		out, _ := l.ask("status")
		return out
	}
	const want = "waits for a reboot, because of linux-base linux-image-6.8.0-50-generic"
	if out := says(`cd /var/run; : >reboot-required; printf "%s\n" linux-image-6.8.0-50-generic linux-base >reboot-required.pkgs`); !strings.Contains(out, "node "+node+" of "+cluster+" "+want) {
		l.Errorf("hybrid status doesn't say that %s waits for a reboot:\n%s", node, out)
	}
	if out := says("rm /var/run/reboot-required*"); strings.Contains(out, "waits for a reboot") {
		l.Errorf("hybrid status says still that %s waits for a reboot:\n%s", node, out)
	}
}

// reboots has two machines wait for a reboot, and gives these their turns and no others: a
// control plane, and the node of the database's leader.
func reboots(l *lab) {
	waiting := []string{"frankfurt-1", "london-2"} // in the order of their turns
	for _, node := range waiting {
		l.run(node, "sudo sh -c ': >/var/run/reboot-required; echo linux-base >/var/run/reboot-required.pkgs; systemctl start hybrid-report-reboots'")
	}
	before := l.boots()
	const ordered = "frankfurt-1 of frankfurt: waits for it, because of linux-base\nlondon-2 of london: waits for it, because of linux-base\n"
	// There is none who could answer.
	if out, err := l.ask("reboot"); err == nil || !strings.HasSuffix(out, ordered) || !strings.Contains(err.Error(), "nothing has been changed") {
		l.Errorf("hybrid reboot, without an answer: %v\n%s\nwant\n%s", err, out, ordered)
	}
	if now := l.boots(); !maps.Equal(now, before) {
		l.Fatalf("boots were %v, now they are %v: want none changed without an answer", before, now)
	}
	watched := l.watchNodes()
	start := time.Now()
	out, err := l.ask("reboot", "--yes")
	took, most := time.Since(start), watched()
	fmt.Print(out)
	if err != nil {
		l.Fatal(err)
	}
	fmt.Printf("--- %d nodes were rebooted in %s; out of work at a time: %v\n", len(waiting), took.Round(time.Second), most)
	if len(most) != 1 {
		l.Errorf("%v were out of work at the same time, want one node and no more", most)
	}
	for node, boot := range l.boots() {
		if (boot != before[node]) != slices.Contains(waiting, node) {
			l.Errorf("%s: its boot was %s, now it is %s; want another one of %v alone", node, before[node], boot, waiting)
		}
	}
	if first, second := strings.Index(out, "frankfurt-1: is back at work"), strings.Index(out, "london-2: is drained of"); first < 0 || second < first {
		l.Errorf("frankfurt-1 is back at %d, and london-2 is drained at %d of what it says", first, second)
	}
	l.allReady(want)
	for cluster := range want {
		list, err := l.cluster(cluster).CoreV1().Nodes().List(l.ctx, metav1.ListOptions{})
		if err != nil {
			l.Fatal(err)
		}
		for _, n := range list.Items {
			for _, left := range []string{"hybrid/reboot", "hybrid/reboot-turn"} {
				if value, ok := n.Annotations[left]; ok {
					l.Errorf("%s has the annotation %s still: %s", n.Name, left, value)
				}
			}
			if n.Spec.Unschedulable {
				l.Errorf("%s lets no pods in", n.Name)
			}
		}
	}
	l.eventually(time.Minute, func() error { _, err := l.ask("status"); return err })
	if out, err := l.ask("reboot", "--yes"); err != nil || out != "no node waits for a reboot\n" {
		l.Errorf("afterwards hybrid reboot says %q, %v", out, err)
	}
}

// boots are the IDs of all nodes' boots.
func (l *lab) boots() map[string]string {
	l.Helper()
	boots := map[string]string{}
	for cluster := range want {
		list, err := l.cluster(cluster).CoreV1().Nodes().List(l.ctx, metav1.ListOptions{})
		if err != nil {
			l.Fatal(err)
		}
		for _, n := range list.Items {
			boots[n.Name] = n.Status.NodeInfo.BootID
		}
	}
	return boots
}

// encryptedSecret reads what etcd has stored, past the API server: nothing plain of a
// Secret. What is no Secret can be read there, or this would prove nothing. The way
// there is an exec, for which the API server verifies the kubelet's certificate.
func encryptedSecret(l *lab, cluster string) {
	l.Helper()
	secret, err := l.cluster(cluster).CoreV1().Secrets("kube-system").Get(l.ctx, "weave-passwd", metav1.GetOptions{})
	if err != nil {
		l.Fatal(err)
	}
	controlPlane := want[cluster][0]
	stored := func(key string) string {
		out, err := base64.StdEncoding.DecodeString(l.run(controlPlane, fmt.Sprintf("sudo kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-system exec etcd-%s -- "+
			"etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/server.crt --key /etc/kubernetes/pki/etcd/server.key "+
			"get %s --print-value-only | base64 -w 0", controlPlane, key)))
		if err != nil {
			l.Fatal(err)
		}
		return string(out)
	}
	if got := stored("/registry/secrets/kube-system/weave-passwd"); !strings.HasPrefix(got, "k8s:enc:secretbox:v1:key1:") || strings.Contains(got, string(secret.Data["weave-passwd"])) {
		l.Errorf("%s: etcd has the Secret weave-passwd as %.30q…, want it encrypted", cluster, got)
	}
	if got := stored("/registry/configmaps/kube-system/kubeadm-config"); !strings.Contains(got, "clusterName: "+cluster) {
		l.Errorf("%s: found %.30q…, want the ConfigMap kubeadm-config in the clear", cluster, got)
	}
}

// audited looks for who has just read the Secret, and what it holds.
func audited(l *lab, cluster string) {
	l.Helper()
	log := l.run(want[cluster][0], "sudo grep -h '\"resource\":\"secrets\",\"namespace\":\"kube-system\",\"name\":\"weave-passwd\"' /var/log/kubernetes/audit/audit.log")
	if !strings.Contains(log, `"username":"kubernetes-admin"`) || !strings.Contains(log, `"verb":"get"`) {
		l.Errorf("the audit log of %s doesn't say who has read the Secret weave-passwd:\n%.500s", cluster, log)
	}
	secret, err := l.cluster(cluster).CoreV1().Secrets("kube-system").Get(l.ctx, "weave-passwd", metav1.GetOptions{})
	if err != nil {
		l.Fatal(err)
	}
	password := secret.Data["weave-passwd"]
	count := l.run(want[cluster][0], fmt.Sprintf("sudo cat /var/log/kubernetes/audit/audit.log | grep -c -F -e '%s' -e '%s' || true", password, base64.StdEncoding.EncodeToString(password)))
	if strings.TrimSpace(count) != "0" {
		l.Errorf("the audit log of %s has the mesh's password, on %s lines", cluster, strings.TrimSpace(count))
	}
}

// reconfigured changes what kubelets are told, and the control planes too: it reaches
// the clusters that run, their pods run on, and what was there before goes on.
func reconfigured(l *lab) {
	before := l.replicas("london")
	changed := l.config(func(config map[string]any) {
		kubeadm := config["hybrid:kubeadm"].(map[string]any)
		kubeadm["kubeletConfiguration"].(map[string]any)["maxPods"] = 77
		kubeadm["clusterConfiguration"].(map[string]any)["scheduler"] = map[string]any{
			"extraArgs": []any{map[string]any{"name": "kube-api-qps", "value": "77"}},
		}
	})
	l.up(changed)
	for cluster, nodes := range want {
		for _, node := range nodes {
			n, err := l.cluster(cluster).CoreV1().Nodes().Get(l.ctx, node, metav1.GetOptions{})
			if err != nil {
				l.Fatal(err)
			}
			if got := n.Status.Capacity.Pods().Value(); got != 77 {
				l.Errorf("%s takes %d pods, want 77", node, got)
			}
		}
		if got := strings.TrimSpace(l.run(nodes[0], "sudo "+flag("kube-scheduler", "kube-api-qps"))); got != "77" {
			l.Errorf("%s: kube-api-qps of the scheduler is %q, want 77", nodes[0], got)
		}
	}
	l.must("preview", "--expect-no-changes", changed)
	if after := l.replicas("london"); !slices.Equal(before, after) {
		l.Errorf("PostgreSQL's pods in london were %v, now they are %v", before, after)
	}
	hardened(l)
	l.up()
	l.allReady(want)
}

// replicas are the UIDs and restarts of PostgreSQL's pods in a cluster.
func (l *lab) replicas(cluster string) []string {
	l.Helper()
	pods, err := l.cluster(cluster).CoreV1().Pods("default").List(l.ctx, metav1.ListOptions{LabelSelector: "app in (psql-master, psql-replica)"})
	if err != nil {
		l.Fatal(err)
	}
	var found []string
	for _, p := range pods.Items {
		for _, c := range p.Status.ContainerStatuses {
			found = append(found, fmt.Sprintf("%s %s %d", p.UID, c.Name, c.RestartCount))
		}
	}
	slices.Sort(found)
	return found
}
