package observe

import (
	"context"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// Container is one of a pod's.
type Container struct{ Cluster, Namespace, Pod, Name string }

func (c *Container) String() string {
	return fmt.Sprintf("container %s of %s/%s in %s", c.Name, c.Namespace, c.Pod, c.Cluster)
}

// lostAfter is how many times in a row an API may not answer until a terminal ends. With
// the pauses and time-outs that is a dozen seconds.
const lostAfter = 2

// Terminal runs a program in a container, with a terminal, until it ends. Its exit status
// is no error.
func (o *Observer) Terminal(ctx context.Context, c Container, argv []string, in io.Reader, out io.Writer, sizes remotecommand.TerminalSizeQueue) error {
	return o.attended(ctx, c, func(ctx context.Context, a *access) error {
		options := &corev1.PodExecOptions{Container: c.Name, Command: argv, Stdin: true, Stdout: true, TTY: true}
		executor, err := newExecutor(a.config, a.client.CoreV1().RESTClient(), Pod{Namespace: c.Namespace, Name: c.Pod}, options)
		if err != nil {
			return err
		}
		err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: in, Stdout: out, Tty: true, TerminalSizeQueue: sizes})
		var status exec.CodeExitError
		if errors.As(err, &status) {
			return nil
		}
		return err
	})
}

// firstLines is how many lines of a log are shown that were there before.
var firstLines int64 = 500

// Logs follows the log of a container, until ctx ends or the container does.
func (o *Observer) Logs(ctx context.Context, c Container, out io.Writer) error {
	return o.attended(ctx, c, func(ctx context.Context, a *access) error {
		options := &corev1.PodLogOptions{Container: c.Name, Follow: true, TailLines: &firstLines}
		log, err := a.client.CoreV1().Pods(c.Namespace).GetLogs(c.Pod, options).Stream(ctx)
		if err != nil {
			return err
		}
		defer log.Close()
		_, err = io.Copy(out, log)
		return err
	})
}

// attended does something that lasts, and ends it when the cluster's API doesn't answer
// any more: a connection alone wouldn't tell for minutes.
func (o *Observer) attended(ctx context.Context, c Container, do func(context.Context, *access) error) error {
	a := o.clusters[c.Cluster]
	if a == nil {
		return fmt.Errorf("there is no cluster %s", c.Cluster)
	}
	if a.broken != nil {
		return a.broken
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for missed := 0; missed < lostAfter && wait(ctx, alivePause); {
			asking, done := context.WithTimeout(ctx, o.Timeout)
			_, err := a.version(asking)
			done()
			missed++
			if err == nil {
				missed = 0
			}
		}
		cancel(fmt.Errorf("cluster %s does not answer any more", c.Cluster))
	}()
	err := do(ctx, a)
	switch cause := context.Cause(ctx); {
	case cause != nil:
		return cause
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s: refused: your account may not do that: %w", c.String(), err)
	case err != nil:
		return fmt.Errorf("%s: %w", c.String(), plain(err))
	}
	return nil
}
