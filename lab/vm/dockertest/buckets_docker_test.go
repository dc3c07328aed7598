package dockertest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hybrid/lab/buckets"
	"hybrid/lab/system/paths"
	"hybrid/lab/vm"
)

// TestBuckets enters Cloud Storage by requests that are signed in version 2, as restic's are:
// its S3 library signs in no other there.
func TestBuckets(t *testing.T) {
	l := Open(t)
	l.must(l.CreateNetwork(t.Context(), translated))
	const bucket, access, secret = "backup-1", "GOOG1EXAMPLE", "a secret"
	has := buckets.New()
	has.Buckets[bucket], has.Keys[access] = nil, secret
	has.Allow(bucket, buckets.Writing(bucket, []string{access})...)
	l.must(buckets.Write(filepath.Join(os.Getenv("HYBRID_LAB_STATE"), paths.Clouds), "gcp", has))
	client := l.googleClient()
	ask := func(method, path, resource, access, secret, body string, at time.Time) (int, string) {
		l.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "https://storage.googleapis.com"+path, strings.NewReader(body))
		l.must(err)
		r.Header.Set("Date", at.UTC().Format(http.TimeFormat))
		r.Header.Set("X-Amz-Meta-Life", "1")
		mac := hmac.New(sha1.New, []byte(secret))
		fmt.Fprintf(mac, "%s\n\n\n%s\nx-amz-meta-life:1\n%s", method, r.Header.Get("Date"), resource)
		r.Header.Set("Authorization", "AWS "+access+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		answer, err := client.Do(r)
		l.must(err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		l.must(err)
		return answer.StatusCode, string(text)
	}
	const object = "/" + bucket + "/etcd/london/config"
	now, text := time.Now(), strings.Repeat("a snapshot", 1000)
	for _, c := range []struct {
		name, method, path, resource, access, secret, body string
		at                                                 time.Time
		status                                             int
		answer                                             string
	}{
		{"what isn't there", "GET", object, object, access, secret, "", now, 404, "NoSuchKey"},
		{"written", "PUT", object, object, access, secret, text, now, 200, ""},
		{"read", "GET", object, object, access, secret, "", now, 200, text},
		{"a name that is escaped", "PUT", object + "%20of%20old", object + "%20of%20old", access, secret, text, now, 200, ""},
		{"a list", "GET", "/" + bucket + "/?list-type=2&prefix=etcd%2F", "/" + bucket + "/", access, secret, "", now, 200, "<Key>etcd/london/config of old</Key>"},
		{"a parameter that is signed", "GET", "/" + bucket + "/?uploads=", "/" + bucket + "/?uploads", access, secret, "", now, 200, "ListMultipartUploadsResult"},
		{"and isn't", "GET", "/" + bucket + "/?uploads=", "/" + bucket + "/", access, secret, "", now, 403, "SignatureDoesNotMatch"},
		{"another object's signature", "GET", object, object + "2", access, secret, "", now, 403, "SignatureDoesNotMatch"},
		{"another secret", "GET", object, object, access, "another", "", now, 403, "SignatureDoesNotMatch"},
		{"a key that there isn't", "GET", object, object, access + "2", secret, "", now, 403, "InvalidAccessKeyId"},
		{"one hour old", "GET", object, object, access, secret, "", now.Add(-time.Hour), 403, "RequestTimeTooSkewed"},
		{"another's bucket", "GET", "/backup-2/config", "/backup-2/config", access, secret, "", now, 404, "NoSuchBucket"},
		{"removed", "DELETE", object, object, access, secret, "", now, 204, ""},
	} {
		status, answer := ask(c.method, c.path, c.resource, c.access, c.secret, c.body, c.at)
		if status != c.status || !strings.Contains(answer, c.answer) {
			t.Errorf("%s: found %d %s, want %d with %s", c.name, status, answer, c.status, c.answer)
		}
	}
}

// googleClient finds Cloud Storage where the lab has it.
func (l *Lab) googleClient() *http.Client {
	l.Helper()
	certificate, err := os.ReadFile("../s3/tls.crt")
	l.must(err)
	authority := x509.NewCertPool()
	if !authority.AppendCertsFromPEM(bytes.TrimSpace(certificate)) {
		l.Fatal("../s3/tls.crt has no certificate")
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authority},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(vm.S3.String(), "443"))
		},
	}
	l.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
