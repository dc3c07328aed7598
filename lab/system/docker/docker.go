// Package docker makes the host ready to run machines as containers: it checks
// the host and finds, or installs and starts, the Docker engine.
package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/docker/docker/client"
)

// Label is on everything that the lab creates in Docker. There is one lab per
// host, hence one value.
const (
	Label      = "hybrid.lab"
	LabelValue = "dev"
)

// Connect returns a client of the Docker engine that DOCKER_HOST names, or else
// of the host's own. The engine has answered when it returns.
func Connect(ctx context.Context) (*client.Client, error) {
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("the environment's Docker settings: %w", err)
	}
	if _, err := cli.Ping(ctx); err != nil {
		cli.Close()
		return nil, explain(err)
	}
	return cli, nil
}

// explain says what to do about an engine that doesn't answer.
func explain(err error) error {
	switch host := os.Getenv(client.EnvOverrideHost); {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("waiting for the Docker engine: %w", err)
	case errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "permission denied"):
		return fmt.Errorf("the Docker engine refuses this user: run as root, or `sudo usermod -aG docker $USER` and log in again: %w", err)
	case host != "":
		return fmt.Errorf("the Docker engine at DOCKER_HOST=%s does not answer: start it, or unset DOCKER_HOST: %w", host, err)
	default:
		return fmt.Errorf("the Docker engine does not answer: install Docker Engine 20.10 or later and start it: %w", err)
	}
}
