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

func (l *lab) clusters() map[string]clusterOutput {
	l.Helper()
	out, err := l.stack.Output(l.ctx, "stack", "output", "clusters", "--json")
	if err != nil {
		l.Fatal(err)
	}
	clusters := map[string]clusterOutput{}
	if err := json.Unmarshal(out, &clusters); err != nil {
		l.Fatal(err)
	}
	return clusters
}

// clusterOf maps the node names to their clusters.
func clusterOf(nodeName string) string { return nodeName[:strings.LastIndex(nodeName, "-")] }

// public is the address at which others reach a node.
func (l *lab) public(nodeName string) string {
	l.Helper()
	for _, n := range l.clusters()[clusterOf(nodeName)].Nodes {
		if n.Name == nodeName {
			return n.PublicAddress
		}
	}
	l.Fatalf("the stack's outputs have no node %s", nodeName)
	return ""
}

// hostKey is the SSH host key that the stack has pinned for a node.
func (l *lab) hostKey(nodeName string) ssh.PublicKey {
	l.Helper()
	_, resources := l.export()
	for _, r := range resources {
		if r.name() == nodeName+"-first-contact" {
			key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(r.Outputs["stdout"].(string)))
			if err != nil {
				l.Fatal(err)
			}
			return key
		}
	}
	l.Fatalf("the stack has met no %s", nodeName)
	return nil
}

// ssh runs a command on a node as its user would, with the stack's key and the
// pinned host key.
func (l *lab) ssh(nodeName, command string) (string, error) {
	l.Helper()
	var keys map[string]string
	if err := json.Unmarshal([]byte(l.secretOutput("sshPrivateKeys")), &keys); err != nil {
		l.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey([]byte(keys[clusterOf(nodeName)]))
	if err != nil {
		l.Fatal(err)
	}
	hostKey := l.hostKey(nodeName)
	client, err := ssh.Dial("tcp", net.JoinHostPort(l.public(nodeName), "22"), &ssh.ClientConfig{
		User: l.clusters()[clusterOf(nodeName)].SSHUser, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
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

// coreDNS checks that a cluster's own DNS is Available.
func (l *lab) coreDNS(cluster string) error {
	d, err := l.cluster(cluster).AppsV1().Deployments("kube-system").Get(l.ctx, "coredns", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("%s: %w", cluster, err)
	}
	if d.Status.AvailableReplicas == 0 {
		return fmt.Errorf("%s: no replica of CoreDNS is available", cluster)
	}
	return nil
}
