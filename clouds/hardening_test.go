package clouds

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// request is what a kubelet asks to be signed.
func request(t *testing.T, key crypto.Signer, subject pkix.Name, dns []string, addresses ...string) string {
	t.Helper()
	template := &x509.CertificateRequest{Subject: subject, DNSNames: dns}
	for _, a := range addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(a))
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// byTimer runs a script that a timer would run.
func byTimer(m *machine, script string) (stdout, stderr string, calls []string, err error) {
	return m.Run(timed(script), "timer", "")
}

// A node gets a certificate for itself, and for nothing else.
func TestApproveKubelets(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	node := pkix.Name{CommonName: "system:node:london-2", Organization: []string{"system:nodes"}}
	for name, c := range map[string]struct {
		user, conditions, request string
		approved                  bool
	}{
		"the node's own":            {"system:node:london-2", "", request(t, key, node, []string{"london-2"}, "10.10.0.3"), true},
		"approved already":          {"system:node:london-2", "Approved", request(t, key, node, []string{"london-2"}, "10.10.0.3"), false},
		"another's name":            {"system:node:london-2", "", request(t, key, node, []string{"london-1"}, "10.10.0.3"), false},
		"another's name as well":    {"system:node:london-2", "", request(t, key, node, []string{"london-2", "london-1"}, "10.10.0.3"), false},
		"another's address":         {"system:node:london-2", "", request(t, key, node, []string{"london-2"}, "10.10.0.2"), false},
		"another's address as well": {"system:node:london-2", "", request(t, key, node, []string{"london-2"}, "10.10.0.3", "10.10.0.2"), false},
		"no names":                  {"system:node:london-2", "", request(t, key, node, nil), false},
		"from another node":         {"system:node:london-1", "", request(t, key, node, []string{"london-2"}, "10.10.0.3"), false},
		"from an unknown node":      {"system:node:london-9", "", request(t, key, node, []string{"london-2"}, "10.10.0.3"), false},
		"from no node":              {"admin", "", request(t, key, node, []string{"london-2"}, "10.10.0.3"), false},
		"from a path":               {"system:node:../nodes/london-2", "", request(t, key, node, []string{"london-2"}, "10.10.0.3"), false},
		"not readable":              {"system:node:london-2", "", "AAAA", false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.File("var/lib/hybrid/nodes/london-2", "10.10.0.3\n")
			m.File("var/lib/hybrid/nodes/london-1", "10.10.0.2\n")
			m.Program("kubectl", `case $* in
			*range*) echo "csr-1 `+c.user+` `+c.conditions+`" ;;
			*spec.request*) echo `+c.request+` ;;
			esac`)
			stdout, stderr, calls, err := byTimer(m, approver)
			if err != nil {
				t.Errorf("%v: %s", err, stderr)
			}
			if approved := slices.Contains(calls, "kubectl certificate approve csr-1"); approved != c.approved {
				t.Errorf("approved is %v, want %v: %s%s", approved, c.approved, stdout, stderr)
			}
			if said := strings.Contains(stdout, "is not approved: "); said == (c.approved || c.conditions != "") {
				t.Errorf("found %q", stdout)
			}
		})
	}
}

// certificate is one that began some time ago and ends some time from now.
func certificate(t *testing.T, ago, left time.Duration) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-ago), NotAfter: time.Now().Add(left)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestRenewCertificates(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	holder := func(component string) string {
		return "kubectl -n kube-system get lease kube-" + component + " -o jsonpath={.spec.holderIdentity}"
	}
	restart := func(component string) []string {
		return []string{holder(component), "pkill -TERM -f -- --kubeconfig=/etc/kubernetes/" + component + ".conf", holder(component)}
	}
	renewed := append(append([]string{"kubeadm certs renew all"}, restart("controller-manager")...), restart("scheduler")...)
	for name, c := range map[string]struct {
		server, authority string
		calls             []string
	}{
		"new":                              {certificate(t, 0, 365*day), certificate(t, 0, 3650*day), nil},
		"a year's, 31 days before its end": {certificate(t, 334*day, 31*day), certificate(t, 0, 3650*day), nil},
		"a year's, 29 days before its end": {certificate(t, 336*day, 29*day), certificate(t, 0, 3650*day), renewed},
		"an hour's, half-way":              {certificate(t, time.Hour/2, time.Hour/2), certificate(t, 0, 3650*day), nil},
		"an hour's, in its last third":     {certificate(t, 50*time.Minute, 10*time.Minute), certificate(t, 0, 3650*day), renewed},
		"one that has ended":               {certificate(t, 400*day, -35*day), certificate(t, 0, 3650*day), renewed},
		// An authority is not renewed: everything would have to follow.
		"an authority that ends": {certificate(t, 0, 365*day), certificate(t, 3640*day, 10*day), nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.File("etc/kubernetes/pki/apiserver.crt", c.server)
			m.File("etc/kubernetes/pki/ca.crt", c.authority)
			m.File("etc/kubernetes/pki/etcd/ca.crt", c.authority)
			m.Program("kubectl", `case $* in *scheduler*) cat `+m.Dir+`/scheduler ;; *) cat `+m.Dir+`/manager ;; esac`)
			m.Program("pkill", `case $* in *scheduler*) echo new >`+m.Dir+`/scheduler ;; *) echo new >`+m.Dir+`/manager ;; esac`)
			m.File("scheduler", "old\n")
			m.File("manager", "old\n")
			_, stderr, calls, err := byTimer(m, renewer)
			if err != nil {
				t.Errorf("%v: %s", err, stderr)
			}
			called(t, calls, c.calls...)
		})
	}
}

