package e2e

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// joinToken matches kubeadm's tokens, which are secret for the day that they live.
var joinToken = regexp.MustCompile(`\b[a-z0-9]{6}\.[a-z0-9]{16}\b`)

// secrets are all that must never be seen in the clear: the private keys of SSH
// and of the clusters' administrators, the mesh's password, the federation's token,
// and the database's passwords and key.
func (l *lab) secrets() []string {
	l.Helper()
	var found []string
	for _, key := range l.access().SSHPrivateKeys {
		// The second line is the first of the encoded key, the third is private.
		lines := strings.Split(strings.TrimSpace(key), "\n")
		found = append(found, lines[2])
	}
	config, err := clientcmd.LoadFromFile(l.stack.Kubeconfig())
	if err != nil {
		l.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		if user.Token != "" { // the federation's
			found = append(found, user.Token)
			continue
		}
		found = append(found, string(user.ClientKeyData[40:100]))
	}
	for cluster := range want {
		secret, err := l.cluster(cluster).CoreV1().Secrets("kube-system").Get(l.ctx, "weave-passwd", metav1.GetOptions{})
		if err != nil {
			l.Fatal(err)
		}
		password := secret.Data["weave-passwd"]
		found = append(found, string(password), base64.StdEncoding.EncodeToString(password))
	}
	database := l.database()
	found = append(found, database...)
	if len(found) != 4*len(want)+1+len(database) || slices.Contains(found, "") {
		l.Fatalf("found %d secrets, want a key, an administrator and a password, twice, of each cluster, the federation's token and the database's", len(found))
	}
	return found
}

// database are the secrets of PostgreSQL's members.
func (l *lab) database() []string {
	l.Helper()
	var found []string
	for _, name := range []string{"psql-password", "psql-tls"} {
		secret, err := l.cluster("london").CoreV1().Secrets("default").Get(l.ctx, name, metav1.GetOptions{})
		if err != nil {
			l.Fatal(err)
		}
		for file, data := range secret.Data {
			lines := strings.Split(strings.TrimSpace(string(data)), "\n")
			switch {
			case len(lines) == 1:
				found = append(found, lines[0])
			case file == "tls.key":
				found = append(found, lines[1])
			}
		}
	}
	if len(found) != 2 {
		l.Fatalf("found %d secrets of the database, want a password and a key", len(found))
	}
	return found
}

func noSecrets(l *lab) {
	raw, _ := l.export()
	for _, secret := range l.secrets() {
		if strings.Contains(raw, secret) {
			l.Error("the exported state holds a secret in the clear")
		}
	}
	if found := joinToken.FindString(raw); found != "" {
		l.Errorf("the exported state holds a join token in the clear: %s…", found[:6])
	}
	userData := map[string][]string{}
	for _, nodes := range want {
		for _, node := range nodes {
			text := l.run(node, "sudo cat /var/lib/cloud/instance/user-data.txt")
			userData[text] = append(userData[text], node)
			for _, secret := range append(l.secrets(), "PRIVATE KEY", "password", "token") {
				if strings.Contains(text, secret) {
					l.Errorf("%s: user-data holds %.20q", node, secret)
				}
			}
		}
	}
	if len(userData) != 1 {
		l.Errorf("user-data differs between machines: %v", userData)
	}
}

// firewalls looks for ports that are open and should not be, with a positive
// control for each: the same connection from where it is allowed.
func firewalls(l *lab) {
	var ways []way
	for _, nodes := range want {
		controlPlane, worker := nodes[0], nodes[1]
		ways = append(ways,
			way{administrator, l.public(controlPlane), 22, true}, way{administrator, l.public(controlPlane), 6443, true},
			way{administrator, l.public(worker), 22, true},
			// kubelet listens on both, and serves the cluster's nodes only.
			way{administrator, l.public(controlPlane), 10250, false}, way{administrator, l.public(worker), 10250, false},
			way{worker, l.private(controlPlane), 10250, true}, way{controlPlane, l.private(worker), 10250, true},
			way{worker, l.private(controlPlane), 2379, false}, // etcd listens on this address too
			way{worker, l.private(controlPlane), 22, false})
	}
	// From one cluster into another nothing is open but the mesh, see meshPorts.
	for _, port := range []int{22, 6443, 10250} {
		ways = append(ways, way{"london-1", l.public("frankfurt-1"), port, false})
	}
	// The way out is open: the registry's port answers everyone.
	l.try(append(ways, way{"london-1", "198.18.0.5", 80, true}))
}

// administrator is where tests run.
const administrator = ""

// way is one from a node, or from the administrator, to a TCP port.
type way struct {
	from, address string
	port          int
	open          bool
}

// try says which of them are not as they should be. It tries eight at a time: one that is
// closed takes seconds, until its time is over.
func (l *lab) try(ways []way) {
	l.Helper()
	l.access() // which all have read then
	var all errgroup.Group
	all.SetLimit(8)
	for _, w := range ways {
		all.Go(func() error {
			if w.from == administrator {
				if open := reachable(w.address, fmt.Sprint(w.port)); open != w.open {
					l.Errorf("from the administrator to %s port %d: open is %v, want %v", w.address, w.port, open, w.open)
				}
				return nil
			}
			out, err := l.connect(w.from, w.address, w.port)
			var closed *ssh.ExitError
			if err != nil && !errors.As(err, &closed) {
				l.Errorf("%s can't be asked whether it reaches %s port %d: %v", w.from, w.address, w.port, err)
			} else if (err == nil) != w.open {
				l.Errorf("from %s to %s port %d: open is %v, want %v: %s", w.from, w.address, w.port, err == nil, w.open, out)
			}
			return nil
		})
	}
	_ = all.Wait() // what is wrong has been said
}

// reachable says whether a TCP port takes connections from this host.
func reachable(address, port string) bool {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, port), 2*time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

func (l *lab) private(nodeName string) string { return l.node(nodeName).PrivateAddress }

// connect opens a TCP connection from a node. bash can do that by itself.
func (l *lab) connect(from, address string, port int) (string, error) {
	return l.ssh(from, fmt.Sprintf("timeout 3 bash -c 'exec 3<>/dev/tcp/%s/%d'", address, port))
}
