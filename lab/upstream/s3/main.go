// Command s3 is a real S3 server, Versity's gateway, on folders of this host. Buckets and
// keys are those of the simulated clouds.
//
// It is a Go module of its own, so that the gateway's dependencies stay out of the lab's
// other programs.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3api/utils"
)

// anyRegion is what lets the gateway stand for all regions: see lab/build/edits.go.
const anyRegion = "any"

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "s3:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	grants := flag.String("grants", "", "the folder with the clouds' buckets and keys, a file NAME.json each")
	data := flag.String("data", "", "the folder of the objects")
	listen := flag.String("listen", ":443", "the address to listen on")
	cert := flag.String("cert", "", "the file of the server's certificate, PEM")
	key := flag.String("key", "", "the file of its key, PEM")
	flag.Parse()
	utils.SetBucketNameValidationStrict(true)
	objects, sidecar := filepath.Join(*data, "objects"), filepath.Join(*data, "meta")
	for _, dir := range []string{objects, sidecar} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	// Not in extended attributes: not every file system has them.
	attributes, err := meta.NewSideCar(sidecar)
	if err != nil {
		return err
	}
	store, err := posix.New(objects, attributes, posix.PosixOpts{SideCarDir: sidecar, NewDirPerm: 0o700})
	if err != nil {
		return err
	}
	root, err := newAccount()
	if err != nil {
		return err
	}
	accounts := &keys{dir: *grants, objects: objects, attributes: attributes, root: root}
	return embedgw.RunVersityGW(ctx, store, &embedgw.Config{
		RootUserAccess: root.Access, RootUserSecret: root.Secret, Region: anyRegion,
		Ports: []string{*listen}, CertFile: *cert, KeyFile: *key,
		MaxConnections: 1000, MaxRequests: 1000, MultipartMaxParts: 10_000,
		IAMService: accounts,
		S3Options:  []s3api.Option{s3api.WithMiddleware("/", controllers.WrapMiddleware(accounts.version2, nil, nil))},
		HealthPath: "/health", KeepAlive: true, Quiet: true,
	})
}
