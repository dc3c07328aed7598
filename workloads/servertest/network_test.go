package servertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

// proxy is a service's address, or the way between two clusters: it leads to a pod,
// and can be cut.
type proxy struct {
	address string

	mu     sync.Mutex
	target string
	cut    bool
	conns  map[net.Conn]net.Conn
}

func newProxy(t *testing.T, address string) *proxy {
	t.Helper()
	p := &proxy{address: address, conns: map[net.Conn]net.Conn{}}
	l, err := net.Listen("tcp", address+":"+port)
	if err != nil {
		t.Fatalf("these tests use addresses of the loopback network, 127.9.0.0/16, at port %s: %v", port, err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

// lead makes new connections go to a pod.
func (p *proxy) lead(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = to
}

// sever makes packets vanish, both ways, for good for the connections there are.
func (p *proxy) sever(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	if cut {
		p.conns = map[net.Conn]net.Conn{}
	}
}

func (p *proxy) serve(c net.Conn) {
	p.mu.Lock()
	target, cut := p.target, p.cut
	p.mu.Unlock()
	if target == "" {
		c.Close()
		return
	}
	if cut {
		return // and say nothing, for ever
	}
	to, err := net.DialTimeout("tcp", target+":"+port, 5*time.Second)
	if err != nil {
		c.Close()
		return
	}
	p.mu.Lock()
	p.conns[c] = to
	p.mu.Unlock()
	go p.pipe(c, to, c)
	p.pipe(to, c, c)
}

func (p *proxy) pipe(to, from, key net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		_, passes := p.conns[key]
		p.mu.Unlock()
		if !passes {
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				from.Close()
				return
			}
		}
		if err != nil {
			if err != io.EOF {
				from.Close()
			}
			to.Close()
			return
		}
	}
}

// certificates writes an authority and a server's certificate into a folder.
func certificates(w *world, dir string, names ...string) {
	w.Helper()
	make := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			w.Fatal(err)
		}
		if signer == nil {
			signer = key
		}
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		if err != nil {
			w.Fatal(err)
		}
		return der, key
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, key := make(authority, authority, nil)
	server, serverKey := make(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names}, authority, key)
	private, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		w.Fatal(err)
	}
	for name, block := range map[string]pem.Block{
		"ca.crt": {Type: "CERTIFICATE", Bytes: der}, "tls.crt": {Type: "CERTIFICATE", Bytes: server}, "tls.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		w.write(dir+"/"+name, string(pem.EncodeToMemory(&block)))
	}
}
