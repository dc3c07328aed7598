package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"hybrid/lab/system/docker"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
)

// gather copies the named programs, and the libraries that the dynamic loader says
// they need, to /out. A folder's own libraries, such as iptables' extensions, are
// loaded at run time and need libraries too.
const gather = `set -eu
paths=$(
  for name; do
    case $name in */*) path=$name ;; *) path=$(command -v "$name") ;; esac
    [ -e "$path" ]
    echo "$path"
    find -H "$path" -type f \( -path "$path" -o -name '*.so*' \) -exec ldd {} \; 2>/dev/null |
      grep -o '/[^ ]*' || true # some need none
  done
)
mkdir /out
echo "$paths" | sort -u | while read -r path; do
  mkdir -p "/out$(dirname "$path")"
  cp -rL "$path" "/out$path"
done`

// ProgramsKey tells whether Programs would return the same again.
func ProgramsKey(ref string, names []string) string {
	return fmt.Sprintf("programs %s %q %x", ref, names, sha256.Sum256([]byte(gather)))
}

// Programs returns a tar of programs of an image with the libraries that they
// need. A name with a slash is a file or folder, which is taken whole.
func Programs(ctx context.Context, cli *client.Client, ref string, names []string) (_ io.ReadCloser, err error) {
	created, err := cli.ContainerCreate(ctx, &container.Config{
		Image: ref, Entrypoint: append([]string{"sh", "-c", gather, "sh"}, names...),
		Labels: map[string]string{docker.Label: docker.LabelValue}, NetworkDisabled: true,
	}, nil, nil, nil, "")
	if err != nil {
		return nil, err
	}
	remove := func() error {
		return cli.ContainerRemove(context.WithoutCancel(ctx), created.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, remove())
		}
	}()
	exited, failed := cli.ContainerWait(ctx, created.ID, container.WaitConditionNextExit)
	if err := cli.ContainerStart(ctx, created.ID, container.StartOptions{}); err != nil {
		return nil, err
	}
	select {
	case result := <-exited:
		if result.StatusCode != 0 {
			return nil, fmt.Errorf("gathering %q from %s: exit status %d: are they all in the image?", names, ref, result.StatusCode)
		}
	case err := <-failed:
		return nil, err
	}
	files, _, err := cli.CopyFromContainer(ctx, created.ID, "/out/.")
	if err != nil {
		return nil, err
	}
	return gathered{files, remove}, nil
}

// gathered removes the container when its files have been read.
type gathered struct {
	io.ReadCloser
	remove func() error
}

func (g gathered) Close() error { return errors.Join(g.ReadCloser.Close(), g.remove()) }
