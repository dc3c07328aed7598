package clouds

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// Patience is for how long an API should be asked again that doesn't answer: it may
	// be about to start.
	Patience = 40 * time.Second
	// askLimit bounds one question, dialLimit its connection.
	askLimit, dialLimit = 15 * time.Second, 10 * time.Second
)

// An API is the Kubernetes API that a context of a kubeconfig leads to.
type API struct {
	// Context is the context's name: the cluster's, or the federation's.
	Context string
	// Server is its URL.
	Server string

	// Authority is the certificate of who has signed the server's, PEM.
	Authority []byte
	// Token, or Certificate and Key (PEM), are what we prove ourselves by.
	Token            string
	Certificate, Key []byte
}

// RefusedError says that an API is there, and that it or we aren't who the kubeconfig
// says, or not any more: asking again doesn't help, and another kubeconfig may.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// APIs are those of a kubeconfig that this program has made. Its errors don't quote
// it.
func APIs(text string) ([]API, error) {
	k, err := parseKubeconfig(text)
	if err != nil {
		return nil, err
	}
	var all []API
	for _, c := range k.Contexts {
		a := API{Context: c.Name}
		var authority, certificate, key string
		for _, cluster := range k.Clusters {
			if cluster.Name == c.Context.Cluster {
				a.Server, authority = cluster.Cluster.Server, cluster.Cluster.CA
			}
		}
		for _, user := range k.Users {
			if user.Name == c.Context.User {
				a.Token, certificate, key = user.User.Token, user.User.Certificate, user.User.Key
			}
		}
		for _, field := range []struct {
			encoded string
			pem     *[]byte
		}{{authority, &a.Authority}, {certificate, &a.Certificate}, {key, &a.Key}} {
			if *field.pem, err = base64.StdEncoding.DecodeString(field.encoded); err != nil {
				return nil, fmt.Errorf("context %q of a kubeconfig: expected certificates and key in base64, found something else", c.Name)
			}
		}
		all = append(all, a)
	}
	return all, nil
}

// Reach asks the API until it answers as it should, or refuses to, or the context ends:
// it proves to be the one that the kubeconfig means, and knows us. As Pulumi's provider
// does, it goes by way of the environment's proxy.
func (a API) Reach(ctx context.Context) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	return insist(ctx, func() error { return a.ask(ctx, client) })
}

// insist asks until there is an answer, a refusal or no time left.
func insist(ctx context.Context, ask func() error) error {
	var last error
	for {
		err := ask()
		var refused *RefusedError
		switch {
		case err == nil, errors.As(err, &refused):
			return err
		case last != nil && ctx.Err() != nil:
			return last // the question was cut short
		}
		last = err
		select {
		case <-ctx.Done():
			return last
		case <-time.After(time.Second):
		}
	}
}

func (a API) client() (*http.Client, error) {
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(a.Authority) {
		return nil, fmt.Errorf("context %q of a kubeconfig: expected the certificate of an authority, found none", a.Context)
	}
	config := &tls.Config{RootCAs: authorities}
	if a.Token == "" {
		pair, err := tls.X509KeyPair(a.Certificate, a.Key)
		if err != nil {
			return nil, fmt.Errorf("context %q of a kubeconfig: %w", a.Context, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{Timeout: askLimit, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, DialContext: (&net.Dialer{Timeout: dialLimit}).DialContext,
	}}, nil
}

// ask asks once.
func (a API) ask(ctx context.Context, client *http.Client) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.Server+"/version", nil)
	if err != nil {
		return err
	}
	if a.Token != "" {
		request.Header.Set("Authorization", "Bearer "+a.Token)
	}
	answer, err := client.Do(request)
	if err != nil {
		var whole *url.Error
		if errors.As(err, &whole) {
			err = whole.Err // without the URL, which the caller names
		}
		var untrusted *tls.CertificateVerificationError
		if errors.As(err, &untrusted) {
			return &RefusedError{err}
		}
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16))
	switch answer.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return &RefusedError{fmt.Errorf("it answers %s%s", answer.Status, a.ended())}
	}
	return fmt.Errorf("it answers %s", answer.Status)
}

// ended says that our certificate has ended, if so.
func (a API) ended() string {
	pair, err := tls.X509KeyPair(a.Certificate, a.Key)
	if err != nil || pair.Leaf == nil || time.Now().Before(pair.Leaf.NotAfter) {
		return ""
	}
	return fmt.Sprintf(": the administrator's certificate has ended, on %s", pair.Leaf.NotAfter.Format(time.DateOnly))
}
