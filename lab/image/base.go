package image

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"hybrid/lab/system/docker"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// Base and DatabaseBase are what the images are built upon. The Dockerfiles' FROM say
// the same.
const (
	Base         = "debian:bookworm-slim"
	DatabaseBase = "debian:trixie-slim"
)

// ensureBase pulls a base if it isn't there, and where Docker Hub can't be reached
// makes the like of it from Debian's packages.
func ensureBase(ctx context.Context, cli *client.Client, base string, progress func(string)) error {
	_, err := cli.ImageInspect(ctx, base)
	if !errdefs.IsNotFound(err) {
		return err
	}
	progress("pulling " + base)
	pulled := pull(ctx, cli, base, progress)
	if pulled == nil || ctx.Err() != nil {
		return pulled
	}
	progress(fmt.Sprintf("%s can't be pulled (%v): making it from Debian's packages", base, pulled))
	if err := bootstrap(ctx, cli, base, progress); err != nil {
		return fmt.Errorf("%s can neither be pulled (%w) nor made: %w: load it with `docker load`", base, pulled, err)
	}
	return nil
}

func pull(ctx context.Context, cli *client.Client, base string, progress func(string)) error {
	stream, err := cli.ImagePull(ctx, base, image.PullOptions{Platform: "linux/amd64"})
	if err != nil {
		return err
	}
	defer stream.Close()
	return follow(stream, progress)
}

// bootstrap imports what mmdebstrap makes, without the files that the slim image
// leaves out too.
func bootstrap(ctx context.Context, cli *client.Client, base string, progress func(string)) error {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		progress("installing mmdebstrap")
		if err := docker.AptInstall(ctx, progress, "mmdebstrap", "debian-archive-keyring"); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx) // ends mmdebstrap if the import fails
	defer cancel()
	r, w := io.Pipe()
	suite := strings.TrimSuffix(strings.TrimPrefix(base, "debian:"), "-slim")
	cmd := exec.CommandContext(ctx, "mmdebstrap", "--variant=minbase", "--verbose",
		"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=force-unsafe-io",
		suite, "-")
	cmd.Stdout = w
	made := make(chan error, 1)
	go func() {
		err := docker.RunWithProgress(cmd, progress)
		w.CloseWithError(err)
		made <- err
	}()
	imported := load(ctx, cli, base, r)
	r.CloseWithError(imported)
	if imported != nil {
		cancel()
	}
	if err := <-made; err != nil {
		return fmt.Errorf("mmdebstrap: %w", err)
	}
	return imported
}

func load(ctx context.Context, cli *client.Client, base string, archive io.Reader) error {
	stream, err := cli.ImageImport(ctx, image.ImportSource{Source: archive, SourceName: "-"}, base,
		image.ImportOptions{Changes: []string{`CMD ["bash"]`, "LABEL " + label()}})
	if err != nil {
		return err
	}
	defer stream.Close()
	return follow(stream, func(string) {})
}
