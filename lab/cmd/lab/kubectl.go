package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// kubectl becomes the kubectl of the lab's Kubernetes version. A plain `pulumi
// up` changes the stack's kubeconfig and not the file that KUBECONFIG names, so
// the file is brought up to date first.
func (l *lab) kubectl(ctx context.Context, args []string) error {
	if os.Getenv("KUBECONFIG") == l.Kubeconfig() && l.KubeconfigStale() {
		if err := l.WriteKubeconfig(ctx); err != nil {
			return fmt.Errorf("bringing %s up to date: %w", l.Kubeconfig(), err)
		}
	}
	kube := filepath.Join(l.Cache, "bin", "kube")
	if err := syscall.Exec(kube, append([]string{"kubectl"}, args...), os.Environ()); err != nil {
		return fmt.Errorf("starting kubectl: %w: `make up` builds it", err)
	}
	return nil
}
