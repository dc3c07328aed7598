package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/docker/client"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"hybrid/internal/shell"
	"hybrid/lab/build"
	"hybrid/lab/image"
	"hybrid/lab/packages"
	"hybrid/lab/progress"
	"hybrid/lab/registry"
	"hybrid/lab/registry/store"
	"hybrid/lab/system/docker"
	"hybrid/lab/vm"
)

func (l *lab) prepareCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "prepare",
		Short: "Check this machine and build what the lab needs; create nothing",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return l.prepare(cmd.Context(), false) },
	}
	l.nextFlag(c)
	return c
}

func (l *lab) startCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "start",
		Short: "Prepare, clear away what a killed run has left, and resume what is off",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return l.start(cmd.Context(), false) },
	}
	l.nextFlag(c)
	return c
}

// nextFlag is for tests of upgrades: nothing else needs what takes ten minutes to build.
func (l *lab) nextFlag(c *cobra.Command) {
	c.Flags().BoolVar(&l.upgrade, "next", false, "build and serve Kubernetes "+registry.NextKubernetes+" too, until the lab is prepared without it")
}

// prepare makes everything that outlives a lab: Docker, programs, images. The checks
// come first, as soon as Docker answers. leaving says that the lab is to be removed.
func (l *lab) prepare(ctx context.Context, leaving bool, checks ...func(context.Context) error) error {
	if err := l.log.Do("check this machine", func(s *progress.Step) error {
		disk, err := l.disk(leaving)
		if err != nil {
			return err
		}
		var did []string
		err = docker.Ensure(ctx, disk, func(line string) {
			s.Note("%s", line)
			if strings.HasPrefix(line, "raised") || strings.HasPrefix(line, "loaded") || strings.HasPrefix(line, "start") {
				did = append(did, line)
			}
		})
		s.Result("%s", strings.Join(did, "; "))
		if err != nil {
			return err
		}
		var errs []error
		for _, check := range checks {
			errs = append(errs, check(ctx))
		}
		return errors.Join(errs...)
	}); err != nil {
		return err
	}
	cli, err := docker.Connect(ctx)
	if err != nil {
		return err
	}
	defer cli.Close()
	machines, database, err := l.programs(ctx, cli)
	if err != nil {
		return err
	}
	if err := l.Install(ctx); err != nil {
		return err
	}
	next := ""
	if l.upgrade {
		if next, err = l.builder().NextKubernetes(ctx); err != nil {
			return fmt.Errorf("building Kubernetes %s: %w", registry.NextKubernetes, err)
		}
		if _, err = l.packages(packages.Kubernetes{Version: registry.NextKubernetes, Program: next}); err != nil {
			return err
		}
	}
	return l.images(ctx, cli, next, machines, database)
}

// packages makes those of Kubernetes, and of further versions, and returns the paths of the
// former.
func (l *lab) packages(further ...packages.Kubernetes) (paths []string, err error) {
	err = l.log.Do("Kubernetes' packages", func(s *progress.Step) error {
		dir, err := store.Dir()
		if err != nil {
			return err
		}
		own := packages.Kubernetes{Version: registry.Kubernetes, Program: l.builder().Path("kube")}
		if err := packages.Build(store.Packages(dir), append(further, own), func(line string) { s.Note("%s", line) }); err != nil {
			return err
		}
		paths, err = packages.Files(store.Packages(dir), own)
		return err
	})
	return paths, err
}

// What the lab writes to the disk, in bytes: three clusters of two machines with their
// images and databases, and what compiling everything the first time leaves in the caches.
const (
	machinesDisk = 7_000_000_000
	buildDisk    = 8_000_000_000
)

// disk is how many bytes are still to be written. A lab that is to be removed can always
// be: that is what makes room.
func (l *lab) disk(leaving bool) (uint64, error) {
	built, err := l.builder().Built()
	switch {
	case err != nil || leaving:
		return 0, err
	case built:
		return machinesDisk, nil
	}
	return machinesDisk + buildDisk, nil
}

