package e2e

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// heard bounds the time until a pod has a Secret's new content: the kubelet's period, a
// minute, and half of one more
// (https://kubernetes.io/docs/concepts/configuration/secret/#mounted-secrets-are-updated-automatically).
const heard = 90 * time.Second

// rotated gives the database another password and other certificates while two clients
// write, one through a connection that it keeps. No server starts again, and no connection
// breaks. New connections may have to wait until client and server have the same password.
func rotated(l *lab) {
	const password = "another-password-of-the-superuser"
	config := certificates(l, 48, 1)
	l.must("config", "set", "--secret", "postgresPassword", password, "--config-file", strings.TrimPrefix(config, "--config-file="))
	from := l.written()
	w := l.startWriter(from)
	end := l.startSession("london", from+500_000)
	before, started := l.serving(), l.started()
	l.up(config)
	l.eventually(2*heard, func() error {
		for pod, certificate := range l.serving() {
			if certificate == before[pod] {
				return fmt.Errorf("%s still shows its former certificate", pod)
			}
		}
		out, err := l.kube("SELECT 1", "london", "exec", "-i", "client", "--", "sh", "-c", "service=psql-master; "+strings.Replace(connect, "$(cat /etc/password/postgres)", password, 1))
		if err == nil && out != "1" {
			err = fmt.Errorf("the new password: found %q", out)
		}
		return err
	})
	l.rest(heard) // the clients' own files
	rows, _ := w.end("password and certificates were rotated", 2*heard)
	l.everywhere(rows)
	l.everywhere(end())
	if now := l.started(); !maps.Equal(now, started) {
		l.Errorf("servers have been started at\n%v, want them as they were\n%v", now, started)
	}
	if err := l.follow("", seeds); err != nil {
		l.Error(err)
	}
	l.must("preview", "--expect-no-changes", config)
	l.up()
	l.streamAgain("the former settings are back", "", seeds)
}

// startSession writes rows through one connection of the client in a cluster. Its end fails
// if the connection did, and returns the rows.
func (l *lab) startSession(cluster string, from int) (end func() []int) {
	l.Helper()
	l.client(cluster)
	keep := strings.Replace(connect, "timeout 10 ", "", 1)
	const begin = `rm -f /dev/shm/enough /dev/shm/session /dev/shm/said; sh -c "$1" sh "$2" </dev/null >/dev/null 2>&1 &`
	loop := `service=psql-master; n=$1
{ while [ ! -e /dev/shm/enough ]; do echo "INSERT INTO acked VALUES ($n) RETURNING n;"; n=$((n + 1)); sleep 0.1; done; } |
` + keep + ` >/dev/shm/said 2>/dev/shm/wrong
echo "$?" >/dev/shm/session`
	if _, err := l.kube("", cluster, "exec", "client", "--", "sh", "-c", begin, "sh", loop, strconv.Itoa(from)); err != nil {
		l.Fatal(err)
	}
	return func() []int {
		l.Helper()
		out, err := l.kube("", cluster, "exec", "client", "--", "sh", "-c", ": >/dev/shm/enough; until [ -s /dev/shm/session ]; do sleep 0.1; done; cat /dev/shm/said /dev/shm/wrong; echo ended $(cat /dev/shm/session)")
		if err != nil {
			l.Fatal(err)
		}
		said, ok := strings.CutSuffix(strings.TrimSpace(out), "\nended 0")
		if !ok {
			l.Fatalf("a connection that was kept has failed: %s", tail(out, 5))
		}
		var rows []int
		for _, field := range strings.Fields(said) {
			n, err := strconv.Atoi(field)
			if err != nil {
				l.Fatalf("the session says %q", field)
			}
			rows = append(rows, n)
		}
		if len(rows) == 0 {
			l.Fatal("no row was written through the connection that was kept")
		}
		return rows
	}
}

// showCertificate prints a hash of the certificate that a PostgreSQL server shows, which has
// to be of the stack's authority. It asks for TLS as clients do
// (https://www.postgresql.org/docs/17/protocol-message-formats.html, SSLRequest).
const showCertificate = `import hashlib, socket, ssl, sys
s = socket.create_connection((sys.argv[1], 5432), 5)
s.sendall(bytes([0, 0, 0, 8, 4, 210, 22, 47]))
assert s.recv(1) == b"S"
c = ssl.create_default_context(cafile="/etc/tls/ca.crt")
c.check_hostname = False
print(hashlib.sha256(c.wrap_socket(s).getpeercert(True)).hexdigest())`

// serving are the certificates that servers show, by pod.
func (l *lab) serving() map[string]string {
	l.Helper()
	shown := map[string]string{}
	for pod, address := range l.databasePods() {
		out, err := l.kube("", "london", "exec", "client", "--", "python3", "-c", showCertificate, address)
		if err != nil {
			l.Fatal(err)
		}
		shown[pod[1]] = out
	}
	return shown
}

// started are the times at which servers were, by pod.
func (l *lab) started() map[string]string {
	l.Helper()
	return l.ofMembers(func(cluster, pod string) (string, error) {
		return l.psql(cluster, pod, "SELECT pg_postmaster_start_time()")
	})
}
