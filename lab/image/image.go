// Package image makes the lab's Docker image: a Debian that boots as a virtual
// machine, and whose parts routers and the registry use too.
package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"hybrid/lab/system/docker"
	"hybrid/lab/system/lock"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// Current is the image that Ensure made last: what machines are created from.
const Current = repository + ":current"

// Images of these names are this package's.
const repository, databaseRepository = "hybrid-lab-vm", "hybrid-lab-database"

// Ensure builds the machines' image unless it is there. The returned reference carries
// a digest of all inputs; Current names the same image. progress receives one line at a
// time.
func Ensure(ctx context.Context, cli *client.Client, in Inputs, progress func(line string)) (string, error) {
	files, err := inputs(in)
	if err != nil {
		return "", err
	}
	return ensure(ctx, cli, files, repository, Base, progress)
}

// EnsureDatabase does the same for the image that has PostgreSQL, Patroni and HAProxy.
func EnsureDatabase(ctx context.Context, cli *client.Client, progress func(line string)) (string, error) {
	files, err := contextOf(database, "database")
	if err != nil {
		return "", err
	}
	return ensure(ctx, cli, files, databaseRepository, DatabaseBase, progress)
}

func ensure(ctx context.Context, cli *client.Client, files files, repository, base string, progress func(string)) (string, error) {
	digest, err := files.digest()
	if err != nil {
		return "", err
	}
	unlock, err := lock.Take("image") // two builds at once would each do all the work
	if err != nil {
		return "", err
	}
	defer unlock()
	ref, current := repository+":"+digest, repository+":current"
	if _, err := cli.ImageInspect(ctx, ref); errdefs.IsNotFound(err) {
		if err := ensureBase(ctx, cli, base, progress); err != nil {
			return "", err
		}
		if err := buildImage(ctx, cli, files, ref, progress); err != nil {
			return "", fmt.Errorf("building the image %s: %w", ref, err)
		}
	} else if err != nil {
		return "", err
	}
	if err := cli.ImageTag(ctx, ref, current); err != nil {
		return "", err
	}
	return ref, remove(ctx, cli, repository, ref, current)
}

// Remove removes every image that was made here and no container uses. The bases
// stay: they may be the user's.
func Remove(ctx context.Context, cli *client.Client) error {
	return errors.Join(remove(ctx, cli, repository), remove(ctx, cli, databaseRepository))
}

func buildImage(ctx context.Context, cli *client.Client, files files, ref string, progress func(string)) error {
	archive := files.tar()
	defer archive.Close()
	response, err := cli.ImageBuild(ctx, archive, build.ImageBuildOptions{
		Tags: []string{ref},
		// Where containers can't reach the world, or not by its names, the host can.
		NetworkMode: "host",
		BuildArgs:   proxies(),
		Remove:      true,
		ForceRemove: true,
		Version:     build.BuilderV1, // BuildKit needs a session, this one doesn't
	})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return follow(response.Body, progress)
}

// proxies hands on the environment's. Docker knows these names: they need no ARG
// and stay out of the image and its history.
func proxies() map[string]*string {
	arguments := map[string]*string{}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		for _, spelling := range []string{name, strings.ToUpper(name)} {
			if value, ok := os.LookupEnv(spelling); ok {
				arguments[spelling] = &value
			}
		}
	}
	return arguments
}

// remove removes all tags of a repository but those to keep, and what has lost its
// tag. An image that a container still uses goes the next time.
func remove(ctx context.Context, cli *client.Client, repository string, keep ...string) error {
	images, err := cli.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", repository))})
	if err != nil {
		return err
	}
	var errs []error
	for _, summary := range images {
		for _, tag := range summary.RepoTags {
			if slices.Contains(keep, tag) || !strings.HasPrefix(tag, repository+":") {
				continue
			}
			if err := removeTag(ctx, cli, tag); err != nil {
				errs = append(errs, err)
			}
		}
	}
	_, err = cli.ImagesPrune(ctx, filters.NewArgs(filters.Arg("dangling", "true"), filters.Arg("label", label())))
	return errors.Join(append(errs, err)...)
}

func removeTag(ctx context.Context, cli *client.Client, tag string) error {
	_, err := cli.ImageRemove(ctx, tag, image.RemoveOptions{PruneChildren: true})
	if errdefs.IsConflict(err) || errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// label is what the Dockerfile's LABEL says too: also the containers of an
// interrupted build can then be found and removed.
func label() string { return docker.Label + "=" + docker.LabelValue }
