package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"hybrid/lab/vm"
)

const (
	domain      = "cluster.world"
	otherDomain = "other.world"
	// seen is how long machines may take to see that a name has changed. Pods ask
	// their cluster's CoreDNS, which remembers an answer for 30 seconds.
	seen       = 3 * time.Second
	seenByPods = 40 * time.Second
	// apiAnswers is how long an API may still take whose host's control plane has just come
	// back: the test before lets it die.
	apiAnswers = time.Minute
)

// TestZone goes through the life of a zone: each part needs the one before.
func TestZone(t *testing.T) {
	l := adopt(t)
	l.steps(t, []part{
		{name: "up", run: zoneUp},
		{name: "names resolve from machines and pods", run: func(l *lab) { resolve(l, domain) }},
		{name: "no other names, and no waiting for them", run: noOtherNames},
		{name: "the APIs prove to be their names", run: func(l *lab) { apisByName(l, domain) }},
		{name: "the federation proves to be its name", run: federationByName},
		{name: "a record is changed, and repaired", run: recordChanges},
		{name: "another domain", run: anotherDomain, long: true},
		{name: "switched off", run: zoneOff, long: true},
	})
	l.leave()
}

func zoneUp(l *lab) {
	l.standing()
	out, err := l.stack.Output(l.ctx, "stack", "output", "zone", "--json")
	if err != nil {
		l.Fatal(err)
	}
	var zone struct {
		Domain      string
		NameServers []string
	}
	if err := json.Unmarshal(out, &zone); err != nil {
		l.Fatal(err)
	}
	if zone.Domain != domain || len(zone.NameServers) != 4 || !strings.HasSuffix(zone.NameServers[0], ".googledomains.com.") {
		l.Errorf("the zone is %+v", zone)
	}
}

// names maps the zone's names to the addresses that they are to have.
func (l *lab) names(domain string) map[string][]string {
	l.Helper()
	names := map[string][]string{}
	for cluster, nodes := range want {
		names[cluster+"."+domain] = []string{l.public(nodes[0])}
	}
	for _, node := range want["america"] {
		names["federation."+domain] = append(names["federation."+domain], l.public(node))
	}
	for _, addresses := range names {
		slices.Sort(addresses)
	}
	return names
}

// ask is a shell command that prints a name's addresses, sorted.
func ask(name string) string {
	return fmt.Sprintf("getent ahostsv4 %s | awk '{ print $1 }'", name)
}

// answer checks what a command of ask has printed.
func answer(where, name, out string, err error, want []string) error {
	if err != nil {
		return fmt.Errorf("%s: %s: %w: %s", where, name, err, out)
	}
	got := strings.Fields(out)
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		return fmt.Errorf("%s: %s is %q, want %q", where, name, got, want)
	}
	return nil
}

// resolve looks all names up from every machine, and from a pod on each of them.
func resolve(l *lab, domain string) {
	pods := l.tools(want)
	for name, addresses := range l.names(domain) {
		for _, p := range pods {
			l.eventually(seen, func() error {
				out, err := l.ssh(p.node, ask(name))
				return answer(p.node, name, out, err, addresses)
			})
			l.eventually(seenByPods, func() error {
				out, err := l.in(p, ask(name))
				return answer("a pod on "+p.node, name, out, err, addresses)
			})
		}
	}
}

func noOtherNames(l *lab) {
	for _, name := range []string{"nowhere." + domain, "example.org"} {
		for _, p := range l.tools(want) {
			for where, run := range map[string]func(string) (string, error){
				p.node:               func(command string) (string, error) { return l.ssh(p.node, command) },
				"a pod on " + p.node: func(command string) (string, error) { return l.in(p, command) },
			} {
				// A packet may be lost on a busy machine. A name that is not answered takes
				// five seconds each time.
				l.eventually(20*time.Second, func() error {
					start := time.Now()
					if out, err := run("getent ahostsv4 " + name); err == nil {
						return fmt.Errorf("%s: %s is %s", where, name, out)
					}
					if took := time.Since(start); took > 4*time.Second {
						return fmt.Errorf("%s has asked for %s for %s", where, name, took.Round(time.Millisecond))
					}
					return nil
				})
			}
		}
	}
}

// handshake connects to a server as the administrator does, by a name that the lab's
// name server knows, and insists that it proves to be that name.
func (l *lab) handshake(kubeContext, name, port string) error {
	config, err := clientcmd.LoadFromFile(l.stack.Kubeconfig())
	if err != nil {
		return err
	}
	c, ok := config.Contexts[kubeContext]
	if !ok {
		return fmt.Errorf("the kubeconfig has no context %s", kubeContext)
	}
	authority := x509.NewCertPool()
	if !authority.AppendCertsFromPEM(config.Clusters[c.Cluster].CertificateAuthorityData) {
		return fmt.Errorf("context %s has no authority", kubeContext)
	}
	ctx, cancel := context.WithTimeout(l.ctx, 5*time.Second)
	defer cancel()
	conn, err := (&tls.Dialer{
		NetDialer: &net.Dialer{Resolver: vm.Resolver()},
		Config:    &tls.Config{RootCAs: authority, ServerName: strings.TrimSuffix(name, ".")},
	}).DialContext(ctx, "tcp", net.JoinHostPort(name, port))
	if err != nil {
		return fmt.Errorf("%s by the name %s: %w", kubeContext, name, err)
	}
	return conn.Close()
}

