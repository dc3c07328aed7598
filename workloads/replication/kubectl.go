package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Kubectl reaches pods through kubectl, by the kubeconfig's contexts: those are named
// after the clusters.
type Kubectl struct {
	// Command is the program, perhaps with flags.
	Command []string
}

// Limits of a call: a cluster that is lost must not hold up the others.
const (
	requestTimeout = "10s"
	callTimeout    = 30 * time.Second
)

func (k Kubectl) run(ctx context.Context, cluster, stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	argv := append(k.Command[1:len(k.Command):len(k.Command)], "--context", cluster, "-n", "default", "--request-timeout", requestTimeout)
	cmd := exec.CommandContext(ctx, k.Command[0], append(argv, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = time.Second
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() == context.DeadlineExceeded {
		return "", fmt.Errorf("no answer within %s", callTimeout)
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return string(out), err
}

// List implements Pods.
func (k Kubectl) List(ctx context.Context, cluster, app string) ([]Pod, error) {
	out, err := k.run(ctx, cluster, "", "get", "pods", "-l", "app="+app, "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Metadata struct {
				Name              string
				DeletionTimestamp *string
			}
			Spec   struct{ NodeName string }
			Status struct{ Phase, PodIP string }
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, fmt.Errorf("kubectl get pods: %w", err)
	}
	var pods []Pod
	for _, i := range list.Items {
		// One without an address has never run: it follows nobody.
		if i.Status.PodIP != "" && (i.Status.Phase == "Running" || i.Status.Phase == "Pending") {
			pods = append(pods, Pod{Cluster: cluster, Name: i.Metadata.Name, Node: i.Spec.NodeName, Address: i.Status.PodIP})
		}
	}
	return pods, nil
}

// Exec implements Pods.
func (k Kubectl) Exec(ctx context.Context, pod Pod, stdin string, args ...string) (string, error) {
	return k.run(ctx, pod.Cluster, stdin, append([]string{"exec", "-i", pod.Name, "-c", "postgres", "--"}, args...)...)
}

// Topology reads the settings from the first cluster that answers: each has them.
func (k Kubectl) Topology(ctx context.Context) (*Topology, error) {
	out, err := exec.CommandContext(ctx, k.Command[0], append(k.Command[1:len(k.Command):len(k.Command)], "config", "get-contexts", "-o", "name")...).Output()
	if err != nil {
		return nil, fmt.Errorf("kubectl config get-contexts: %w: is KUBECONFIG set?", err)
	}
	contexts := strings.Fields(string(out))
	if len(contexts) == 0 {
		return nil, errors.New("the kubeconfig has no contexts: is KUBECONFIG set?")
	}
	var errs []error
	for _, name := range contexts {
		text, err := k.run(ctx, name, "", "get", "configmap", Settings, "-o", "jsonpath={.data."+TopologyKey+"}")
		if err == nil {
			return ParseTopology(text)
		}
		errs = append(errs, fmt.Errorf("context %q: %w", name, err))
	}
	return nil, fmt.Errorf("no cluster has the settings of PostgreSQL: %w", errors.Join(errs...))
}
