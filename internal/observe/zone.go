package observe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
)

// nameServerVariable names a name server that is asked instead of the zone's own, for
// where these can't be reached.
const nameServerVariable = "HYBRID_NAMESERVER"

// readZone asks each of the zone's name servers for the zone.
func (o *Observer) readZone(ctx context.Context) {
	if o.stack.Domain == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	servers := make([]NameServer, len(o.stack.Servers))
	var all sync.WaitGroup
	for i, name := range o.stack.Servers {
		all.Go(func() {
			servers[i] = NameServer{Name: name, Answers: true}
			if err := askZone(ctx, name, o.stack.Domain); err != nil {
				servers[i] = NameServer{Name: name, Error: plain(err).Error()}
			}
		})
	}
	all.Wait()
	o.mu.Lock()
	o.facts.zone = servers
	o.mu.Unlock()
	o.notify()
}

// askZone asks a name server, and no other, for the name servers of a domain: a
// zone has these, whatever else is in it.
func askZone(ctx context.Context, server, domain string) error {
	address := strings.TrimSuffix(server, ".")
	if instead := os.Getenv(nameServerVariable); instead != "" {
		address = instead
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, "53")
	}
	direct := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	_, err := direct.LookupNS(ctx, strings.TrimSuffix(domain, ".")+".")
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return fmt.Errorf("it knows no zone %s", domain)
	}
	return err
}
