package servertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// start makes a witness, a master in london and replicas on the nodes.
func start(t *testing.T, nodes ...string) (w *world, witness, master *pod, replicas []*pod) {
	t.Helper()
	w = newWorld(t)
	witness = w.pod("witness", "america-2", 1).start()
	w.witness.lead(witness.address)
	master = w.pod("master", "london-2", 2).start()
	w.service.lead(master.address)
	for i, node := range nodes {
		replicas = append(replicas, w.pod("replica", node, 10+i).start())
	}
	master.writable(30 * time.Second)
	w.streaming(master, replicas...)
	return w, witness, master, replicas
}

// streaming waits until all replicas follow the master.
func (w *world) streaming(master *pod, replicas ...*pod) {
	w.Helper()
	want := map[string]int{}
	for _, r := range replicas {
		cluster, _, _ := strings.Cut(r.node, "-")
		want[cluster]++
	}
	w.eventually(60*time.Second, fmt.Sprintf("%d replicas stream", len(replicas)), func() error {
		out, err := master.query("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'")
		if err != nil {
			return err
		}
		got := map[string]int{}
		for _, name := range strings.Fields(out) {
			got[name]++
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("%v stream, want %v", got, want)
		}
		return nil
	})
}

func TestReplication(t *testing.T) {
	w, witness, master, replicas := start(t, "london-2", "frankfurt-2")
	master.must("CREATE TABLE rows (n integer PRIMARY KEY)")
	if _, err := w.client(w.service.address, "psql-master", "INSERT INTO rows VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	for _, r := range replicas {
		r.says(5*time.Second, "SELECT count(*) FROM rows", "1")
		// Readers come over the network, and can't write.
		if out, err := w.client(r.address, "psql-replica", "SELECT count(*) FROM rows"); err != nil || out != "1" {
			t.Errorf("reading from %s: %q, %v", r.node, out, err)
		}
		if _, err := w.client(r.address, "psql-replica", "INSERT INTO rows VALUES (2)"); err == nil || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("writing to %s: %v", r.node, err)
		}
	}
	if got := witness.must("SELECT epoch, cluster, phase, address FROM state"); got != "1|london|active|"+master.address {
		t.Errorf("the witness says %s", got)
	}
	if got := master.must("SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_replication r USING (pid) WHERE ssl"); got != "2" {
		t.Errorf("%s of 2 replicas use TLS", got)
	}
	if got := master.must("SELECT count(*) FROM pg_authid WHERE rolcanlogin AND rolpassword LIKE 'SCRAM-SHA-256$%'"); got != "2" {
		t.Errorf("%s of 2 roles have a SCRAM password", got)
	}
	for name, connection := range map[string]string{
		"without TLS":          "sslmode=disable user=postgres",
		"with another name":    "sslmode=verify-full host=elsewhere user=postgres",
		"as replicator to SQL": "sslmode=require user=replicator",
	} {
		out, err := master.run("SELECT 1", filepath.Join(w.bin, "psql"), "-X", "host=psql-master hostaddr="+master.address+" port="+port+" dbname=postgres sslrootcert="+w.path("tls/ca.crt")+" passfile="+master.at("run/pass")+" "+connection)
		if err == nil {
			t.Errorf("%s: found %s, want to be refused", name, out)
		}
	}
	secrets(w, master, replicas[0], witness)
}

