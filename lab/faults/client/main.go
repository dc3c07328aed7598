// Command client writes rows to a database and reads them, wherever it may, and prints
// each thing that it sees as a line of JSON (faults.Event). It reads what to do from the
// first line of its standard input, and ends with that.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"hybrid/lab/faults"
)

// lookupPause is the time between two questions for the members' addresses.
const lookupPause = time.Second

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	c := &client{out: json.NewEncoder(out), resolver: &net.Resolver{PreferGo: true}}
	if err := json.Unmarshal(line, &c.Plan); err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(c.CA)) {
		return errors.New("want an authority's certificate, found none")
	}
	c.tls = &tls.Config{RootCAs: pool, ServerName: c.Name, MinVersion: tls.VersionTLS12}
	c.resolver.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(c.Resolver, "53"))
	}
	go c.worker(faults.ByName, c.Write, (*worker).write)
	go c.worker(faults.ByName, c.Read, (*worker).read)
	go c.members()
	_, err = io.Copy(io.Discard, lines)
	return err
}

type client struct {
	faults.Plan
	tls      *tls.Config
	resolver *net.Resolver

	mu  sync.Mutex
	out *json.Encoder
}

// say prints an event.
func (c *client) say(e faults.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.out.Encode(e) // who has asked has gone
}

// members finds them, and lets a worker try to write to each, as long as the client
// lives: an address may come back.
func (c *client) members() {
	known := map[string]bool{}
	for ; ; time.Sleep(lookupPause) {
		ctx, cancel := context.WithTimeout(context.Background(), connectIn)
		addresses, err := c.resolver.LookupHost(ctx, c.Members)
		cancel()
		if err != nil {
			continue // the members that are known go on
		}
		for _, a := range addresses {
			if !known[a] {
				known[a] = true
				go c.worker(a, a, (*worker).write)
			}
		}
	}
}
