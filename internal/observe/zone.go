package observe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

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
	address := server
	if _, _, err := net.SplitHostPort(server); err != nil {
		address = net.JoinHostPort(server, "53")
	}
	direct := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	_, err := direct.LookupNS(ctx, domain+".")
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return fmt.Errorf("it knows no zone %s", domain)
	}
	return err
}