// secrets looks for the passwords where others could read them.
func secrets(w *world, pods ...*pod) {
	w.Helper()
	for i := range 50 { // while the supervisors do what they do
		all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		environments, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, path := range append(all, environments...) {
			text, err := os.ReadFile(path)
			if err == nil && (strings.Contains(string(text), postgresPassword) || strings.Contains(string(text), replicationPassword)) && !ours(path) {
				w.Errorf("%s has a password: %q", path, text)
			}
		}
		if i%10 == 9 {
			// Changed, they go into the servers.
			w.write("secrets/unused", fmt.Sprint(i))
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, p := range pods {
		if text := p.log.String(); strings.Contains(text, "(secret)") || strings.Contains(text, "SCRAM") {
			w.Errorf("the log of %s has a password", p.node)
		}
	}
}

// ours says whether a process is the test's own client, which has the password in
// its environment.
func ours(path string) bool {
	text, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
	return strings.HasPrefix(string(text), "PATH=/usr/bin:/bin\x00PGPASSWORD=") || strings.Contains(path, fmt.Sprintf("/proc/%d/", os.Getpid()))
}

func TestRestarts(t *testing.T) {
	w, witness, master, replicas := start(t, "london-2", "frankfurt-2")
	master.must("CREATE TABLE rows (n integer PRIMARY KEY); INSERT INTO rows SELECT generate_series(1, 1000)")
	for _, p := range append(replicas, master, witness) {
		p.says(5*time.Second, "SELECT 1", "1")
	}
	replicas[0].says(5*time.Second, "SELECT count(*) FROM rows", "1000")
	replicas[1].says(5*time.Second, "SELECT count(*) FROM rows", "1000")
	// The machines go, and come back.
	for _, p := range append(replicas, master, witness) {
		p.kill()
	}
	for _, p := range append(replicas, master, witness) {
		p.start()
	}
	master.writable(30 * time.Second)
	w.streaming(master, replicas...)
	for _, r := range replicas {
		if n := strings.Count(r.log.String(), "the copy is complete"); n != 1 {
			t.Errorf("%s has copied the data %d times, want once", r.node, n)
		}
	}
	// An orderly end.
	master.end()
	replicas[1].end()
	master.start()
	replicas[1].start()
	master.writable(30 * time.Second)
	w.streaming(master, replicas...)
	if got := master.must("SELECT count(*) FROM rows"); got != "1000" {
		t.Errorf("%s rows of 1000", got)
	}
}

// Passwords and certificates are renewed while everything runs.
func TestRenewal(t *testing.T) {
	w, _, master, replicas := start(t, "frankfurt-2")
	w.write("secrets/postgres", postgresPassword+"2")
	w.write("secrets/replication", replicationPassword+"2")
	w.eventually(30*time.Second, "the old password is refused", func() error {
		if _, err := w.client(master.address, "psql-master", "SELECT 1"); err == nil || !strings.Contains(err.Error(), "password") {
			return fmt.Errorf("found %v", err)
		}
		return nil
	})
	w.write("secrets/postgres", postgresPassword)
	certificates(w, "tls", "psql-master", "psql-replica", "psql-witness")
	master.writable(30 * time.Second)
	master.must("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
	w.streaming(master, replicas...)
}

// A replica that has been away for too long takes a new copy, by itself.
func TestReseed(t *testing.T) {
	w := newWorld(t)
	w.write("settings/parameters", "fsync = off\nshared_buffers = 4MB\nwal_keep_size = 0\nmax_wal_senders = 16\nmin_wal_size = 8MB\nmax_wal_size = 8MB\n")
	witness := w.pod("witness", "america-2", 1).start()
	w.witness.lead(witness.address)
	master := w.pod("master", "london-2", 2).start()
	w.service.lead(master.address)
	replica := w.pod("replica", "frankfurt-2", 10).start()
	master.writable(30 * time.Second)
	w.streaming(master, replica)
	replica.kill()
	master.must("CREATE TABLE rows (n integer, t text)")
	for range 4 {
		master.must("INSERT INTO rows SELECT n, repeat('x', 500) FROM generate_series(1, 10000) n; SELECT pg_switch_wal(); CHECKPOINT")
	}
	replica.start()
	replica.says(60*time.Second, "SELECT count(*) FROM rows", "40000")
	w.streaming(master, replica)
	if err := replica.log.has("taking a new copy"); err != nil {
		t.Error(err)
	}
	// What is damaged is replaced as well.
	replica.kill()
	if err := os.Remove(replica.at("data/pgdata/global/pg_control")); err != nil {
		t.Fatal(err)
	}
	replica.start()
	w.streaming(master, replica)
}

// The master's machine goes without a word to those who are connected, and its pod
// comes back with another address.
func TestReconnect(t *testing.T) {
	w, _, master, replicas := start(t, "london-2", "frankfurt-2")
	master.must("CREATE TABLE rows (n integer)")
	arrive := func(within time.Duration, sender string) {
		t.Helper()
		n := master.must("INSERT INTO rows VALUES (1); SELECT count(*) FROM rows")
		for _, r := range replicas {
			r.says(within, "SELECT count(*) FROM rows", n)
			if sender != "" {
				r.says(time.Second, "SELECT count(*) FROM pg_stat_wal_receiver WHERE conninfo LIKE '%hostaddr="+sender+" %'", "1")
			}
		}
	}
	arrive(5*time.Second, w.service.address)

	// Nobody answers, neither by name nor the witness, and then everybody does.
	w.service.sever(true)
	w.witness.sever(true)
	for _, r := range replicas {
		w.eventually(40*time.Second, "gave up on "+r.node, func() error { return r.log.has("giving up a connection") })
	}
	w.service.sever(false)
	w.witness.sever(false)
	master.writable(10 * time.Second)
	arrive(15*time.Second, "")

	// The pod moves, and the service still leads to where it was.
	w.service.sever(true)
	master.kill()
	master.address = "127.9.1.99"
	master.start()
	master.writable(20 * time.Second)
	arrive(30*time.Second, master.address)
}
