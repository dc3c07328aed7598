package observe

import (
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"hybrid/internal/fakecloud"
)

// nameServer answers for one domain, until the test ends.
func nameServer(t *testing.T, domain string) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		for buffer := make([]byte, 1500); ; {
			n, from, err := c.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			name := m.Questions[0].Name
			if name.String() == domain+"." {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: name, Type: dnsmessage.TypeNS, Class: dnsmessage.ClassINET, TTL: 1},
					Body:   &dnsmessage.NSResource{NS: dnsmessage.MustNewName("ns.example.org.")},
				}}
			} else {
				m.RCode = dnsmessage.RCodeNameError
			}
			if text, err := m.Pack(); err == nil {
				_, _ = c.WriteTo(text, from) // who has asked may have gone
			}
		}
	}()
	return c.LocalAddr().String()
}

func TestZone(t *testing.T) {
	mute, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	right, wrong := nameServer(t, "cluster.example"), nameServer(t, "other.example")
	o := observer(t, fakecloud.New(t, 1, 1))
	o.stack.Domain = "cluster.example"
	o.stack.Servers = []string{right, wrong, mute.LocalAddr().String()}
	start := time.Now()
	s := o.Look(t.Context())
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	if z := s.Zone; !z.Installed || len(z.NameServers) != 3 || !z.NameServers[0].Answers || z.NameServers[1].Answers || z.NameServers[2].Answers {
		t.Fatalf("zone: %+v", z)
	}
	if text := s.Zone.NameServers[1].Error; !strings.Contains(text, "knows no zone cluster.example") {
		t.Errorf("the wrong one: %s", text)
	}
	if n := len(s.Problems); n != 2 {
		t.Errorf("problems: %q", texts(s))
	}
	t.Setenv(nameServerVariable, right)
	if s = o.Look(t.Context()); !s.Healthy {
		t.Errorf("with another name server: %q", texts(s))
	}
}
