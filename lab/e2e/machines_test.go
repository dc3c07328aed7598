package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hybrid/lab/vm"
)

// node is one of the stack's output `clusters`.
type node struct{ Name, PublicAddress, PrivateAddress, EgressAddress string }

// clusterOutput is one cluster of that output.
type clusterOutput struct {
	Cloud, Region, SSHUser string
	Nodes                  []node
}

// access is what it takes to reach the nodes: the stack's outputs, and the SSH
// host keys that it has pinned.
type access struct {
	Clusters       map[string]clusterOutput
	SSHPrivateKeys map[string]string
	hostKeys       map[string]ssh.PublicKey
}

// access asks the stack once until the next `up`.
func (l *lab) access() *access {
	l.Helper()
	if l.known != nil {
		return l.known
	}
	out, err := l.stack.Output(l.ctx, "stack", "output", "--json", "--show-secrets")
	if err != nil {
		l.Fatal(err)
	}
	a := &access{hostKeys: map[string]ssh.PublicKey{}}
	if err := json.Unmarshal(out, a); err != nil {
		l.Fatal(err)
	}
	_, resources := l.export()
	for _, r := range resources {
		node, ok := strings.CutSuffix(r.name(), "-first-contact")
		if !ok {
			continue
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(r.Outputs["stdout"].(string)))
		if err != nil {
			l.Fatalf("%s: %v", r.name(), err)
		}
		a.hostKeys[node] = key
	}
	l.known = a
	return a
}

// clusterOf is the cluster of a node.
func clusterOf(nodeName string) string { return nodeName[:strings.LastIndex(nodeName, "-")] }

// node is what the stack says of a node.
func (l *lab) node(name string) node {
	l.Helper()
	for _, n := range l.access().Clusters[clusterOf(name)].Nodes {
		if n.Name == name {
			return n
		}
	}
	l.Fatalf("the stack's outputs have no node %s", name)
	return node{}
}

// public is the address at which others reach a node.
func (l *lab) public(nodeName string) string { return l.node(nodeName).PublicAddress }

// ssh runs a command on a node as its user would, with the stack's key and the
// pinned host key.
func (l *lab) ssh(nodeName, command string) (string, error) {
	l.Helper()
	a := l.access()
	signer, err := ssh.ParsePrivateKey([]byte(a.SSHPrivateKeys[clusterOf(nodeName)]))
	if err != nil {
		l.Fatal(err)
	}
	hostKey, ok := a.hostKeys[nodeName]
	if !ok {
		l.Fatalf("the stack has not met %s", nodeName)
	}
	client, err := ssh.Dial("tcp", net.JoinHostPort(l.public(nodeName), "22"), &ssh.ClientConfig{
		User: a.Clusters[clusterOf(nodeName)].SSHUser, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.FixedHostKey(hostKey), HostKeyAlgorithms: []string{hostKey.Type()},
		Timeout: 10 * time.Second,
	})
	if err != nil {
		return "", err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	out, err := session.CombinedOutput(command)
	return string(out), err
}

// run is ssh for what has to succeed.
func (l *lab) run(nodeName, command string) string {
	l.Helper()
	out, err := l.ssh(nodeName, command)
	if err != nil {
		l.Fatalf("%s: %s: %v\n%s", nodeName, command, err, out)
	}
	return out
}

// machines are a cluster's, as the hypervisor knows them.
func (l *lab) machines(cluster string) []vm.Status {
	l.Helper()
	all, err := l.host.Machines(l.ctx)
	if err != nil {
		l.Fatal(err)
	}
	var found []vm.Status
	for _, m := range all {
		if clusterOf(m.Name) == cluster {
			found = append(found, m)
		}
	}
	return found
}

// coreDNS checks that a cluster's own DNS is Available with all replicas, and that
// every node reaches it as a service: one with several endpoints asks more of
// kube-proxy than one with a single endpoint.
func (l *lab) coreDNS(cluster string, nodes []string) error {
	kube := l.cluster(cluster)
	d, err := kube.AppsV1().Deployments("kube-system").Get(l.ctx, "coredns", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("%s: %w", cluster, err)
	}
	if have, want := d.Status.AvailableReplicas, *d.Spec.Replicas; have != want {
		return fmt.Errorf("%s: %d of %d replicas of CoreDNS are available", cluster, have, want)
	}
	service, err := kube.CoreV1().Services("kube-system").Get(l.ctx, "kube-dns", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("%s: %w", cluster, err)
	}
	for _, node := range nodes {
		if out, err := l.connect(node, service.Spec.ClusterIP, 53); err != nil {
			return fmt.Errorf("%s doesn't reach the service kube-dns at %s: %w: %s", node, service.Spec.ClusterIP, err, out)
		}
	}
	return nil
}
