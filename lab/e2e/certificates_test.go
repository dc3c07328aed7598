package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"
)

// renewed makes certificates that end soon, and says then that they shall be
// renewed as long before their end as they are valid: at once.
func renewed(l *lab) {
	const hours = 48
	l.up(certificates(l, hours, 1))
	first := l.served()
	if got := first.NotAfter.Sub(first.NotBefore); got != hours*time.Hour {
		l.Errorf("the API's certificate is valid for %s, want %d hours", got, hours)
	}
	l.must("preview", "--expect-no-changes", certificates(l, hours, 1))
	members, err := l.members()
	if err != nil {
		l.Fatal(err)
	}
	stop := l.watchMembers()
	l.up(certificates(l, hours, hours))
	longest, problems := stop()
	fmt.Printf("--- while certificates were renewed the API was away for %s at most\n", longest.Round(100*time.Millisecond))
	for _, p := range problems {
		l.Error(p)
	}
	second := l.served()
	if first.SerialNumber.Cmp(second.SerialNumber) == 0 {
		l.Error("the API still has the certificate that was to be renewed")
	}
	if err := l.membersReady("london", "frankfurt", "america"); err != nil {
		l.Error(err)
	}
	l.sameMembers(members)
	// With the new certificates objects are checked, placed and made.
	l.place(idle("renewed", 3), twoToOne)
	l.spread("renewed", map[string]int{"frankfurt": 2, "london": 1})
	l.remove("renewed")
	l.up() // as long as by default
	if got := l.served(); got.SerialNumber.Cmp(second.SerialNumber) == 0 {
		l.Error("the API's certificate is valid for as long as before")
	}
	l.must("preview", "--expect-no-changes")
}

// watchMembers looks at the members until stop is called, which returns the longest
// time for which the API didn't answer, and which members weren't Ready.
func (l *lab) watchMembers() (stop func() (time.Duration, []string)) {
	client, before := l.karmada(), len(want)
	end, ended := make(chan struct{}), make(chan struct{})
	var longest time.Duration
	var problems []string
	go func() {
		defer close(ended)
		for answered := time.Now(); ; {
			if members, err := l.membersBy(client); err == nil {
				longest, answered = max(longest, time.Since(answered)), time.Now()
				if len(members) != before {
					problems = append(problems, fmt.Sprintf("the federation has had the members %v", slices.Sorted(maps.Keys(members))))
				}
				for name, m := range members {
					if p := "member " + name + " has not been Ready"; !m.ready && !slices.Contains(problems, p) {
						problems = append(problems, p)
					}
				}
			}
			select {
			case <-end:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return func() (time.Duration, []string) {
		close(end)
		<-ended
		return longest, problems
	}
}

// served is the certificate that the federation's API shows.
func (l *lab) served() *x509.Certificate {
	l.Helper()
	config := l.connection(federation)
	server, err := url.Parse(config.Host)
	if err != nil {
		l.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(config.CAData)
	conn, err := tls.Dial("tcp", server.Host, &tls.Config{RootCAs: roots})
	if err != nil {
		l.Fatalf("the federation's API at %s: %v", server.Host, err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// certificates are settings by which certificates are valid for so many hours, and
// renewed so many before their end.
func certificates(l *lab, valid, renew int) string {
	l.Helper()
	return l.config(func(settings map[string]any) {
		given, _ := settings["hybrid:federation"].(map[string]any)
		changed := map[string]any{"certificateHours": valid, "renewHours": renew}
		for k, v := range given {
			if _, ok := changed[k]; !ok {
				changed[k] = v
			}
		}
		settings["hybrid:federation"] = changed
	})
}
