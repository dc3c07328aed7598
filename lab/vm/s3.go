package vm

import (
	"context"
	"crypto/tls"
	_ "embed"
	"fmt"
	"net"
	"path/filepath"

	"hybrid/lab/buckets"
	"hybrid/lab/registry/store"
	"hybrid/lab/system/paths"
)

// The S3 server's certificate is for the vendors' names of theirs. Of its authority there
// is no key any more; its certificate is in Pulumi.dev.yaml. They guard the lab and nothing
// else.
var (
	//go:embed s3/tls.crt
	s3Certificate string
	//go:embed s3/tls.key
	s3Key string
)

// ensureS3 starts the S3 server's container. What is in buckets is in a folder of this
// host, beside the clouds' own files, and outlives it.
func (h *Host) ensureS3(ctx context.Context) error {
	programs, err := store.Dir()
	if err != nil {
		return err
	}
	state, err := paths.State()
	if err != nil {
		return err
	}
	clouds := filepath.Join(state, paths.Clouds)
	if err := buckets.Ensure(clouds); err != nil {
		return err
	}
	const program, grants, data = "/programs", "/grants", "/data"
	return h.ensureServer(ctx, server{
		kind: kindS3, address: S3,
		program: filepath.Join(programs, store.S3),
		command: []string{program + "/" + store.S3, "-grants", grants, "-data", data, "-cert", "/tls.crt", "-key", "/tls.key"},
		mounts:  map[string]string{program: programs, grants: filepath.Join(clouds, buckets.Folder, buckets.Grants)},
		data:    map[string]string{data: filepath.Join(clouds, buckets.Folder, buckets.Data)},
		files:   map[string]string{"tls.crt": s3Certificate, "tls.key": s3Key},
		answers: awaitS3,
	})
}

// awaitS3 waits until it takes connections.
func awaitS3(ctx context.Context) error {
	return await(ctx, func() error {
		// Who it is is for those to check who trust it with something.
		conn, err := (&tls.Dialer{NetDialer: &net.Dialer{}, Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", net.JoinHostPort(S3.String(), "443"))
		if err != nil {
			return fmt.Errorf("the S3 server: %w", err)
		}
		return conn.Close()
	})
}