// A renewal that was interrupted, or after which a component didn't come back, is made
// again, although no certificate is due any more.
func TestInterruptedRenewal(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.File("etc/kubernetes/pki/apiserver.crt", certificate(t, 364*24*time.Hour, 24*time.Hour))
	m.File("etc/kubernetes/pki/etcd/server.crt", certificate(t, 0, 24*time.Hour))
	m.Program("kubectl", "echo old") // nothing takes over
	_, stderr, calls, err := byTimer(m, renewer)
	if err == nil || !strings.Contains(stderr, "kube-controller-manager") {
		t.Errorf("called %v: found %v, %s", calls, err, stderr)
	}
	m.File("etc/kubernetes/pki/apiserver.crt", certificate(t, 0, 365*24*time.Hour))
	m.Program("kubectl", "cat "+m.Dir+"/holder")
	m.Program("pkill", "echo $* >"+m.Dir+"/holder")
	m.File("holder", "old\n")
	_, stderr, calls, err = byTimer(m, renewer)
	if err != nil || len(calls) != 7 {
		t.Errorf("called %v: %v %s", calls, err, stderr)
	}
	if _, err := os.Stat(m.Dir + "/var/lib/hybrid/renewing"); err == nil {
		t.Error("the renewal is taken for interrupted still")
	}
	_, _, calls, err = byTimer(m, renewer)
	if err != nil || len(calls) > 0 {
		t.Errorf("called %v: %v", calls, err)
	}
}

// admin.conf is read again before its certificate ends, and after the control plane has
// renewed it.
func TestAdminConfAges(t *testing.T) {
	t.Parallel()
	for period, want := range map[string][2]float64{"": {8760, 696}, "48h0m0s": {48, 15}, "1h0m0s": {1, 0}} {
		a := args(AWS)
		if period != "" {
			a.Kubeadm.ClusterConfiguration = document{"certificateValidityPeriod": period}
		}
		r := build(t, "london", a, false, nil)
		age := r.Find(t, "london-admin-conf-age")
		if got := [2]float64{at(age, "validityPeriodHours").(float64), at(age, "earlyRenewalHours").(float64)}; got != want {
			t.Errorf("%q: lives for %v hours, want %v", period, got, want)
		}
		if !r.Needs("london-1-admin-conf", "london-admin-conf-age") {
			t.Errorf("%q: admin.conf is not read again when its age changes", period)
		}
	}
}

// A node says whether it waits for a reboot, and reboots when it is asked by the ID of its
// present boot.
func TestReportReboots(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.File("var/lib/hybrid/node", "london-2\n")
	m.File("proc/sys/kernel/random/boot_id", "this-boot\n")
	const (
		get      = "kubectl get node london-2 --request-timeout 20s -o jsonpath={.metadata.annotations.hybrid/reboot-required}={.metadata.annotations.hybrid/reboot}"
		annotate = "kubectl annotate node london-2 --overwrite --request-timeout 20s hybrid/reboot-required="
		kernel   = "linux-base linux-image-6.8.0-50-generic"
	)
	for _, c := range []struct {
		name    string
		said    string // by the node, as the cluster has it
		prepare func()
		calls   []string
	}{
		{"at first", "=", func() {}, []string{annotate + "no"}},
		{"nothing to report", "no=", func() {}, nil},
		{"a new kernel", "no=", func() {
			m.File("var/run/reboot-required", "*** System restart required ***\n")
			m.File("var/run/reboot-required.pkgs", "linux-image-6.8.0-50-generic\nlinux-base\nlinux-base\n")
		}, []string{annotate + kernel}},
		{"still", kernel + "=", func() {}, nil},
		{"the API is away", "", func() {}, nil},
		{"asked", kernel + "=this-boot", func() {}, []string{"systemctl reboot"}},
		{"asked by another boot", kernel + "=that-boot", func() {}, nil},
		{"rebooted", kernel + "=that-boot", func() { os.RemoveAll(m.Dir + "/var/run") }, []string{annotate + "no"}},
		{"asked without need", "no=this-boot", func() {}, []string{"systemctl reboot"}},
		{"without packages", "no=", func() { m.File("var/run/reboot-required", "") }, []string{annotate + "unknown"}},
	} {
		c.prepare()
		m.Program("kubectl", "[ $1 != get ] || echo '"+c.said+"'")
		if c.said == "" {
			m.Program("kubectl", "exit 1")
		}
		_, stderr, calls, err := byTimer(m, reporter)
		if (err != nil) != (c.said == "") {
			t.Errorf("%s: %v: %s", c.name, err, stderr)
		}
		called(t, calls, append([]string{get}, c.calls...)...)
	}
	// Nothing tells which boot this is.
	m.File("proc/sys/kernel/random/boot_id", "")
	m.Program("kubectl", "[ $1 != get ] || echo 'no='")
	_, _, calls, err := byTimer(m, reporter)
	if err != nil {
		t.Error(err)
	}
	called(t, calls, get, annotate+"unknown")
}