// programs builds them all, and meanwhile the database's image, and the machines' as soon
// as its own are there: Debian's packages need the network and the disk more than the
// processor. It returns the images' references.
func (l *lab) programs(ctx context.Context, cli *client.Client) (machines, database string, err error) {
	b := l.builder()
	own := []string{"kube", "containerd", "containerd-shim-runc-v2", "ctr"}
	there := make(chan struct{}, len(own))
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error {
		return b.All(ctx, func(name string) {
			if slices.Contains(own, name) {
				there <- struct{}{}
			}
		})
	})
	work.Go(func() error {
		for range own {
			select {
			case <-there:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		kubernetes, err := l.packages()
		if err != nil {
			return err
		}
		return l.log.Do("the machines' image", func(s *progress.Step) (err error) {
			machines, err = image.Ensure(ctx, cli, image.Inputs{
				Packages: kubernetes, Containerd: b.Path("containerd"), Shim: b.Path("containerd-shim-runc-v2"), Ctr: b.Path("ctr"),
			}, func(line string) { s.Note("%s", line) })
			return err
		})
	})
	work.Go(func() error {
		return l.log.Do("the database's image", func(s *progress.Step) (err error) {
			database, err = image.EnsureDatabase(ctx, cli, func(line string) { s.Note("%s", line) })
			return err
		})
	})
	err = work.Wait()
	return machines, database, err
}

func (l *lab) builder() *build.Builder {
	return &build.Builder{Project: l.Project, Cache: l.Cache, Log: l.log}
}

func (l *lab) images(ctx context.Context, cli *client.Client, next, machines, database string) error {
	b := l.builder()
	return l.log.Do("the registry's images", func(s *progress.Step) error {
		return registry.Build(ctx, cli, registry.Inputs{
			Kube: b.Path("kube"), NextKube: next, CoreDNS: b.Path("coredns"), Karmada: b.Path("karmada"), Pause: b.Path("pause"),
			Weaver: b.Path("weaver"), WeaveUtil: b.Path("weaveutil"), KubeUtils: b.Path("kube-utils"),
			Server: b.Path("registry"), S3: b.Path("s3"), Hybrid: b.Path("hybrid"), VMImage: machines, DatabaseImage: database,
		}, func(line string) { s.Note("%s", line) })
	})
}

// start makes the lab ready for `pulumi`, whatever an earlier run, or a reboot,
// has left behind. leaving says that it is to be removed.
func (l *lab) start(ctx context.Context, leaving bool) error {
	checks := []func(context.Context) error{vm.CheckOwner}
	if !leaving {
		checks = append(checks, l.checkRanges)
	}
	if err := l.prepare(ctx, leaving, checks...); err != nil {
		return err
	}
	return l.log.Do("start the lab", func(s *progress.Step) error {
		mended, err := l.Init(ctx)
		if err != nil {
			return err
		}
		host, err := vm.Open(ctx)
		if err != nil {
			return err
		}
		defer host.Close()
		cleared, err := l.clearOrphans(ctx, host)
		if err != nil {
			return err
		}
		resumed, err := resume(ctx, host.Resume, leaving)
		s.Result("%s", strings.Join(slices.Concat(mended, cleared, resumed), "; "))
		return err
	})
}

// checkRanges looks whether this machine has the clusters' networks for other things.
func (l *lab) checkRanges(ctx context.Context) error {
	ranges, err := l.NetworkRanges()
	if err != nil {
		return err
	}
	return vm.CheckRanges(ctx, ranges)
}

// resume switches on what is off, and says what it did. Who is leaving can do without:
// what doesn't start is removed as it is.
func resume(ctx context.Context, switchOn func(context.Context) ([]string, error), leaving bool) (did []string, err error) {
	started, err := switchOn(ctx)
	if len(started) > 0 {
		did = append(did, "switched on "+strings.Join(started, ", "))
	}
	if err != nil && leaving && ctx.Err() == nil {
		return append(did, "what doesn't start is removed as it is: "+err.Error()), nil
	}
	return did, err
}

// stop removes the lab from Docker.
func (l *lab) stop(ctx context.Context) error {
	host, err := vm.Open(ctx)
	if err != nil {
		return err
	}
	defer host.Close()
	return host.Purge(ctx, false)
}

func (l *lab) downCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Remove everything that the lab has created, in whatever state it is; keep the caches",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return l.down(cmd.Context()) },
	}
}

func (l *lab) down(ctx context.Context) error {
	return l.log.Do("remove the lab", func(s *progress.Step) error {
		// Without an engine no container runs, and a machine that has none needn't
		// get one for this.
		if cli, err := docker.Connect(ctx); err != nil {
			s.Result("Docker isn't running: containers that it may have kept go when the lab starts the next time")
		} else {
			cli.Close()
			if err := vm.Purge(ctx); err != nil {
				return err
			}
		}
		var errs []error
		for _, dir := range []string{"backend", "clouds", "pulumi", "kubeconfig", "ssh"} {
			errs = append(errs, os.RemoveAll(filepath.Join(l.State, dir)))
		}
		return errors.Join(errs...)
	})
}

func (l *lab) cleanCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "clean",
		Short: "Remove what the lab has created, its images and its caches (Go's own stay)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if err := l.down(ctx); err != nil {
				return err
			}
			return l.log.Do("remove images and caches", func(*progress.Step) error {
				if cli, err := docker.Connect(ctx); err == nil {
					defer cli.Close()
					if err := image.Remove(ctx, cli); err != nil {
						return err
					}
				}
				return os.RemoveAll(l.Cache)
			})
		},
	}
}

// next prints what to type next.
func (l *lab) next(ctx context.Context) error {
	out, err := l.Output(ctx, "stack", "output", "clusters", "--json")
	if err != nil {
		return err
	}
	names, err := clusterNames(out)
	if err != nil {
		return err
	}
	fmt.Println("\nThe hybrid cloud is up. To use it from this shell:")
	fmt.Println("\n  eval \"$(make -s env)\"")
	for _, name := range names {
		fmt.Println("  " + shell.Join("kubectl", "--context", name, "get", "nodes"))
	}
	fmt.Println("  hybrid status")
	fmt.Println("  hybrid view")
	fmt.Println("  pulumi preview")
	fmt.Println("\nAnd to remove it: make destroy")
	return nil
}
