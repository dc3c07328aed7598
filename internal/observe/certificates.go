package observe

import (
	"crypto/x509"
	"encoding/pem"
	"time"

	"hybrid/internal/shell"
)

// month is how long before their end certificates are a problem that `pulumi up` solves. It
// is a day less than the 30 days before the end when a control plane renews an
// administrator's certificate (see the program's package clouds): then there is one to read.
const month = 29 * 24 * time.Hour

// certificates tells of those that end soon, unless a person does something.
func (p *diagnosis) certificates() {
	for _, e := range p.stack.Clusters {
		if c := p.stack.administrator(e.Name); c != nil && p.endsSoon(c.NotBefore, c.NotAfter) {
			p.ends(e.Name, "cluster "+e.Name+": the administrator's certificate in the kubeconfig", c.NotAfter)
		}
	}
	if end := p.stack.CertificatesEnd; !end.IsZero() && p.endsSoon(time.Time{}, end) {
		p.ends("", "cluster certificates: the first of the federation's and PostgreSQL's", end)
	}
}

func (p *diagnosis) ends(cluster, what string, end time.Time) {
	verb := " ends on "
	if end.Before(p.now) {
		verb = " has ended on "
	}
	object := cluster
	if object == "" {
		object = "the federation or PostgreSQL"
	}
	command := []string{"pulumi", "up"}
	if p.stack.Name != "" {
		command = append(command, "--stack", p.stack.Name)
	}
	text := what + verb + end.UTC().Format(time.DateOnly) + ": pulumi up renews it"
	if p.stack.File != "" {
		text += "; then write the kubeconfig again"
	}
	p.problem(certificatesEnd, cluster, object, text, shell.Join(command...))
}

// endsSoon: less than a month of it is left, and less than a third.
func (p *diagnosis) endsSoon(begin, end time.Time) bool {
	return end.Sub(p.now) < min(month, end.Sub(begin)/3)
}

// administrator is the certificate by which the kubeconfig enters a cluster; nil if that has
// another way in.
func (s *Stack) administrator(cluster string) *x509.Certificate {
	use := s.Kubeconfig.Contexts[cluster]
	if use == nil {
		return nil
	}
	user := s.Kubeconfig.AuthInfos[use.AuthInfo]
	if user == nil {
		return nil
	}
	block, _ := pem.Decode(user.ClientCertificateData)
	if block == nil {
		return nil
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return c
}
