package observe

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/tools/remotecommand"
)

// access is what is needed to ask a cluster, or the federation.
type access struct {
	server string // empty if the kubeconfig is broken
	// broken is what is wrong with the kubeconfig. Nothing below is there then.
	broken  error
	config  *rest.Config
	client  kubernetes.Interface
	dynamic dynamic.Interface
	exec    func(ctx context.Context, p Pod, container string, argv ...string) ([]byte, error)
}

// prepare is open, for one part of a whole: a context that is broken doesn't keep the
// others from being looked at.
func prepare(kubeconfig *clientcmdapi.Config, name string) *access {
	a, err := open(kubeconfig, name)
	if err != nil {
		return &access{broken: err}
	}
	return a
}

// open makes the clients of a context. It connects to nothing.
func open(kubeconfig *clientcmdapi.Config, name string) (*access, error) {
	use := kubeconfig.Contexts[name]
	if use == nil {
		return nil, fmt.Errorf("the kubeconfig has no context %q", name)
	}
	// The library says that there is no configuration at all, or goes on without credentials.
	if kubeconfig.Clusters[use.Cluster] == nil {
		return nil, fmt.Errorf("the kubeconfig's context %q is of cluster %q, and there is no such cluster", name, use.Cluster)
	}
	if use.AuthInfo != "" && kubeconfig.AuthInfos[use.AuthInfo] == nil {
		return nil, fmt.Errorf("the kubeconfig's context %q is of user %q, and there is no such user", name, use.AuthInfo)
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*kubeconfig, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, err
	}
	config.UserAgent = "hybrid"
	config.QPS = -1 // few requests, and each has its own time-out
	config.WarningHandlerWithContext = rest.NoWarnings{}
	// All requests to a server would share one HTTP/2 connection, and after an
	// outage wait for it until it is found to be dead. Of HTTP/1.1's, a
	// request that times out closes its own.
	config.NextProtos = []string{"http/1.1"}
	a := &access{server: config.Host, config: config}
	if a.client, err = kubernetes.NewForConfig(config); err != nil {
		return nil, err
	}
	if a.dynamic, err = dynamic.NewForConfig(config); err != nil {
		return nil, err
	}
	a.exec = func(ctx context.Context, p Pod, container string, argv ...string) ([]byte, error) {
		return execute(ctx, config, a.client.CoreV1().RESTClient(), p, container, argv)
	}
	return a, nil
}

// execute runs a program in a container and returns what it prints.
func execute(ctx context.Context, config *rest.Config, client rest.Interface, p Pod, container string, argv []string) ([]byte, error) {
	executor, err := newExecutor(config, client, p, &corev1.PodExecOptions{Container: container, Command: argv, Stdout: true, Stderr: true})
	if err != nil {
		return nil, err
	}
	var stdout, stderr bytes.Buffer
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr}); err != nil {
		if ctx.Err() != nil {
			// What runs in the background may still write to the buffers.
			return nil, fmt.Errorf("pod %s/%s: %w", p.Namespace, p.Name, ctx.Err())
		}
		return nil, fmt.Errorf("pod %s/%s: %w: %s", p.Namespace, p.Name, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// newExecutor prepares for running a program in a container, as kubectl does: over
// WebSockets, and SPDY where something between can't pass them.
func newExecutor(config *rest.Config, client rest.Interface, p Pod, options *corev1.PodExecOptions) (remotecommand.Executor, error) {
	url := client.Post().Resource("pods").Namespace(p.Namespace).Name(p.Name).SubResource("exec").
		VersionedParams(options, scheme.ParameterCodec).URL()
	ws, err := remotecommand.NewWebSocketExecutor(config, "GET", url.String())
	if err != nil {
		return nil, err
	}
	spdy, err := remotecommand.NewSPDYExecutor(config, "POST", url)
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(ws, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
}