func apisByName(l *lab, domain string) {
	for cluster := range want {
		l.eventually(apiAnswers, func() error { return l.handshake(cluster, cluster+"."+domain+".", "6443") })
	}
	// The certificate of one is no good for another's name.
	var wrong x509.HostnameError
	config, err := clientcmd.LoadFromFile(l.stack.Kubeconfig())
	if err != nil {
		l.Fatal(err)
	}
	authority := x509.NewCertPool()
	authority.AppendCertsFromPEM(config.Clusters[config.Contexts["london"].Cluster].CertificateAuthorityData)
	conn, err := tls.Dial("tcp", net.JoinHostPort(l.public("london-1"), "6443"), &tls.Config{RootCAs: authority, ServerName: "frankfurt." + domain})
	if err == nil {
		conn.Close()
	}
	if !errors.As(err, &wrong) {
		l.Errorf("london's API, called frankfurt: %v", err)
	}
}

func federationByName(l *lab) {
	l.eventually(apiAnswers, func() error { return l.handshake("federation-cluster", "federation."+domain+".", "30443") })
}

// recordChanges changes a name in the vendor's console.
func recordChanges(l *lab) {
	const name, elsewhere = "london." + domain, "198.18.96.250"
	pods := l.tools(want)
	before := l.names(domain)[name]
	see := func(want []string) {
		l.Helper()
		p := find(l, pods, "frankfurt-2")
		l.eventually(seen, func() error {
			out, err := l.ssh(p.node, ask(name))
			return answer(p.node, name, out, err, want)
		})
		l.eventually(seenByPods, func() error {
			out, err := l.in(p, ask(name))
			return answer("a pod on "+p.node, name, out, err, want)
		})
	}
	l.command("cloud", "set", "gcp", name+".", "rrdatas", `["`+elsewhere+`"]`)
	see([]string{elsewhere})
	if out := l.must("refresh", "--yes", "--skip-preview"); !strings.Contains(out, "zone-london") {
		l.Error("pulumi refresh doesn't show that the record has changed")
	}
	l.up()
	see(before)
	l.must("preview", "--expect-no-changes")
}

// servers are the containers of the API servers, which have other IDs when they are
// restarted.
func (l *lab) servers() map[string]string {
	l.Helper()
	ids := map[string]string{}
	for cluster, nodes := range want {
		pod, err := l.cluster(cluster).CoreV1().Pods("kube-system").Get(l.ctx, "kube-apiserver-"+nodes[0], metav1.GetOptions{})
		if err != nil {
			l.Fatal(err)
		}
		ids[cluster] = pod.Status.ContainerStatuses[0].ContainerID
	}
	return ids
}

// gone checks that a name is in no zone any more.
func (l *lab) gone(name string) {
	l.Helper()
	l.eventually(seen, func() error {
		got, err := vm.Resolver().LookupHost(l.ctx, name)
		var answer *net.DNSError
		if errors.As(err, &answer) && answer.IsNotFound {
			return nil
		}
		return fmt.Errorf("%s: got %q, %v, want no such name", name, got, err)
	})
}

// outside are the custom resources that have nothing to do with the zone, nor with
// the federation, whose certificate has a name in it.
func (l *lab) outside() map[string]string {
	l.Helper()
	ids := l.ids()
	maps.DeleteFunc(ids, func(urn, _ string) bool { return strings.Contains(urn, "hybrid:federation:") })
	return ids
}

// anotherDomain changes the certificates of clusters that run, and replaces nothing
// but names.
func anotherDomain(l *lab) {
	before, servers := l.outside(), l.servers()
	other := l.config(func(settings map[string]any) { settings["hybrid:zone"] = map[string]any{"domain": otherDomain} })
	l.up(other)
	apisByName(l, otherDomain)
	resolve(l, otherDomain)
	l.gone("london." + domain + ".")
	if after := l.outside(); !maps.Equal(after, before) {
		l.Errorf("another domain has left other resources than before:\n%v\nwant\n%v", after, before)
	}
	if now := l.servers(); !maps.Equal(now, servers) {
		l.Errorf("API servers were restarted: %v, before %v", now, servers)
	}
	l.must("preview", "--expect-no-changes", other)
	l.allReady(want)
}

func zoneOff(l *lab) {
	before := l.outside()
	off := l.config(func(settings map[string]any) { settings["hybrid:zone"] = map[string]any{"enabled": false} })
	l.up(off)
	l.gone("london." + otherDomain + ".")
	if after := l.outside(); !maps.Equal(after, before) {
		l.Errorf("without a zone there are other resources:\n%v\nwant\n%v", after, before)
	}
	for urn := range l.ids() {
		if strings.Contains(urn, "hybrid:federation:Zone") {
			l.Errorf("%s is still there", urn)
		}
	}
	if out, err := l.stack.Output(l.ctx, "stack", "output", "zone"); err == nil {
		l.Errorf("there is an output of the zone: %s", out)
	}
	// The API is reached by its address, as ever, and no longer claims the name.
	l.allReady(want)
	l.must("preview", "--expect-no-changes", off)
	for cluster, nodes := range want {
		conn, err := tls.Dial("tcp", net.JoinHostPort(l.public(nodes[0]), "6443"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			l.Fatal(err)
		}
		names := conn.ConnectionState().PeerCertificates[0].DNSNames
		conn.Close()
		if slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, otherDomain) }) {
			l.Errorf("%s's certificate has the names %v", cluster, names)
		}
	}
}
